"""Reads CloudEvents 1.0 over HTTP: structured, binary and batched.

Source: CloudEvents core specification 1.0.2, its JSON format and its HTTP protocol binding, read
2026-11. `subject` is the customer's id (without one, `email` tells who it is), `type` the event's
name, `data` its properties; `source` and `id` together are the identity of an event, as the
specification has it.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from adapters.actors import read_actor
from adapters.instants import parse_instant
from adapters.tracking.messages import LONGEST_NAME, read_id, read_object
from adapters.tracking.names import canonical_name
from adapters.tracking.segment import MOST_MESSAGES, Call, Parsed, as_json
from rekindle.addresses import EmailAddress
from rekindle.errors import Malformed, NotAnAddress, TooLarge
from store.records import Identity, IncomingEvent, Reject, Trust

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
OUR_TYPES = "org.rekindle."  # before our own names, as in org.rekindle.order.completed
REQUIRED = ("id", "source", "type")
VERSION = "1.0"
MOST_EVENT_BYTES = 64 * 1024  # what everybody has to take by the specification, "Size Limits"


def parse_cloud_events(
    content_type: str, headers: Mapping[str, str], document: Any, call: Call
) -> Parsed:
    """The events of one request, and why others were not taken.

    `content_type` tells the mode; anything but the two of the JSON format is binary mode, whose
    attributes are headers beginning with `ce-`. Raises Malformed if the body is not of its mode,
    TooLarge for a longer batch than is taken.
    """
    match content_type.partition(";")[0].strip().lower():
        case kind if kind == BATCHED:
            if not isinstance(document, list):
                raise Malformed("a batch of CloudEvents is a JSON list.")
            return _parse_all(document, call)
        case kind if kind == STRUCTURED:
            return _parse_all([document], call)
        case _:
            return _parse_all([_from_headers(headers, document)], call)


def _from_headers(headers: Mapping[str, str], data: Any) -> dict[str, Any]:
    """Raises Malformed where no attribute is given: this is no CloudEvent at all."""
    attributes = {
        name.lower().removeprefix("ce-"): value
        for name, value in headers.items()
        if name.lower().startswith("ce-")
    }
    if not attributes:
        raise Malformed(f"this is no CloudEvent: neither {STRUCTURED} nor headers like ce-id.")
    return {**attributes, "data": data}


def _parse_all(documents: list[Any], call: Call) -> Parsed:
    if len(documents) > MOST_MESSAGES:
        raise TooLarge(f"a batch of more than {MOST_MESSAGES} events; send it in parts.")
    events: list[IncomingEvent] = []
    rejects: list[Reject] = []
    for document in documents:
        try:
            events.append(_parse(document, call))
        except Malformed as error:
            rejects.append(Reject(str(error), _outline(document)))
    return tuple(events), tuple(rejects)


def _parse(document: Any, call: Call) -> IncomingEvent:
    if not isinstance(document, dict):
        raise Malformed("a CloudEvent is a JSON object")
    if document.get("specversion") != VERSION:
        raise Malformed(f"specversion is not {VERSION!r}")
    if len(as_json(document).encode()) > MOST_EVENT_BYTES:
        raise Malformed(f"the event is larger than {MOST_EVENT_BYTES} bytes")
    told = {name: read_id(document, name) for name in REQUIRED}
    if missing := [name for name, value in told.items() if not value]:
        raise Malformed(f"the CloudEvent has no {missing[0]}")
    original = str(told["type"])
    name, properties = _name(original), read_object(document, "data")
    return IncomingEvent(
        name=name,
        occurred_at=_occurred_at(document, call),
        message_id=_message_id(str(told["source"]), str(told["id"])),
        identities=_identities(document, properties, call),
        channel=read_id(document, "channel"),
        properties=properties,
        source=call.source,
        trust=call.trust,
        actor=read_actor(name, properties),
        original_name=original,
    )


def _identities(
    document: Mapping[str, Any], data: Mapping[str, Any], call: Call
) -> tuple[Identity, ...]:
    """The subject; without one the address in `email`, an attribute or in the data, of a server."""
    if subject := read_id(document, "subject"):
        return (Identity("external", subject),)
    given = document.get("email") or data.get("email")
    if given is None or call.trust is Trust.BROWSER:
        raise Malformed("the CloudEvent has no subject")
    try:
        return (Identity.of_email(EmailAddress.parse(str(given)).canonical),)
    except NotAnAddress as error:
        raise Malformed(f"email cannot be used: {error.reason}") from error


def _name(original: str) -> str:
    name = canonical_name(original.removeprefix(OUR_TYPES))
    if not name or len(name) > LONGEST_NAME:
        raise Malformed(f"{original[:40]!r} is no name for an event")
    return name


def _occurred_at(document: Mapping[str, Any], call: Call) -> Any:
    if not (written := document.get("time")):
        return call.received_at
    try:
        return parse_instant(written)
    except ValueError as error:
        raise Malformed(f"the time cannot be read: {error}") from error


def _message_id(source: str, id_: str) -> str:
    """Of both, whatever characters they hold and however long they are."""
    digest = sha256(f"{source}\n{id_}".encode()).hexdigest()
    return f"cloudevent:{digest[:40]}"


def _outline(document: Any) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        return {"json": type(document).__name__}
    wanted = ("type", "source", "id")
    return {key: str(document[key])[:LONGEST_NAME] for key in wanted if document.get(key)}
