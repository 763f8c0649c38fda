"""`/hooks/sendgrid/inbound` and `rekindle inbound`: mail that came back."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from rekindle.cli.app import main
from store.suppressions import find_suppressed
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
