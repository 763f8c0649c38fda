"""Which texts a simulation plays, and since when each; and how far it looks when the engine did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Connection

from rekindle.errors import NotFound
from rekindle.rehearsal.entries import FIRST, Written
from rekindle.rehearsal.script import read_definitions
from rekindle.workspace.files import File, Kind, path_of
from rekindle.workspace.library import read_file
from store.definitions import Key
from store.tables import MICROSECOND

Texts = Mapping[Key, str | None]


@dataclass(frozen=True)
class Course:
    """What is played, and whether the record of the live engine leads."""

    version: str
    written: tuple[Written, ...]
    begins: datetime  # the engine wakes
    follows_until: datetime  # from then on it looks whenever there is something to do
    is_recorded: bool  # things arrive when they did, not when they happened


@dataclass(frozen=True)
class Past:
    """Everything that was applied, as simulations of one journey over one period begin with it."""

    applied: tuple[Written, ...]
    latest: Texts
    since: datetime  # from here on texts that differ from what was in force take its place
    wakes_at: datetime
    is_recorded: bool

    def differing(self, texts: Texts, environment: Mapping[str, str]) -> Texts:
        """Those of `texts` that do not say what was applied last."""
        return {
            key: body
            for key, body in texts.items()
            if not _say_the_same(key, self.latest.get(key), body, environment)
        }

    def changed(self, texts: Texts, environment: Mapping[str, str]) -> Texts:
        """What is deployed, with `texts` in its place, where it says something else than any text
        that was in force from `since` on.
        """
        in_force: dict[Key, list[str | None]] = {key: [None] for key in (*self.latest, *texts)}
        for one in self.applied:
            earlier = in_force[one.key] if one.at > self.since else []
            in_force[one.key] = [*earlier, one.body]
        return {
            key: body
            for key, body in {**self.latest, **texts}.items()
            if not all(_say_the_same(key, said, body, environment) for said in in_force[key])
        }

    def as_it_was(self, version: str, until: datetime) -> Course:
        """Every version in its time, pauses and all, as far as there is a record."""
        follows_until = until if self.is_recorded else self.wakes_at - MICROSECOND
        return self._course(version, self.applied, follows_until)

    def without_pauses(self, version: str, changes: Texts) -> Course:
        """With these texts instead of what was in force, by an engine that never sleeps: the record
        does not say whether ours was awake when only another version had something to do.
        """
        written = [one for one in self.applied if one.at <= self.since]
        orders = (one.order for one in written if one.at == self.since)
        order = max(orders, default=FIRST)
        written += [Written(self.since, order, key, body) for key, body in changes.items()]
        return self._course(version, written, self.since - MICROSECOND)

    def _course(self, version: str, written: Iterable[Written], follows_until: datetime) -> Course:
        return Course(version, tuple(written), self.wakes_at, follows_until, self.is_recorded)


def read_past(connection: Connection, journey: str, begins: datetime, ends: datetime) -> Past:
    """A journey that was live for most of the period has a record; of one that came at its end,
    after it or never, what is deployed now counts as if it had always been there.
    """
    history = read_definitions(connection)
    deployed_at = _deployed_at(history, journey)
    latest = {one.key: one.body for one in history}
    if deployed_at is None or (deployed_at > begins and deployed_at - begins >= ends - deployed_at):
        applied = [Written(begins, FIRST, *text) for text in latest.items() if text[1] is not None]
        return Past(tuple(applied), latest, begins, begins, is_recorded=False)
    since = max(begins, deployed_at)
    return Past(tuple(history), latest, since, history[0].at, is_recorded=True)


def read_record(connection: Connection, journey: str, begins: datetime, ends: datetime) -> Past:
    """Everything that was applied, in its time. Raises NotFound for a journey that was not live."""
    history = read_definitions(connection)
    deployed_at = _deployed_at(history, journey)
    if deployed_at is None or deployed_at > ends:
        raise NotFound(f"{journey!r} was not applied by then, so there is no record of it.")
    latest = {one.key: one.body for one in history}
    return Past(tuple(history), latest, begins, history[0].at, is_recorded=True)


def _deployed_at(history: Iterable[Written], journey: str) -> datetime | None:
    return next((one.at for one in history if one.key == ("journey", journey)), None)


def _say_the_same(
    key: Key, one: str | None, other: str | None, environment: Mapping[str, str]
) -> bool:
    """Comments and spaces say nothing: they must not move anybody to another version."""
    if one is None or other is None or one == other:
        return one == other
    kind, name = cast(Kind, key[0]), key[1]
    files = (File(kind, name, path_of(kind, name), text) for text in (one, other))
    said, said_then = (read_file(file, environment).value for file in files)
    return said is not None and repr(said) == repr(said_then)  # for Python, 1 equals true
