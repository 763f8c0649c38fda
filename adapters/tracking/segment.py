"""Reads calls of the Segment spec, as Segment's and RudderStack's SDKs make them.

Source: Segment's public documentation (HTTP API, common fields), read 2026-03, and the requests of
four SDKs recorded on the wire.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from adapters.actors import read_actor
from adapters.documents import require_whole_names
from adapters.instants import parse_instant
from adapters.ordinals import Ordinals
from adapters.tracking.messages import (
    LONGEST_NAME,
    Message,
    read_content,
    read_identities,
    read_message_id,
    read_object,
)
from rekindle.errors import Malformed, TooLarge
from store.records import IncomingEvent, Reject, Trust

# of one batch, which is stored in one commit while every other writer waits: four times what
# Segment takes; a body of 4 MiB with more of them would have messages of 400 bytes
MOST_MESSAGES = 10_000
MOST_MESSAGE_BYTES = 32 * 1024  # as Segment takes
as_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
Parsed = tuple[tuple[IncomingEvent, ...], tuple[Reject, ...]]


@dataclass(frozen=True)
class Call:
    """What is the same for all messages of one request, or of one file."""

    received_at: datetime
    trust: Trust = Trust.SERVER
    source: str = "api"
    channels: frozenset[str] = frozenset()  # the workspace's; a top-level `channel` must be one
    is_history: bool = False  # a file: times are as they were, and known since then
    ordinals: Ordinals = field(default_factory=Ordinals)  # how often equal content was seen


def parse_message(kind: str, document: Any, call: Call) -> Parsed:
    """One message, posted to the address of its kind. Raises Malformed unless it is an object."""
    if not isinstance(document, dict):
        raise Malformed("the body is not a JSON object.")
    return parse_batch({"batch": [document | {"type": kind}]}, call)


def parse_batch(document: Any, call: Call) -> Parsed:
    """The good messages of a batch in their order, and why the others were not taken.

    Raises Malformed unless it is an object with a list called `batch`, TooLarge if that is longer
    than is taken.
    """
    if not isinstance(document, dict) or not isinstance(document.get("batch"), list):
        raise Malformed("the body is not a JSON object with a list called 'batch'.")
    if len(document["batch"]) > MOST_MESSAGES:
        raise TooLarge(f"a batch of more than {MOST_MESSAGES} messages; send it in parts.")
    events: list[IncomingEvent] = []
    rejects: list[Reject] = []
    for message in document["batch"]:
        try:
            events.append(parse_event(_in_batch(message, document), call))
        except Malformed as error:
            rejects.append(Reject(str(error), outline(message)))
    return tuple(events), tuple(rejects)


def parse_event(message: Message, call: Call) -> IncomingEvent:
    """One message as an event. Raises Malformed."""
    require_whole_names(message)
    if len(as_json(message).encode()) > MOST_MESSAGE_BYTES:
        raise Malformed(f"the message is larger than {MOST_MESSAGE_BYTES} bytes")
    content = read_content(message)
    return IncomingEvent(
        name=content.name,
        occurred_at=_occurred_at(message, call),
        message_id=read_message_id(message, "messageId") or _derived_id(message, call),
        identities=read_identities(message, is_trusted=call.trust is not Trust.BROWSER),
        channel=_channel(message, call),
        properties=content.properties,
        source=call.source,
        trust=call.trust,
        actor=read_actor(content.name, content.properties),
        original_name=content.original_name,
        traits=content.traits,
        consents=content.consents,
        previous=content.previous,
        is_known_since_occurred=call.is_history,
    )


def outline(message: Any) -> dict[str, Any]:
    """Enough of a refused message to find it again, and no personal data."""
    if not isinstance(message, Mapping):
        return {"json": type(message).__name__}
    wanted = ("type", "messageId", "event")
    return {key: str(message[key])[:LONGEST_NAME] for key in wanted if message.get(key) is not None}


def _in_batch(message: Any, batch: Message) -> Message:
    """A message with what its batch says for all."""
    if not isinstance(message, dict):
        raise Malformed("a message is not a JSON object")
    context = read_object(batch, "context") | read_object(message, "context")
    return {"sentAt": batch.get("sentAt"), **message, "context": context}


def _occurred_at(message: Message, call: Call) -> datetime:
    """When it happened by our clock: the sender's is wrong by as much as `sentAt` is."""
    written = message.get("timestamp") or message.get("originalTimestamp")
    if not written:
        if call.is_history:
            raise Malformed("the message has no timestamp")
        return call.received_at
    try:
        stamp = parse_instant(written)
        if call.is_history or not message.get("sentAt"):
            return stamp
        return call.received_at - (parse_instant(message["sentAt"]) - stamp)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"the timestamp cannot be read: {error}") from error


def _channel(message: Message, call: Call) -> str | None:
    named = read_object(message, "context").get("channel")
    if isinstance(named, str) and named.strip():
        return named.strip().lower()[:LONGEST_NAME]
    top = message.get("channel")
    return top if isinstance(top, str) and top in call.channels else None


def _derived_id(message: Message, call: Call) -> str:
    """An id of the content, for senders that give none; each equal one of a call has its own.

    Without a timestamp two calls of equal content are two events, so the time of receipt counts.
    """
    content = {key: value for key, value in message.items() if key != "sentAt"}
    if not message.get("timestamp"):
        content["receivedAt"] = call.received_at.isoformat()
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
    return f"derived:{digest}:{call.ordinals.next(digest)}"
