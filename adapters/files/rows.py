"""Rows of files as events, customers and addresses that must not be mailed."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from hashlib import blake2b
from json.encoder import encode_basestring
from typing import Any

from adapters.actors import read_actor
from adapters.consents import STATUSES, split_consents
from adapters.documents import require_whole
from adapters.files.base import Line, Table
from adapters.files.grouping import group_rows
from adapters.files.layout import CONSENT, ITEMS, Layout, look_up
from adapters.files.moments import MomentFormat
from adapters.files.numbers import PLAIN
from adapters.files.types import (
    SAMPLE_ROWS,
    TEXT,
    ColumnType,
    Typing,
    cells_by_column,
    is_missing,
    kinds_of_moments,
)
from adapters.instants import SECONDS_END, parse_instant
from adapters.ordinals import Ordinals
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

# what lists of other systems say in a column of consents, besides yes and no
CONSENT_WORDS = STATUSES | dict.fromkeys(
    ("subscribed", "opted_in", "opted-in", "opted in", "opt-in", "optin", "confirmed", "active",
     "ja", "oui", "y", "t"),
    "granted",
) | dict.fromkeys(
    ("unsubscribed", "opted_out", "opted-out", "opted out", "opt-out", "optout", "cleaned",
     "bounced", "complained", "spam", "suppressed", "invalid", "redacted", "archived", "inactive",
     "nein", "non", "n", "f"),
    "denied",
) | dict.fromkeys(
    ("pending", "unconfirmed", "never_subscribed", "never subscribed", "not_subscribed",
     "not subscribed", "nonsubscribed", "non-subscribed", "transactional"),
    "unknown",
)  # fmt: skip
ANYWHERE = MomentFormat(UTC)
CELLS = (str, int, float)
Row = Mapping[str, Any]
# how JSON writes them; no table holds a float that is not finite
WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: encode_basestring, int: int.__repr__, float: float.__repr__
}  # fmt: skip
encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


@dataclass(frozen=True)
class Types:
    """How the cells of one file are read: by the names they get, and the instants by column."""

    of_names: Mapping[str, ColumnType] = field(default_factory=dict)
    of_columns: Mapping[str, ColumnType] = field(default_factory=dict)
    moments: Mapping[str, MomentFormat] = field(default_factory=dict)  # by column
    is_text: bool = False
    mixed: tuple[str, ...] = ()  # the ways in which the instants of events are written, if several


def types_of(table: Table, layout: Layout, typing: Typing) -> Types:
    """Look at the first rows of a file for the types of its columns. Raises WrongUse."""
    lines = (line for line, _ in zip(table.read(), range(SAMPLE_ROWS), strict=False))
    rows = [line.row for line in lines if line.row is not None]
    at = (layout.column_of("occurred_at"), *(further.occurred_at for further in layout.also))
    at = at if layout.kind == "events" and "occurred_at" not in layout.constants else ()
    if table.is_text:
        columns: Sequence[str] = [name for name in table.columns or () if name]
        cells = cells_by_column(rows, columns)
    else:
        columns = list(layout.declared)
        values = {name: (look_up(row, name) for row in rows) for name in (*columns, *at)}
        cells = {name: [v for v in found if isinstance(v, str)] for name, found in values.items()}
    of_columns: dict[str, ColumnType] = {}
    for name in dict.fromkeys((*columns, *at)):
        if name in at:
            of_columns[name] = typing.moments_of(name, cells.get(name, ()))
        elif layout.is_text(name) and name not in layout.declared:
            of_columns[name] = TEXT
        else:
            of_columns[name] = typing.type_of(name, cells.get(name, ()))
    of_names = dict(of_columns)
    for column in layout.columns.values():
        of_names.pop(column, None)
    of_names |= {n: of_columns[c] for n, c in layout.columns.items() if c in of_columns}
    moments = {name: found.moments for name, found in of_columns.items() if found.moments}
    kinds: list[str] = []
    if at and at[0] in moments:
        kinds = list(kinds_of_moments(cells.get(at[0], ()), moments[at[0]]))
    mixed = tuple(kinds) if len(kinds) > 1 else ()
    return Types(of_names, of_columns, moments, table.is_text, mixed)


@dataclass(frozen=True)
class Rows:
    """Reads one file's rows; remembers how often it saw equal ones."""

    layout: Layout
    types: Types
    source: str
    received_at: datetime
    seen: Ordinals = field(default_factory=Ordinals)

    def parse_event(self, row: Row) -> IncomingEvent:
        """A row by its columns, or a Segment-spec message. Raises Malformed."""
        if _is_message(row):
            return parse_event(row, self._call())
        fields, rest = self.layout.split(row)
        require_whole(fields.get("event"), fields.get("email"))
        name = self._event_name(str(fields.get("event") or ""))
        email = str(fields.get("email") or "")
        properties = self._typed(rest)
        column = self.layout.column_of("occurred_at")
        return IncomingEvent(
            name=name,
            occurred_at=self._instant(fields.get("occurred_at"), column),
            message_id=self._message_id(name, row, fields, rest),
            identities=self._identities(fields, email),
            channel=str(fields.get("channel") or "").lower()[:LONGEST_NAME] or None,
            properties=properties,
            source=self.source,
            trust=Trust.FILE,
            actor=read_actor(name, properties),
            original_name=str(fields["event"]),
            traits={"email": email} if email else {},
            is_known_since_occurred=True,
        )

    def further_events(self, row: Row, event: IncomingEvent) -> Iterator[IncomingEvent]:
        """What else the row of an event says happened. Raises Malformed."""
        for further in self.layout.also:
            if (written := look_up(row, further.occurred_at)) in (None, ""):
                continue
            name = canonical_name(further.event)
            yield event._replace(
                name=name,
                occurred_at=self._instant(written, further.occurred_at),
                message_id=f"{event.message_id}:{name}",
                actor=read_actor(name, event.properties),
                original_name=further.event,
                traits={},  # its first event has told them
            )

    def parse_customer(self, row: Row) -> IncomingCustomer:
        """Raises Malformed for a row without an id, or with a consent that is none."""
        fields, rest = self.layout.split(row)
        external_id = self._customer_id(fields)
        if not external_id and self.layout.is_by_address and (email := rest.get("email")):
            external_id = EmailAddress.parse(str(email)).canonical
        if not external_id:
            raise Malformed("the row has no customer_id")
        require_whole(rest.get("email"), rest.get("phone"))
        try:
            traits, consents = split_consents(_in_our_words(rest))
        except ValueError as error:
            raise Malformed(str(error)) from error
        for topic, consent in self.layout.consents.items():
            cell = look_up(row, consent.column) if consent.column else None
            status = consent.value or (consent.status(_as_cell(cell)) if cell is not None else None)
            if status is not None:
                consents[topic] = status
        if long := next((name for name in traits if len(name) > LONGEST_NAME), None):
            raise Malformed(f"the name {long[:40]!r}… is longer than {LONGEST_NAME} characters")
        return IncomingCustomer(external_id, self._typed(traits), consents)

    def suppression_of(self, row: Row, customer: IncomingCustomer) -> tuple[str, str] | None:
        """The address that the row of a customer says must not be mailed, and why."""
        if (told := self.layout.suppressed) is None:
            return None
        word = _as_cell(look_up(row, told.column))
        if word.lower() not in (listed.lower() for listed in told.words):
            return None
        try:
            return EmailAddress.parse(str(customer.traits.get("email", ""))).canonical, word
        except Malformed:
            return None

    def parse_suppression(self, row: Row) -> tuple[str, str]:
        """An address, and why it must not be mailed. Raises Malformed if it is none."""
        fields, _ = self.layout.split(row)
        require_whole(fields.get("email"))
        if not (written := str(fields.get("email") or "").strip()):
            raise Malformed("the row has no address")
        return EmailAddress.parse(written).canonical, str(fields.get("reason") or "")

    def group(self, read: Callable[[], Iterable[Line]]) -> Iterator[Line]:
        """Rows with the same key as one row with its `items`, wherever in the file they stand."""
        if not self.layout.items:
            return iter(read())
        groups = group_rows(read, self._key_of)
        return (line for group in groups for line in self._merged(group))

    def _merged(self, group: Sequence[Line]) -> Iterator[Line]:
        if group[0].row is None:
            yield from group
            return
        columns = self.layout.items
        row: dict[str, Any] = {}
        items = []
        try:
            for line in group:
                cells = line.row or {}
                own = {name: cells[column] for name, column in columns.items() if column in cells}
                if item := _read_cells(own, self._item_readers):
                    items.append(item)
                row = {**{k: v for k, v in cells.items() if k not in columns.values()}, **row}
        except Malformed as error:
            yield Line(group[-1].number, None, str(error))
            return
        yield Line(group[-1].number, {**row, ITEMS: items})

    @cached_property
    def _item_readers(self) -> Mapping[str, ColumnType]:
        columns = self.layout.items.items()
        return _not_text({n: self.types.of_columns.get(c, TEXT) for n, c in columns})

    def _key_of(self, row: Row) -> tuple[str, ...]:
        values = (look_up(row, column) for column in self.layout.key)
        return tuple("" if value is None else str(value) for value in values)

    def _message_id(self, name: str, row: Row, fields: Row, rest: Row) -> str:
        """The sender's own id, or that of the key, or one of the content.

        Equal rows of a file are events of their own, and the same ones in any other file.
        """
        if given := read_message_id(fields, "message_id"):
            return given
        if self.layout.key:
            if not all(key := self._key_of(row)):
                raise Malformed(f"the row has no {', '.join(self.layout.key)}")
            return f"key:{_digest([self.source, name, *key])}"
        digest = _hashed(f"[{write_cells(fields)}, {write_cells(rest)}]")
        return f"row:{digest}:{self.seen.next(digest)}"

    def _event_name(self, written: str) -> str:
        name = self.layout.events.get(written.strip()) or canonical_name(written)
        if not name or len(name) > LONGEST_NAME:
            raise Malformed("the row has no event")
        return name

    def _instant(self, written: Any, column: str) -> datetime:
        try:
            is_number = isinstance(written, int | float) and not isinstance(written, bool)
            if is_number and abs(written) >= SECONDS_END:  # in ms, µs or ns, or a date's digits
                written = str(written)
            if isinstance(written, str):
                return self.types.moments.get(column, ANYWHERE).read(written)
            return parse_instant(written)
        except ValueError as error:
            raise Malformed(f"occurred_at cannot be read: {error}") from error

    def _customer_id(self, fields: Row) -> str | None:
        found = read_id(fields, "customer_id")
        type_ = self.types.of_names.get("customer_id", TEXT)
        if not found or type_ is TEXT:
            return found
        return str(type_.read(found))

    def _identities(self, fields: Row, email: str) -> tuple[Identity, ...]:
        found = []
        if external_id := self._customer_id(fields):
            found.append(Identity("external", external_id))
        if email and not found:
            EmailAddress.parse(email)  # says what is wrong with the only thing to know somebody by
        if email:
            found.append(Identity.of_email(email))
        if not (known := tuple(identity for identity in found if identity.value)):
            raise Malformed("the row has neither customer_id nor email")
        return known

    def _typed(self, cells: Row) -> dict[str, Any]:
        typed = _read_cells(cells, self._readers) if self._readers else dict(cells)
        for name, value in self._constants.items():
            if name in cells:
                typed[name] = value
        return typed

    @cached_property
    def _readers(self) -> Mapping[str, ColumnType]:
        return _not_text(self.types.of_names, but=self.layout.constants)

    @cached_property
    def _constants(self) -> Mapping[str, Any]:
        """What `const:` says, a number as one where all other cells are typed too."""
        found: dict[str, Any] = {}
        for name, cell in self.layout.constants.items():
            is_number = self.types.is_text and PLAIN.fullmatch(cell) and name != "phone"
            found[name] = (float(cell) if "." in cell else int(cell)) if is_number else cell
        return found

    def _call(self) -> Call:
        return Call(self.received_at, Trust.FILE, self.source, is_history=True, ordinals=self.seen)


