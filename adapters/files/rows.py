"""Rows of files as events, customers and addresses that must not be mailed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from hashlib import blake2b
from typing import Any

from adapters.actors import read_actor
from adapters.consents import split_consents
from adapters.documents import require_whole
from adapters.files.layout import Layout
from adapters.instants import parse_instant
from adapters.tracking.messages import (
    LONGEST_NAME,
    READERS,
    read_id,
    read_message_id,
)
from adapters.tracking.names import canonical_name
from adapters.tracking.segment import Call, parse_event
from rekindle.addresses import EmailAddress
from rekindle.errors import Malformed
from store.records import Identity, IncomingCustomer, IncomingEvent, Trust

TEXTS = ("email", "phone", "locale", "zone")  # never a number, whatever they look like
LONGEST_DAY = 8  # digits of `20260302`; more of them are a Unix time
Row = Mapping[str, Any]
encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


@dataclass(frozen=True)
class Rows:
    """Reads one file's rows; remembers how often it saw equal ones."""

    layout: Layout
    parse_value: Callable[[Any], Any]
    day_zone: tzinfo
    source: str
    received_at: datetime
    seen: dict[str, int] = field(default_factory=dict)

    def parse_event(self, row: Row) -> IncomingEvent:
        """A row by its columns, or a Segment-spec message. Raises Malformed."""
        if _is_message(row):
            return parse_event(row, self._call())
        fields, rest = self.layout.split(row)
        require_whole(fields.get("event"), fields.get("email"))
        name = canonical_name(str(fields.get("event") or ""))
        if not name or len(name) > LONGEST_NAME:
            raise Malformed("the row has no event")
        email = str(fields.get("email") or "")
        properties = self._typed(rest)
        return IncomingEvent(
            name=name,
            occurred_at=_occurred_at(fields.get("occurred_at"), self.day_zone),
            message_id=read_message_id(fields, "message_id") or self._derived_id(fields, rest),
            identities=_identities(fields, email),
            channel=str(fields.get("channel") or "").lower()[:LONGEST_NAME] or None,
            properties=properties,
            source=self.source,
            trust=Trust.FILE,
            actor=read_actor(name, properties),
            original_name=str(fields["event"]),
            traits={"email": email} if email else {},
            is_known_since_occurred=True,
        )

    def parse_customer(self, row: Row) -> IncomingCustomer:
        """Raises Malformed for a row without an id, or with a consent that is none."""
        fields, rest = self.layout.split(row)
        external_id = read_id(fields, "customer_id")
        if not external_id:
            raise Malformed("the row has no customer_id")
        require_whole(rest.get("email"), rest.get("phone"))
        try:
            traits, consents = split_consents(rest)
        except ValueError as error:
            raise Malformed(str(error)) from error
        if long := next((name for name in traits if len(name) > LONGEST_NAME), None):
            raise Malformed(f"the name {long[:40]!r}… is longer than {LONGEST_NAME} characters")
        return IncomingCustomer(external_id, self._typed(traits), consents)

    def parse_suppression(self, row: Row) -> tuple[str, str]:
        """An address, and why it must not be mailed. Raises Malformed if it is none."""
        fields, _ = self.layout.split(row)
        require_whole(fields.get("email"))
        if not (written := str(fields.get("email") or "").strip()):
            raise Malformed("the row has no address")
        return EmailAddress.parse(written).canonical, str(fields.get("reason") or "")

    def _typed(self, cells: Row) -> dict[str, Any]:
        return {k: cell if k in TEXTS else self.parse_value(cell) for k, cell in cells.items()}

    def _derived_id(self, fields: Row, rest: Row) -> str:
        """Equal rows of a file are events of their own, and the same ones in any other file."""
        written = encode([fields, rest]).encode()
        digest = blake2b(written, digest_size=16).hexdigest()
        ordinal = self.seen[digest] = self.seen.get(digest, 0) + 1
        return f"row:{digest}:{ordinal}"

    def _call(self) -> Call:
        return Call(self.received_at, Trust.FILE, self.source, is_history=True, ordinals=self.seen)


def _is_message(row: Row) -> bool:
    """Whether a row is a message of the Segment spec rather than columns."""
    speaks_so = isinstance(kind := row.get("type"), str) and kind in READERS
    return speaks_so and any(name in row for name in ("userId", "anonymousId"))


def _occurred_at(written: Any, day_zone: tzinfo) -> datetime:
    if isinstance(written, str) and written.isdigit() and len(written) > LONGEST_DAY:
        written = int(written)
    try:
        return parse_instant(written, day_zone)
    except ValueError as error:
        raise Malformed(f"occurred_at cannot be read: {error}") from error


def _identities(fields: Row, email: str) -> tuple[Identity, ...]:
    found = []
    if external_id := read_id(fields, "customer_id"):
        found.append(Identity("external", external_id))
    if email and not found:
        EmailAddress.parse(email)  # says what is wrong with the only thing to know somebody by
    found.append(Identity.of_email(email))
    if not (known := tuple(identity for identity in found if identity.value)):
        raise Malformed("the row has neither customer_id nor email")
    return known
