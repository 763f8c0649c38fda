"""Chatwoot's webhooks: genuine or not, and what they say in our words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.helpdesk.base import NotOurs, RawRequest, find_helpdesk
from adapters.helpdesk.chatwoot import SIGNED_FOR, Chatwoot
from rekindle.errors import Malformed, WebhookNotGenuine
from rekindle.settings import Source
from store.records import Actor, Identity, IncomingEvent, Trust
from tests.adapters.helpdesk.webhooks import (
    CHATWOOT_SECRET,
    chatwoot,
    conversation,
    load_requests,
    message,
    recorded,
    stamped_at,
    with_header,
)

SOURCE = Source.model_validate({"secret": CHATWOOT_SECRET})
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RECORDED = sorted(load_requests("chatwoot"))


def read(request: RawRequest) -> IncomingEvent:
    (event,) = Chatwoot(SOURCE).read(request, NOW)
    return event


def read_ours(document: dict[str, Any], **known: Any) -> IncomingEvent:
    return read(chatwoot(document, NOW, **known))


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_webhook_is_genuine_at_its_time(name: str):
    request = recorded("chatwoot", name)

    Chatwoot(SOURCE).verify(request, stamped_at(request))


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_webhook_becomes_its_canonical_event(name: str):
    wanted = load_requests("chatwoot")[name]["canonical"]
    request = recorded("chatwoot", name)

    event = read(request)

    first_contact = wanted["first_contact_resolution_hint"]
    assert event.name == wanted["type"]
    assert event.channel == wanted["channel"]
    assert event.occurred_at.timestamp() == (
        wanted["occurred_at"] or stamped_at(request).timestamp()
    )
    assert event.identities[:2] == (
        Identity("external", wanted["requester"]["id"]),
        Identity("email", wanted["requester"]["email"]),
    )
    assert event.properties["ticket_id"] == wanted["ticket_id"]
    assert event.properties["agent_id"] == wanted["agent"]["id"]
    assert event.properties["first_contact"] == (
        "unknown" if first_contact is None else first_contact
    )
    assert {key: event.properties.get(key) for key in ("score", "comment")} == {
        key: wanted.get(key) for key in ("score", "comment")
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda request: replace(request, body=request.body + b" "),
        lambda request: with_header(request, "x-chatwoot-signature", ""),
        lambda request: with_header(request, "x-chatwoot-signature", "sha256=" + "0" * 64),
        lambda request: with_header(request, "x-chatwoot-signature", "sha256=é"),
        lambda request: with_header(request, "x-chatwoot-timestamp", "1772440602"),
        lambda request: with_header(request, "x-chatwoot-timestamp", ""),
        lambda request: replace(request, headers={}),
    ],
)
def test_a_changed_webhook_is_not_genuine(change: Any):
    request = recorded("chatwoot", RECORDED[0])

    with pytest.raises(WebhookNotGenuine):
        Chatwoot(SOURCE).verify(change(request), stamped_at(request))


@pytest.mark.parametrize("off", [SIGNED_FOR, -SIGNED_FOR])
def test_a_webhook_is_believed_within_minutes_of_its_stamp(off: timedelta):
    request = chatwoot({}, NOW)
    second = timedelta(seconds=1 if off > timedelta() else -1)

    Chatwoot(SOURCE).verify(request, NOW + off)

    with pytest.raises(WebhookNotGenuine, match="too long ago"):
        Chatwoot(SOURCE).verify(request, NOW + off + second)


def test_a_capital_signature_is_the_same_signature():
    request = chatwoot({}, NOW)
    loud = request.headers["x-chatwoot-signature"].upper()

    Chatwoot(SOURCE).verify(with_header(request, "x-chatwoot-signature", loud), NOW)


def test_without_a_secret_nothing_is_genuine():
    unsigned = chatwoot({}, NOW, secret="")

    with pytest.raises(WebhookNotGenuine, match=r"sources\.chatwoot\.secret"):
        Chatwoot(Source()).verify(unsigned, NOW)


def test_a_new_conversation_opens_a_ticket():
    event = read_ours(conversation("conversation_created", status="open"))

    assert (event.name, event.actor) == ("ticket.opened", Actor.CUSTOMER)
    assert event.occurred_at.timestamp() == 1772439000
    assert event.trust is Trust.HELPDESK
    assert event.properties["by"] == "customer"


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ("open", "resolved", "ticket.solved"),
        ("pending", "resolved", "ticket.solved"),
        ("resolved", "open", "ticket.reopened"),
        ("resolved", "pending", "ticket.reopened"),
        ("open", "snoozed", "ticket.updated"),
        ("snoozed", "open", "ticket.updated"),
    ],
)
def test_a_status_solves_reopens_or_updates(before: str, after: str, name: str):
    changes = [{"status": {"previous_value": before, "current_value": after}}]

    event = read_ours(
        conversation("conversation_status_changed", status=after, changed_attributes=changes)
    )

    assert event.name == name
    assert event.properties["status"] == after


def test_a_status_that_changed_after_the_last_message_bears_its_own_time():
    event = read_ours(conversation("conversation_status_changed", updated_at=1772450600.7))

    assert event.occurred_at.timestamp() == 1772450600


def test_a_message_of_the_customer_is_their_act_and_one_of_staff_is_not():
    theirs = read_ours(message("incoming"))
    ours = read_ours(message("outgoing"))

    assert (theirs.name, theirs.actor) == ("ticket.updated", Actor.CUSTOMER)
    assert (ours.name, ours.actor) == ("ticket.replied", Actor.AGENT)
    assert ours.properties["by"] == "agent"
    assert theirs.occurred_at == datetime(2026, 3, 2, 8, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "document",
    [
        message("outgoing", private=True),
        message("activity"),
        message("template"),
        conversation("conversation_updated"),
        conversation("conversation_created", meta=None),
        conversation("conversation_created", created_at="soon"),
        {"event": "message_updated", "conversation": {}},
        {"event": ["a"]},
        {},
        [],
        "text",
    ],
)
def test_what_we_have_no_word_for_is_said_to_be_so(document: Any):
    with pytest.raises(NotOurs):
        read_ours(document)


def test_a_body_that_is_not_json_is_malformed():
    with pytest.raises(Malformed, match="not JSON"):
        read(RawRequest("POST", "/hooks/chatwoot", {}, b"<html>"))


def test_a_delivery_is_one_event_however_often_it_comes():
    document = conversation("conversation_status_changed")

    first, again, other = (
        read_ours(document, delivery=delivery).message_id for delivery in ("a", "a", "b")
    )

    assert first == again != other


def test_a_score_is_one_event_however_often_its_message_changes():
    request = recorded("chatwoot", "message_updated.csat")

    first = read(request)
    again = read(with_header(request, "x-chatwoot-delivery", "another"))

    assert first.message_id == again.message_id


def test_a_contact_without_address_is_known_by_its_number():
    document = conversation("conversation_created")
    document["meta"]["sender"] |= {"email": None, "identifier": None}

    assert read_ours(document).identities == (Identity("helpdesk", "chatwoot:31"),)


def test_an_adapter_is_found_by_the_name_of_its_file():
    assert find_helpdesk("chatwoot") is Chatwoot
    assert find_helpdesk("base") is None
    assert find_helpdesk("../secrets") is None


@pytest.mark.parametrize("name", ["identifier", "email", "phone_number"])
def test_who_cannot_be_stored_as_written_is_nobody_we_keep(name: str):
    document = conversation("conversation_created", created_at=int(NOW.timestamp()))
    document["meta"]["sender"][name] = "ana\0"

    with pytest.raises(NotOurs, match="cannot be stored"):
        read_ours(document)