def _not_text(
    types: Mapping[str, ColumnType], but: Collection[str] = ()
) -> Mapping[str, ColumnType]:
    return {name: type_ for name, type_ in types.items() if type_ is not TEXT and name not in but}


def _read_cells(cells: Row, types: Mapping[str, ColumnType]) -> dict[str, Any]:
    """The values of cells by the types of their names. Raises Malformed naming the cell."""
    found: dict[str, Any] = {}
    for name, cell in cells.items():
        type_ = types.get(name)
        if type_ is None or not isinstance(cell, CELLS) or cell is True or cell is False:
            found[name] = cell
        elif not is_missing(text := str(cell)):
            try:
                found[name] = type_.read(text)
            except ValueError as error:
                raise Malformed(f"{name}: {error}; the column is read as {type_.shown}") from error
    return found


def _is_message(row: Row) -> bool:
    """Whether a row is a message of the Segment spec rather than columns."""
    speaks_so = isinstance(kind := row.get("type"), str) and kind in READERS
    return speaks_so and any(name in row for name in ("userId", "anonymousId"))


def _in_our_words(rest: Row) -> dict[str, Any]:
    """Consents as other systems call them; what is no such word is left to be refused."""
    return {
        name: CONSENT_WORDS.get(str(value).strip().lower(), value)
        if name.startswith(CONSENT)
        else value
        for name, value in rest.items()
    }


def _as_cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _digest(content: Any) -> str:
    return _hashed(encode(content))


def _hashed(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def write_cells(cells: Row) -> str:
    """Cells as `encode` writes them; rows of plain values, as most are, in half of the time."""
    form, names = _form(tuple(cells))
    try:
        return form % tuple([WRITERS[type(value := cells[name])](value) for name in names])
    except KeyError:
        return encode(cells)


@lru_cache(maxsize=1_000)
def _form(names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    ordered = tuple(sorted(names))
    written = (encode_basestring(name).replace("%", "%%") for name in ordered)
    return f"{{{', '.join(f'{name}: %s' for name in written)}}}", ordered
