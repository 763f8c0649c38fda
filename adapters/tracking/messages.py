"""The kinds of message of the Segment spec, each in our words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.consents import CONSENT, split_consents
from adapters.documents import require_whole, require_whole_names
from adapters.tracking.names import canonical_name
from rekindle.addresses import EmailAddress
from rekindle.errors import Malformed, NotAnAddress
from store.records import Identity

LONGEST_ID = 512  # characters; what every database can index
LONGEST_NAME = 200
OURS = "rekindle:"
Message = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """What a message says, besides who and when."""

    name: str
    properties: Mapping[str, Any]
    original_name: str | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)
    consents: Mapping[str, str] = field(default_factory=dict)
    previous: Identity | None = None


def read_content(message: Message) -> Content:
    """Raises Malformed for an unknown kind, or one without what its kind needs."""
    kind = str(message.get("type") or "").lower()
    if kind not in READERS:
        raise Malformed(
            f"{kind[:40]!r} is no type of message" if kind else "the message has no type"
        )
    return READERS[kind](message)


def read_identities(message: Message, *, is_trusted: bool = True) -> tuple[Identity, ...]:
    """Return the customer's own id, the anonymous one and, without an own id, the address.

    Only a trusted sender may speak of somebody by address. Raises Malformed if there is nothing.
    """
    external = read_id(message, "userId") or read_id(message, "user_id")
    anonymous = read_id(message, "anonymousId") or read_id(message, "anonymous_id")
    found = [("external", external), ("anonymous", anonymous)]
    identities = [Identity(kind, value) for kind, value in found if value]
    if not external and is_trusted:
        address = _read_address(message, is_alone=not anonymous)
        identities += [Identity.of_email(address)] if address else []
    if not identities:
        raise Malformed(
            f"the message has neither userId nor anonymousId{' nor email' if is_trusted else ''}"
        )
    return tuple(identities)


def _read_address(message: Message, *, is_alone: bool) -> str:
    """Return the address that a message gives for its customer; empty where it gives none.

    `properties.email` may be somebody else's, so it counts only where nothing else tells who it is.
    Raises Malformed for what is no address and all there is.
    """
    context = read_object(message, "context")
    places: list[Message] = [message, read_object(message, "traits")]
    places.append(read_object(context, "traits"))
    if is_alone:
        places.append(read_object(message, "properties"))
    written = next((given for place in places if (given := place.get("email"))), None)
    if written is None:
        return ""
    try:
        return EmailAddress.parse(str(written)).canonical
    except NotAnAddress as error:
        if is_alone:
            raise Malformed(f"email cannot be used: {error.reason}") from error
        return ""


def read_id(message: Message, name: str) -> str | None:
    """An id as text; numbers are written as their digits. Raises Malformed for what is no id."""
    value = message.get(name)
    if type(value) is str and len(value) <= LONGEST_ID and value and not value.isspace():
        return value  # as nearly all are
    require_whole(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Malformed(f"{name} is neither text nor a number")
    if len(text := str(value)) > LONGEST_ID:
        raise Malformed(f"{name} is longer than {LONGEST_ID} characters")
    return text


def read_message_id(message: Message, name: str) -> str | None:
    """The sender's own id of the message. Raises Malformed for one that only we may give."""
    found = read_id(message, name)
    if found and found.startswith(OURS):
        raise Malformed(f"{name} begins with {OURS!r}, which is kept for our own events")
    return found


def read_object(message: Message, name: str) -> dict[str, Any]:
    """An object, empty where it is missing or null. Raises Malformed for anything else."""
    value = message.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{name} is not an object")
    return value


def _read_identify(message: Message) -> Content:
    told = read_object(message, "traits") or read_object(
        read_object(message, "context"), "traits"
    )  # RudderStack's SDKs put them into the context
    require_whole_names(told)
    require_whole(told.get("email"), told.get("phone"))  # people are known by them
    try:
        traits, consents = split_consents(told)
    except ValueError as error:
        raise Malformed(str(error)) from error
    if long := next((name for name in traits if len(name) > LONGEST_NAME), None):
        raise Malformed(
            f"the trait {long[:40]!r}… has a name longer than {LONGEST_NAME} characters"
        )
    kept = traits | ({CONSENT: consents} if consents else {})
    return Content("customer.identified", kept, traits=traits, consents=consents)


def _read_track(message: Message) -> Content:
    original = message.get("event")
    if not isinstance(original, str) or not original.strip():
        raise Malformed("a track message has no event")
    require_whole(original)
    name = canonical_name(original)
    if not name or len(name) > LONGEST_NAME:
        raise Malformed(f"{original[:40]!r} is no name for an event")
    return Content(name, read_object(message, "properties"), original)


def _read_page(message: Message) -> Content:
    return Content("page.viewed", _named(message))


def _read_screen(message: Message) -> Content:
    return Content("screen.viewed", _named(message))


def _named(message: Message) -> dict[str, Any]:
    outside = {key: message[key] for key in ("name", "category") if message.get(key) is not None}
    return outside | read_object(message, "properties")


def _read_group(message: Message) -> Content:
    group = read_id(message, "groupId")
    if not group:
        raise Malformed("a group message has no groupId")
    return Content("customer.grouped", {"groupId": group, "traits": read_object(message, "traits")})


def _read_alias(message: Message) -> Content:
    previous = read_id(message, "previousId")
    if not previous or not read_id(message, "userId"):
        raise Malformed("an alias message needs previousId and userId")
    return Content(
        "customer.aliased", {"previousId": previous}, previous=Identity("external", previous)
    )


READERS: Mapping[str, Callable[[Message], Content]] = {
    "identify": _read_identify,
    "track": _read_track,
    "page": _read_page,
    "screen": _read_screen,
    "group": _read_group,
    "alias": _read_alias,
}
