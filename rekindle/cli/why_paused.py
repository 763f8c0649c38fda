"""Whether a journey stood still at an instant, why, and who can let it go on."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from rekindle.cli.stamps import stamp
from rekindle.workspace.library import Library
from store.journey_states import load_journey_states
from store.tables import definitions


@dataclass(frozen=True)
class Pause:
    """One thing that keeps everybody where they are; a file and a person may do so at once."""

    reason: str
    since: datetime | None
    change: str

    def in_words(self) -> str:
        since = f" since {stamp(self.since)}" if self.since else ""
        return f"the journey is paused{since}: {self.reason}; {self.change}."


def find_pauses(
    connection: Connection, library: Library, name: str, at: datetime
) -> tuple[Pause, ...]:
    """Why nobody started or went on at `at`; empty where the journey ran."""
    return (*_by_file(connection, library, name, at), *_by_hand(connection, name, at))


def _by_file(connection: Connection, library: Library, name: str, at: datetime) -> Iterator[Pause]:
    if library.journeys[name].status == "paused":
        since = _paused_since(connection, library, name, at)
        change = f"somebody has to set 'status: live' in journeys/{name}.yaml and apply it"
        yield Pause("its file says 'status: paused'", since, change)


def _paused_since(
    connection: Connection, library: Library, name: str, at: datetime
) -> datetime | None:
    """When the first of the versions was applied that have said so without a break."""
    table, since = definitions.c, None
    query = (
        select(table.id, table.known_at)
        .where(table.kind == "journey", table.name == name, table.known_at <= at)
        .order_by(table.version.desc())
    )
    for id_, known_at in connection.execute(query):
        version = library.journey_versions.get(id_)
        if version is None or version.status != "paused":
            break
        since = known_at
    return since


def _by_hand(connection: Connection, name: str, at: datetime) -> Iterator[Pause]:
    """Stopped by a person or by its own breaker, and not resumed since."""
    state = load_journey_states(connection).get(name)
    if state is not None and state.stopped_at is not None and state.stopped_at <= at:
        change = f"somebody has to resume it: POST /api/v1/journeys/{name}/resume"
        yield Pause(state.stopped, state.stopped_at, change)
