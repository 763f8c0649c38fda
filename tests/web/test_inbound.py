"""`/hooks/sendgrid/inbound` and `rekindle inbound`: mail that came back."""

import json
from base64 import b64encode
from pathlib import Path

import pytest
from sqlalchemy import select

from rekindle.cli.app import main
from store.suppressions import find_suppressed
from store.tables import rejects
from tests.web.conftest import SETTINGS, Site

REPLY = "From: Ana <c1@example.com>\r\nSubject: Re: Hello\r\n"
BOUNCE = (
    "From: MAILER-DAEMON@example.com\r\nX-Failed-Recipients: c1@example.com\r\n"
    "Subject: failure\r\n\r\nc1@example.com\r\n  550 5.1.1 User unknown\r\n"
)


@pytest.fixture
def listening(small_site: Site) -> Site:
    """A site that has a password for inbound mail, and a customer."""
    small_site.write("rekindle.yaml", SETTINGS + "sendgrid: {inbound_secret: s3cret}\n")
    small_site.apply()
    small_site.customer("c1")
    return small_site


def post(site: Site, fields: dict[str, str], password: str = "s3cret") -> int:
    said = b64encode(f"any:{password}".encode()).decode()
    files = {name: (None, value) for name, value in fields.items()}
    answer = site.client.post(
        "/hooks/sendgrid/inbound", files=files, headers={"authorization": f"Basic {said}"}
    )
    return answer.status_code


def test_a_raw_bounce_suppresses(listening: Site):
    assert post(listening, {"email": BOUNCE}) == 200

    with listening.services.store.read() as connection:
        found = find_suppressed(connection, ["c1@example.com"], listening.clock.now())
    assert found == {"c1@example.com": "hard_bounce"}


def test_a_parsed_reply_is_an_event_once(listening: Site):
    fields = {"headers": REPLY, "text": "Thanks!", "from": "c1@example.com"}

    assert [post(listening, fields), post(listening, fields)] == [200, 200]

    assert len(listening.events("email.replied")) == 1


def test_without_the_password_nothing_is_taken(listening: Site):
    assert post(listening, {"email": BOUNCE}, password="guess") == 401
    assert listening.client.post("/hooks/sendgrid/inbound").status_code == 401
    assert listening.client.get("/hooks/sendgrid/inbound").status_code == 405


@pytest.mark.parametrize("name", ["default_data", "raw_data", "raw_data_with_attachments"])
def test_real_posts_are_taken(listening: Site, shared: Path, name: str):
    body = (shared / f"fixtures/sendgrid/inbound/{name}.multipart.bin").read_bytes()
    said = b64encode(b"any:s3cret").decode()
    headers = {
        "authorization": f"Basic {said}",
        "content-type": "multipart/form-data; boundary=xYzZY",
    }

    answer = listening.client.post("/hooks/sendgrid/inbound", content=body, headers=headers)

    assert answer.status_code == 200


def test_the_command_says_what_it_is_and_acts(listening: Site, tmp_path: Path, capsys):
    file = tmp_path / "bounce.eml"
    file.write_bytes(BOUNCE.encode())
    where = ["--workspace", str(tmp_path), "--database", str(listening.services.store.url)]

    assert main(["inbound", str(file), "--json", *where]) == 0

    assert json.loads(capsys.readouterr().out) == [
        {"recipient": "c1@example.com", "kind": "bounce", "hard": True, "status": "5.1.1"}
    ]
    assert main(["inbound", str(tmp_path / "none.eml"), *where]) == 1


def test_a_mail_beyond_the_bounds_is_a_reject_and_not_sent_again(listening: Site):
    endless = "".join(f"X-{number}: 1\r\n" for number in range(5000))

    assert post(listening, {"email": endless}) == 200
    assert post(listening, {"headers": endless, "text": "Hello"}) == 200

    with listening.services.store.read() as connection:
        kept = connection.execute(select(rejects.c.source, rejects.c.reason)).all()
    assert [row.source for row in kept] == ["sendgrid inbound"] * 2
    assert all("4000 lines" in row.reason for row in kept)


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": REPLY, "envelope": '{"to": ["x@shop.example"], "from": ""}'},
        {"email": REPLY + "\r\nHi", "envelope": '{"to": ["x@shop.example"], "from": ""}'},
        {"headers": REPLY + "Auto-Submitted: auto-replied\r\n", "text": "Away"},
        {"headers": REPLY.replace("Re: Hello", "Automatische Antwort: Hello"), "text": "Weg"},
        {"headers": REPLY + "Content-Type: multipart/report; report-type=x\r\n", "text": "Read"},
    ],
)
def test_an_automatic_answer_is_no_activity(listening: Site, fields: dict[str, str]):
    assert post(listening, fields) == 200

    assert listening.events("email.replied") == []


def test_an_envelope_that_cannot_be_read_is_passed_over(listening: Site):
    assert (
        post(listening, {"headers": REPLY, "text": "Yes", "envelope": "{", "charsets": "[1]"})
        == 200
    )

    assert len(listening.events("email.replied")) == 1


def test_a_report_whose_parts_come_as_files_suppresses(listening: Site):
    said = b64encode(b"any:s3cret").decode()
    headers = (
        "From: MAILER-DAEMON@mx.example\r\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=gone\r\n"
    )
    report = "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; c1@example.com\nStatus: 5.1.1\n"

    answer = listening.client.post(
        "/hooks/sendgrid/inbound",
        data={"headers": headers, "text": "Not delivered."},
        files={"attachment1": ("details.txt", report.encode(), "message/delivery-status")},
        headers={"authorization": f"Basic {said}"},
    )

    assert answer.status_code == 200
    with listening.services.store.read() as connection:
        found = find_suppressed(connection, ["c1@example.com"], listening.clock.now())
    assert found == {"c1@example.com": "hard_bounce"}


def test_the_command_reads_mailboxes_and_goes_on_after_a_bad_mail(
    listening: Site, tmp_path: Path, capsys
):
    where = ["--workspace", str(tmp_path), "--database", str(listening.services.store.url)]
    bad = "".join(f"X-{number}: 1\r\n" for number in range(5000))
    folder = tmp_path / "Mail"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "new" / "1").write_text(bad)
    (folder / "cur" / "2:2,S").write_text(BOUNCE)
    mbox = tmp_path / "mbox"
    mbox.write_text(f"From x\n{REPLY}\nHi\n\nFrom x\n{bad}\n\nFrom x\n{BOUNCE}\n")

    assert main(["inbound", str(folder), "--json", *where]) == 1
    in_folder = json.loads(capsys.readouterr().out)
    assert main(["inbound", str(mbox), "--json", *where]) == 1
    in_mbox = json.loads(capsys.readouterr().out)

    assert [one.get("kind", "fault") for one in in_folder] == ["fault", "bounce"]
    assert [one.get("kind", "fault") for one in in_mbox] == ["reply", "fault", "bounce"]
    assert [one["mail"] for one in in_mbox] == ["mbox 1", "mbox 2", "mbox 3"]
