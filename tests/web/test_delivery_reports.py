"""`/hooks/sendgrid/events`: what SendGrid reports, with signatures made by a key of the test."""

import json
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from store.records import MessageId
from store.suppressions import find_suppressed
from store.tables import delivery_events, messages, suppressions
from tests.web.conftest import SETTINGS, Site

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = b64encode(
    KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()


@pytest.fixture
def sent(site: Site) -> MessageId:
    """A mail of which SendGrid's answer was lost, on a site that knows its key."""
    site.write("rekindle.yaml", SETTINGS + f"sendgrid: {{webhook_public_key: {PUBLIC!r}}}\n")
    site.apply()
    return site.message(site.customer("c1"), status="uncertain", address="c1@example.com")


def item(site: Site, message: MessageId | None, event: str, **more: Any) -> dict[str, Any]:
    return {
        "email": "C1@example.com", "timestamp": int(site.clock.now().timestamp()), "event": event,
        "sg_event_id": f"id-{event}", "rekindle_message_id": str(message), **more,
    }  # fmt: skip


def post(site: Site, items: Any, *, age: int = 0, spoil: bytes = b"") -> int:
    body = json.dumps(items).encode() + b"\r\n"
    stamp = str(int(site.clock.now().timestamp()) - age)
    signature = KEY.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
    }
    return site.client.post(
        "/hooks/sendgrid/events", content=body + spoil, headers=headers
    ).status_code


def suppressed(site: Site) -> dict[str, str]:
    with site.services.store.read() as connection:
        return find_suppressed(connection, ["c1@example.com"], site.clock.now())


def test_a_delivery_settles_an_uncertain_mail_once(site: Site, sent: MessageId):
    batch = [item(site, sent, "delivered")]

    assert [post(site, batch), post(site, batch + batch)] == [200, 200]

    assert [row.status for row in site.rows(messages)] == ["delivered"]
    assert len(site.rows(delivery_events)) == len(site.events("message.delivered")) == 1


@pytest.mark.parametrize(
    ("event", "more", "status", "reason"),
    [
        ("bounce", {"type": "bounce"}, "bounced", "hard_bounce"),
        ("bounce", {"type": "blocked"}, "bounced", None),
        ("spamreport", {}, "complained", "complaint"),
        ("dropped", {"reason": "Bounced Address"}, "refused", "hard_bounce"),
        ("dropped", {"reason": "Spam Content"}, "refused", None),
        ("group_unsubscribe", {}, "uncertain", "unsubscribe"),
        ("deferred", {}, "uncertain", None),
        ("a new word", {}, "uncertain", None),
    ],
)
def test_each_kind_marks_and_suppresses(
    site: Site, sent: MessageId, event: str, more: dict[str, str], status: str, reason: str | None
):
    assert post(site, [item(site, sent, event, **more)]) == 200

    assert [row.status for row in site.rows(messages)] == [status]
    assert suppressed(site).get("c1@example.com") == reason


def test_a_late_delivery_does_not_undo_a_complaint(site: Site, sent: MessageId):
    post(site, [item(site, sent, "spamreport")])
    post(site, [item(site, sent, "delivered")])

    assert [row.status for row in site.rows(messages)] == ["complained"]


def test_opens_by_machines_are_kept_and_not_counted(site: Site, sent: MessageId):
    machine = item(site, sent, "open", sg_machine_open=True)
    person = item(site, sent, "open", sg_machine_open=False, sg_event_id="person")

    assert post(site, [machine, person]) == 200

    assert [row.is_machine for row in site.rows(delivery_events)] == [True, False]
    assert len(site.events("message.opened")) == 1


def test_a_bad_item_does_not_spoil_the_batch(site: Site, sent: MessageId):
    bad: list[Any] = [7, None, {}, {"event": []}, item(site, sent, "click", timestamp="soon")]
    nul = item(site, sent, "click", url="https://example.com/\0\ud800", sg_event_id="nul")

    assert post(site, [*bad, nul, item(site, sent, "delivered")]) == 200

    assert len(site.rows(delivery_events)) == 2


def test_a_mail_that_both_ids_name_is_ours_whichever_address_is_reported(site: Site):
    """As for mail that comes back: the mailbox we wrote to is left alone, and the one reported."""
    site.write("rekindle.yaml", SETTINGS + f"sendgrid: {{webhook_public_key: {PUBLIC!r}}}\n")
    site.apply()
    site.customer("c2")
    named = {"address": "c1@example.com", "provider_message_id": "abc"}
    message = site.message(site.customer("c1"), **named)
    other = {"email": "c2@example.com", "sg_message_id": "abc.recvd-1.0"}

    post(site, [item(site, message, "spamreport", **other)])

    assert [row.status for row in site.rows(messages)] == ["complained"]
    assert len(site.events("message.complained")) == 1
    boxes = {row.address: row.detail for row in site.rows(suppressions)}
    assert boxes == dict.fromkeys(
        ("c1@example.com", "c2@example.com"), f"report on email {message}"
    )


