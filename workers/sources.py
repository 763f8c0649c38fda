"""Databases of others, read on: in the order of a cursor, a thousand rows a transaction, each with
where the reading stands, so that whatever dies loses and doubles nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from adapters.databases.cursors import instant_of, keep_cursor, load_cursor, step_back
from adapters.databases.definition import CustomersQuery, EventsQuery, Query, SqlSource
from adapters.databases.reading import A_FETCH, Database, Found, open_database
from adapters.files.base import Table
from adapters.files.declared_types import parse_zone
from adapters.files.layout import Layout, check_columns, layout_of
from adapters.files.rows import Rows, types_of
from adapters.files.types import Typing
from rekindle.counting import counted
from rekindle.errors import RekindleError, SourceUnavailable
from rekindle.logs import get_logger
from rekindle.services import Services
from rekindle.settings import Settings
from store.alarms import SOURCE, clear_alarms, load_standing, raise_alarm, restate_alarm
from store.customers_by_address import make_by_address, with_ids_by_address
from store.intake import record_changes, record_events
from store.records import IncomingCustomer, IncomingEvent, Receipt, Reject
from store.rejects import note_rejects
from store.source_states import (
    SourceState,
    forget_source,
    load_source_states,
    note_failure,
    save_source_state,
)
from workers.lease import take_turn
from workers.rows import Batch, parse_rows

log = get_logger()
TURN = timedelta(minutes=10)  # wall time without a batch, then another process may read on
LATE_AFTER = timedelta(minutes=15)  # beyond when a reading was due
MOST_REJECTS = 100  # of one reading that are kept with their rows


@dataclass(frozen=True)
class Read:
    """What one reading of a part of a source came to."""

    source: str
    part: str
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    reason: str = ""  # of the first row that was not taken

    @property
    def rows(self) -> int:
        return self.accepted + self.duplicates + self.rejected

    def plus(self, receipt: Receipt, rejects: Sequence[Reject]) -> "Read":
        return replace(
            self,
            accepted=self.accepted + receipt.accepted,
            duplicates=self.duplicates + receipt.duplicates,
            rejected=self.rejected + len(rejects),
            reason=self.reason or (rejects[0].reason if rejects else ""),
        )

    def in_words(self) -> str:
        """A sentence."""
        rows = counted(self.rows, "row")
        words = f"{self.source}, {self.part}: {rows} read, {self.accepted:,} new"
        rejected = f", {self.rejected:,} rejected ({self.reason})" if self.rejected else ""
        return f"{words}{rejected}."


def find_due_sources(
    sources: Mapping[str, SqlSource], states: Iterable[SourceState], now: datetime
) -> list[str]:
    """Return the sources whose reading is due, by name."""
    begun: dict[str, datetime] = {}
    for state in states:
        if state.begun_at is not None:
            begun[state.source] = max(state.begun_at, begun.get(state.source, state.begun_at))
    return sorted(
        name
        for name, source in sources.items()
        if name not in begun or begun[name] + source.every <= now
    )


def read_due_sources(services: Services) -> list[Read]:
    """Read every source that is due; one that fails raises an alarm, and the others are read."""
    if services.is_rehearsal:
        return []
    sources = services.library().sources
    if not sources:
        return []
    with services.store.read() as connection:
        due = find_due_sources(sources, load_source_states(connection), services.clock.now())
    done: list[Read] = []
    for name in due:
        try:
            done += read_source(services, sources[name])
        except RekindleError:  # was written down, and is tried again when it is due
            continue
    return done


def read_source(services: Services, source: SqlSource, *, again: bool = False) -> list[Read]:
    """Read a source from where the last reading ended, `again` from the beginning.

    Raises SourceUnavailable or WrongUse where it cannot be read, once that is written down; nothing
    where another process reads it at the moment.
    """
    name = source.source
    with services.store.begin() as tx:
        if not take_turn(tx, _lease(name), services.clock.wall(), TURN):
            return []
        if again:
            forget_source(tx, name)
    try:
        with open_database(source, services.environment) as database:
            done = [_read_part(services, source, part, database) for part in source.parts]
    except RekindleError as error:
        log.warning("source.failed", source=name, reason=str(error))
        _note_failure(services, source, str(error))
        raise
    with services.store.begin() as tx:
        clear_alarms(tx, SOURCE, [name], services.clock.now())
    if any(read.accepted for read in done):
        services.wake.changed()
    return done


def _lease(name: str) -> str:
    return f"source:{name}"


def digest_of(part: Query) -> str:
    """Of all that decides what rows become: another is read from the beginning."""
    return hashlib.sha256(part.model_dump_json().encode()).hexdigest()


def _read_part(
    services: Services, source: SqlSource, part: CustomersQuery | EventsQuery, database: Database
) -> Read:
    settings = services.settings
    state = _begin(services, source, part)
    layout = layout_of(part, settings.topics)
    check_columns(layout, database.columns(part), f"the query of {part.kind}")
    begin = load_cursor(state.cursor) if state.cursor is not None else None
    if begin is not None:
        begin = step_back(begin, source.overlap, source.overlap_rows)
    reader: _Reader | None = None
    read = Read(source.source, part.kind)
    for chunk in _chunks(database.read(part, begin)):
        reader = reader or _Reader(services, source, part, layout, chunk)
        with services.store.begin() as tx:
            take_turn(tx, _lease(source.source), services.clock.wall(), TURN)
            receipt, rejects = reader.store(tx, chunk, state, read.rejected)
            state = _further(state, chunk, receipt, len(rejects))
            save_source_state(tx, state)
        read = read.plus(receipt, rejects)
    now = services.clock.now()
    state = replace(
        state,
        caught_up_at=now,
        first_caught_up_at=state.first_caught_up_at or now,
        failed_at=None,
        error=None,
    )
    with services.store.begin() as tx:
        save_source_state(tx, state)
    return read


def _begin(services: Services, source: SqlSource, part: Query) -> SourceState:
    """Where this part stands; nowhere once its query or mapping is another."""
    digest, now = digest_of(part), services.clock.now()
    fresh = SourceState(source.source, part.kind, digest)
    with services.store.begin() as tx:
        states = {state.part: state for state in load_source_states(tx, source.source)}
        known = states.get(part.kind, fresh)
        if known.digest != digest:
            known = replace(known, digest=digest, cursor=None)
        state = replace(known, begun_at=now)
        save_source_state(tx, state)
    return state


def _further(
    state: SourceState, chunk: Sequence[Found], receipt: Receipt, rejected: int
) -> SourceState:
    """With the furthest cursor so far: what is read again in the overlap does not set it back."""
    last = chunk[-1].cursor
    if state.cursor is not None:
        known = load_cursor(state.cursor)
        last = last if _is_beyond(last, known) else known
    try:
        cursor = keep_cursor(last)
    except ValueError as error:
        raise SourceUnavailable(f"{error}; this is what {state.part} are read by.") from error
    return replace(
        state,
        cursor=cursor,
        accepted=state.accepted + receipt.accepted,
        rejected=state.rejected + rejected,
    )


def _is_beyond(value: Any, known: Any) -> bool:
    try:
        return bool(value > known)
    except TypeError:  # the column has another type by now
        return True


def _chunks(rows: Iterator[Found]) -> Iterator[list[Found]]:
    while chunk := list(islice(rows, A_FETCH)):
        yield chunk


class _Reader:
    """Makes rows of one reading into what they mean; types are those of the first rows."""

    def __init__(
        self,
        services: Services,
        source: SqlSource,
        part: CustomersQuery | EventsQuery,
        layout: Layout,
        first: Sequence[Found],
    ) -> None:
        self.services, self.source, self.part = services, source, part
        self.settings: Settings = services.settings
        zone = parse_zone(part.zone) if part.zone else self.settings.brand.tz
        self.zone = zone
        table = Table(lambda: iter([found.line for found in first]))
        types = types_of(table, layout, Typing(zone, zone, layout.declared))
        self.rows = Rows(layout, types, part.source or source.source, services.clock.now())

    def store(
        self, tx: Connection, chunk: Sequence[Found], state: SourceState, noted: int
    ) -> tuple[Receipt, list[Reject]]:
        """Store what the rows say; those that cannot be read are kept with the reason."""
        now = self.services.clock.now()
        batch = parse_rows([found.line for found in chunk], self.rows)
        told = self._told_before(chunk, state)
        rejects = [
            Reject(row.reason, dict(row.line.row or {}))
            for row in batch.noted
            if not row.is_kept and row.line.number not in told
        ]
        kept = rejects[: max(MOST_REJECTS - noted, 0)]
        note_rejects(tx, f"{self.source.source} {self.part.kind}", kept, now)
        if state.first_caught_up_at is None:
            return batch.record(tx, now, self.settings), rejects
        return self._record_news(tx, batch, chunk, now), rejects

    def _told_before(self, chunk: Sequence[Found], state: SourceState) -> set[int]:
        """The rows that are read once more: what was wrong with them was said then."""
        if state.cursor is None:
            return set()
        known = load_cursor(state.cursor)
        return {found.line.number for found in chunk if not _is_beyond(found.cursor, known)}

    def _record_news(
        self, tx: Connection, batch: Batch, chunk: Sequence[Found], now: datetime
    ) -> Receipt:
        """What was not history any more was not known before now."""
        if isinstance(self.part, EventsQuery):
            items = [_as_news(event) for event in batch.items]
            if batch.layout.makes_unknown:
                make_by_address(tx, items, now)
            receipt = record_events(tx, items, now=now, settings=self.settings)
            if batch.further:
                further = [_as_news(event) for event in batch.further]
                record_events(tx, further, now=now, settings=self.settings)
            return receipt
        customers: list[IncomingCustomer] = batch.items
        since = self._instants(batch, chunk, now)
        if batch.layout.is_by_address:
            customers = with_ids_by_address(tx, customers)
        changes = list(zip(customers, since, strict=True))
        receipt = record_changes(tx, changes, self.source.source, now)
        if batch.suppressed:
            suppress = Batch(batch.layout, suppressed=batch.suppressed)
            suppress.record(tx, now, self.settings)
        return receipt

    def _instants(self, batch: Batch, chunk: Sequence[Found], now: datetime) -> list[datetime]:
        """Since when each customer's row says what it does: the instant of its cursor, or now."""
        rejected = {row.line.number for row in batch.noted if not row.is_kept}
        taken = (found for found in chunk if found.line.number not in rejected)
        return [instant_of(found.cursor, self.zone) or now for found in taken]


