"""Chatwoot: conversations as tickets, its own score as `csat.received`.

Source: chatwoot/chatwoot `webhook_listener.rb`, `event_data_presenter.rb`, read 2026-03.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from adapters.documents import parse_json, require_whole
from adapters.helpdesk.base import NotOurs, RawRequest
from adapters.instants import parse_instant
from rekindle.errors import Malformed, WebhookNotGenuine
from rekindle.settings import Source
from store.records import Actor, Identity, IncomingEvent, Trust

SIGNED_FOR = timedelta(minutes=5)  # how far the stamp may be from now, either way
NAME = "chatwoot"
SOLVED = "resolved"
LONGEST_ID = 320  # characters of an id or address; longer ones are none
CHANNELS = {
    "Channel::WebWidget": "chat",
    "Channel::Whatsapp": "chat",
    "Channel::Telegram": "chat",
    "Channel::Line": "chat",
    "Channel::Sms": "chat",
    "Channel::TwilioSms": "chat",
    "Channel::Email": "email",
    "Channel::Voice": "phone",
    "Channel::FacebookPage": "social",
    "Channel::Instagram": "social",
    "Channel::TwitterProfile": "social",
}
Body = Mapping[str, Any]


class Chatwoot:
    def __init__(self, source: Source) -> None:
        self._secret = source.secret.get_secret_value()

    def verify(self, request: RawRequest, now: datetime) -> None:
        """Raises WebhookNotGenuine; the age is that of the stamp that was signed with the body."""
        if not self._secret:
            raise WebhookNotGenuine("no secret is set under sources.chatwoot.secret.")
        stamp = request.headers.get("x-chatwoot-timestamp", "")
        signed = hmac.new(
            self._secret.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256
        )
        given = request.headers.get("x-chatwoot-signature", "").strip().lower()
        if not hmac.compare_digest(f"sha256={signed.hexdigest()}".encode(), given.encode()):
            raise WebhookNotGenuine("the signature does not fit the body.")
        if abs(_stamped(request) - now) > SIGNED_FOR:
            raise WebhookNotGenuine("the webhook was signed too long ago, or by a wrong clock.")

    def read(self, request: RawRequest, now: datetime) -> tuple[IncomingEvent, ...]:
        """Raises Malformed for a body that is not JSON, NotOurs for what we have no word for."""
        body = parse_json(request.body)
        reader = READERS.get(str(body.get("event"))) if isinstance(body, dict) else None
        if reader is None:
            raise NotOurs("an event of Chatwoot's that we keep nothing of.")
        try:
            return (reader(body, request),)
        except Malformed as error:
            raise NotOurs(str(error)) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotOurs(f"a {body['event']} without what it should have: {error}") from error


adapter = Chatwoot


def _stamped(request: RawRequest) -> datetime:
    try:
        return parse_instant(int(request.headers.get("x-chatwoot-timestamp", "")))
    except ValueError as error:
        raise WebhookNotGenuine("X-Chatwoot-Timestamp is not a Unix time.") from error


def _read_opened(body: Body, request: RawRequest) -> IncomingEvent:
    return _event("ticket.opened", Actor.CUSTOMER, body, request, body["created_at"])


def _read_status(body: Body, request: RawRequest) -> IncomingEvent:
    """Solved, reopened, or neither. A reopened ticket was not solved at first contact."""
    before = _previous_status(body)
    changed_at = max(parse_instant(body["timestamp"]), _whole_second(body["updated_at"]))
    if body["status"] == SOLVED:
        return _event("ticket.solved", Actor.AGENT, body, request, changed_at)
    if before == SOLVED:
        again = {"first_contact": False}
        return _event("ticket.reopened", Actor.CUSTOMER, body, request, changed_at, again)
    return _event("ticket.updated", Actor.AGENT, body, request, changed_at)


def _previous_status(body: Body) -> str:
    changes = (change.get("status") or {} for change in body.get("changed_attributes") or ())
    return next((str(c["previous_value"]) for c in changes if c.get("previous_value")), "")


def _whole_second(written: float | str) -> datetime:
    """`timestamp` is in whole seconds; the stamps of one change must not differ by less."""
    return parse_instant(written).replace(microsecond=0)


def _read_message(body: Body, request: RawRequest) -> IncomingEvent:
    if body.get("private") or body["message_type"] not in ("incoming", "outgoing"):
        raise NotOurs("a note or a message of Chatwoot's own.")
    conversation, sent_at = body["conversation"], body["created_at"]
    if body["message_type"] == "incoming":
        return _event("ticket.updated", Actor.CUSTOMER, conversation, request, sent_at)
    return _event("ticket.replied", Actor.AGENT, conversation, request, sent_at)


def _read_score(body: Body, request: RawRequest) -> IncomingEvent:
    """A survey that was answered; the body has no time of that, the stamp of the webhook has."""
    submitted = (body.get("content_attributes") or {}).get("submitted_values") or {}
    answer = submitted.get("csat_survey_response")
    if body.get("content_type") != "input_csat" or not answer:
        raise NotOurs("a changed message that is no answered survey.")
    said = {"score": answer["rating"], "comment": answer.get("feedback_message") or ""}
    event = _event(
        "csat.received", Actor.CUSTOMER, body["conversation"], request, _stamped(request), said
    )
    # every later change of this message brings the same answer again, each time as a new delivery
    content = hashlib.sha256(repr((body["id"], *said.values())).encode()).hexdigest()
    return event._replace(message_id=f"{NAME}:csat:{content}")


READERS: Mapping[str, Callable[[Body, RawRequest], IncomingEvent]] = {
    "conversation_created": _read_opened,
    "conversation_status_changed": _read_status,
    "message_created": _read_message,
    "message_updated": _read_score,
}


def _event(
    name: str,
    by: Actor,
    conversation: Body,
    request: RawRequest,
    occurred_at: datetime | float | str,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> IncomingEvent:
    assignee = conversation["meta"].get("assignee") or {}
    properties = {
        "ticket_id": str(conversation["id"]),
        "status": conversation.get("status"),
        "by": by.value,
        "first_contact": "unknown",
        "source": NAME,
        "agent_id": str(assignee["id"]) if assignee.get("id") else None,
        "labels": conversation.get("labels") or [],
    }
    if not isinstance(occurred_at, datetime):
        occurred_at = parse_instant(occurred_at)
    return IncomingEvent(
        name=name,
        occurred_at=occurred_at,
        message_id=_message_id(request),
        identities=_identities(conversation["meta"]["sender"]),
        channel=CHANNELS.get(str(conversation.get("channel"))),
        properties={**properties, **more},
        source=NAME,
        trust=Trust.HELPDESK,
        actor=by,
    )


def _message_id(request: RawRequest) -> str:
    """The delivery's own id; without one, the same bytes are the same delivery."""
    delivery = request.headers.get("x-chatwoot-delivery", "").strip()[:LONGEST_ID]
    return f"{NAME}:{delivery or hashlib.sha256(request.body).hexdigest()}"


def _identities(sender: Body) -> tuple[Identity, ...]:
    """Most certain first: the shop's own id, an address, then Chatwoot's number for the contact."""
    require_whole(*(sender.get(name) for name in ("identifier", "email", "phone_number")))
    found = [Identity("external", str(sender["identifier"]))] if sender.get("identifier") else []
    if email := sender.get("email"):
        found.append(Identity.of_email(email))
    if phone := sender.get("phone_number"):
        found.append(Identity.of_phone(phone))
    found.append(Identity("helpdesk", f"{NAME}:{sender['id']}"))
    return tuple(identity for identity in found if 0 < len(identity.value) <= LONGEST_ID)