@pytest.mark.parametrize(
    ("event", "more", "said"),
    [
        (
            "bounce",
            {"status": "5.1.1", "reason": "550 5.1.1 <c1@example.com>: no such user"},
            ": 5.1.1: 550 5.1.1 <(address)>: no such user",
        ),
        ("dropped", {"reason": "Bounced Address"}, ": Bounced Address"),
        ("spamreport", {}, ""),
        ("group_unsubscribe", {"asm_group_id": 7}, ""),
    ],
)
def test_a_suppression_tells_which_report_made_it(
    site: Site, sent: MessageId, event: str, more: dict[str, Any], said: str
):
    post(site, [item(site, sent, event, **more)])

    assert [row.detail for row in site.rows(suppressions)] == [f"report on email {sent}{said}"]


def test_an_address_given_up_after_days_tells_the_last_report(site: Site, sent: MessageId):
    for day in range(3):
        full = {"type": "blocked", "status": "4.2.2", "reason": f"full {day}"}
        post(site, [item(site, sent, "bounce", sg_event_id=f"day-{day}", **full)])
        site.pass_time(days=1)

    told = [row.detail for row in site.rows(suppressions)]
    assert told == [f"report on email {sent}: 4.2.2: full 2"]


def test_a_report_on_another_senders_mail_says_so(site: Site, sent: MessageId):
    gone = {"email": "c9@example.com", "reason": "550 unknown"}
    post(site, [item(site, sent, "bounce", **gone)])

    told = [row.detail for row in site.rows(suppressions)]
    assert told == ["report on an email that is not known: 550 unknown"]


@pytest.mark.parametrize("is_last", [True, False])
def test_of_two_reports_in_one_batch_the_graver_holds(site: Site, sent: MessageId, is_last: bool):
    batch = [item(site, sent, "bounce"), item(site, sent, "spamreport")]
    post(site, batch if is_last else batch[::-1])

    assert suppressed(site) == {"c1@example.com": "complaint"}


def test_another_senders_mail_of_the_same_number_is_not_ours(site: Site, sent: MessageId):
    post(site, [item(site, sent, "delivered", email="other@example.com")])

    assert site.rows(delivery_events) == []


def test_a_mail_is_known_by_the_providers_id_too(site: Site, sent: MessageId):
    named = {"address": "c1@example.com", "provider_message_id": "abc"}
    other = site.message(site.customer("c1"), **named)
    post(site, [item(site, None, "delivered", sg_message_id="abc.recvd-1.0")])

    assert [row.message_id for row in site.rows(delivery_events)] == [other]


def test_three_days_of_soft_bounces_give_an_address_up(site: Site, sent: MessageId):
    for day in range(3):
        assert suppressed(site) == {}
        post(site, [item(site, sent, "bounce", type="blocked", sg_event_id=f"day-{day}")])
        site.pass_time(days=1)

    assert suppressed(site) == {"c1@example.com": "soft_bounces"}


def test_what_is_not_proven_is_not_taken(site: Site, sent: MessageId):
    batch = [item(site, sent, "delivered")]

    assert post(site, batch, spoil=b" ") == 401
    assert post(site, batch, age=3 * 24 * 3600) == 401
    assert site.client.post("/hooks/sendgrid/events", json=batch).status_code == 401
    assert site.rows(delivery_events) == []


def test_every_documented_kind_is_taken(site: Site, sent: MessageId, shared: Path):
    body = (shared / "fixtures/sendgrid/signature/signed-batch.all-types.body.bin").read_bytes()

    assert post(site, json.loads(body)) == 200


@pytest.mark.parametrize("is_one_batch", [True, False])
@pytest.mark.parametrize("event", ["bounce", "delivered", "spamreport", "dropped"])
def test_what_comes_once_to_a_mail_counts_once_whatever_its_reports_are_called(
    site: Site, sent: MessageId, event: str, *, is_one_batch: bool
):
    twice = [item(site, sent, event, reason="550 no", sg_event_id=mark) for mark in ("a", "b")]
    for batch in [twice] if is_one_batch else [[one] for one in twice]:
        post(site, batch)

    [kept] = site.rows(delivery_events)
    assert len(site.events(f"message.{kept.kind}")) == 1


def test_another_bounce_of_the_same_mail_is_news(site: Site, sent: MessageId):
    at = int(site.clock.now().timestamp())
    for mark, timestamp in (("a", at - 60), ("b", at)):
        bounce = {"type": "blocked", "reason": "452 later", "timestamp": timestamp}
        post(site, [item(site, sent, "bounce", sg_event_id=mark, **bounce)])

    assert len(site.rows(delivery_events)) == 2


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("ages", "bounced"),
    [([3, 1], [False, True]), ([3, -1], [True, False]), ([30], [False]), ([], [])],
)
def test_a_bounce_that_names_no_mail_is_of_the_last_that_had_left_lately(
    site: Site, ages: list[int], bounced: list[bool]
):
    """Bounces that a server finds out later may lack both ids."""
    site.write("rekindle.yaml", SETTINGS + f"sendgrid: {{webhook_public_key: {PUBLIC!r}}}\n")
    site.apply()
    customer, now = site.customer("c1"), site.clock.now()
    ids = [
        site.message(customer, status="sent", address="C1@example.com", sent_at=now - age * DAY)
        for age in ages
    ]
    bounce = item(site, None, "bounce", type="bounce", reason="550 5.1.1 no such user")
    del bounce["rekindle_message_id"]

    assert post(site, [bounce]) == 200

    status = {row.id: row.status for row in site.rows(messages)}
    assert [status[id_] == "bounced" for id_ in ids] == bounced
    assert len(site.events("message.bounced")) == sum(bounced)
    assert suppressed(site) == {"c1@example.com": "hard_bounce"}