def _as_news(event: IncomingEvent) -> IncomingEvent:
    return event._replace(is_known_since_occurred=False)


def _note_failure(services: Services, source: SqlSource, error: str) -> None:
    name, now = source.source, services.clock.now()
    with services.store.begin() as tx:
        for part in source.parts:
            _keep_begun(tx, source, part, now)
        note_failure(tx, name, error, now)
        said = f"the source {name} cannot be read: {error}"
        if name in load_standing(tx, SOURCE):
            restate_alarm(tx, SOURCE, name, said)
        else:
            raise_alarm(tx, SOURCE, name, said, now)


def _keep_begun(tx: Connection, source: SqlSource, part: Query, now: datetime) -> None:
    """So that it is tried again when it is due, and no sooner."""
    states = {state.part: state for state in load_source_states(tx, source.source)}
    known = states.get(part.kind) or SourceState(source.source, part.kind, digest_of(part))
    save_source_state(tx, replace(known, begun_at=now))


def find_late_sources(
    sources: Mapping[str, SqlSource], states: Sequence[SourceState], now: datetime
) -> list[str]:
    """Return a sentence for each source that was due and nobody has read."""
    begun: dict[str, datetime | None] = {
        name: max((s.begun_at for s in states if s.source == name and s.begun_at), default=None)
        for name in sources
    }
    return [
        f"the source {name} was due at {at + sources[name].every:%Y-%m-%d %H:%M} UTC and nobody has"
        " read it: is a scheduler running?"
        for name, at in sorted(begun.items())
        if at is not None and now > at + sources[name].every + LATE_AFTER
    ]


def say_states(states: Iterable[SourceState], now: datetime) -> list[str]:
    """Return how far each part of each source has been read."""
    return [_say_state(state, now) for state in states]


def _say_state(state: SourceState, now: datetime) -> str:
    where = f"{state.source}, {state.part}"
    if state.error is not None:
        return f"{where}: cannot be read since {state.failed_at:%Y-%m-%d %H:%M} UTC: {state.error}"
    if state.caught_up_at is None:
        return f"{where}: {state.accepted:,} read so far, the first reading has not ended"
    minutes = max((now - state.caught_up_at) // timedelta(minutes=1), 0)
    up_to = f", up to {state.cursor['value']}" if state.cursor else ", nothing so far"
    return f"{where}: read {counted(minutes, 'minute')} ago{up_to}; {state.accepted:,} taken" + (
        f", {state.rejected:,} rejected" if state.rejected else ""
    )
