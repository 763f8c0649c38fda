"""Which texts a simulation plays, and since when each; and how far it looks when the engine did."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from sqlalchemy import Connection

from rekindle.rehearsal.entries import FIRST, Written
from rekindle.rehearsal.script import read_definitions
from rekindle.workspace.files import File, Kind, path_of
from rekindle.workspace.library import WORD, read_file
from rekindle.workspace.references import base_name
from store.definitions import Key
from store.tables import MICROSECOND

Texts = Mapping[Key, str | None]
NAMED = ("segment", "survey", "template", "data")  # what is there for others to use


@dataclass(frozen=True)
class Course:
    """What is played, and whether the record of the live engine leads."""

    version: str
    written: tuple[Written, ...]
    begins: datetime  # the engine wakes
    follows_until: datetime  # from then on it looks whenever there is something to do
    is_recorded: bool


@dataclass(frozen=True)
class Past:
    """Everything that was applied, as simulations of one journey over one period begin with it."""

    applied: tuple[Written, ...]
    latest: Texts
    begins: datetime
    wakes_at: datetime
    is_recorded: bool

    def differing(self, texts: Texts, environment: Mapping[str, str]) -> Texts:
        """Those that do not say what was applied last."""
        return {
            key: body
            for key, body in texts.items()
            if not _say_the_same(key, self.latest.get(key), body, environment)
        }

    def as_it_was(self, version: str, until: datetime) -> Course:
        """As deployed, pauses and all, as far as there is a record."""
        follows_until = until if self.is_recorded else self.begins - MICROSECOND
        return self._course(version, self.applied, follows_until)

    def without_pauses(self, version: str, changes: Texts) -> Course:
        """With these texts instead of what was deployed, by an engine that never sleeps: the record
        does not say whether ours was awake when only another version had something to do.
        """
        return self._course(version, self._with(changes), self.begins - MICROSECOND)

    def _course(self, version: str, written: Iterable[Written], follows_until: datetime) -> Course:
        return Course(version, tuple(written), self.wakes_at, follows_until, self.is_recorded)

    def _with(self, changes: Texts) -> list[Written]:
        """What does not change stays as it was over time."""
        kept = [one for one in self.applied if one.key not in changes or one.at <= self.begins]
        changed = [self._in_place(key, body) for key, body in changes.items()]
        return _brought_forward([*kept, *changed], changed)

    def _in_place(self, key: Key, body: str | None) -> Written:
        """From the beginning, or from when there first was such a file if that was later."""
        first = next((one for one in self.applied if one.key == key), None)
        if first is not None and first.at > self.begins:
            return replace(first, body=body)
        orders = (one.order for one in self.applied if one.at == self.begins)
        return Written(self.begins, max(orders, default=FIRST), key, body)


def read_past(connection: Connection, journey: str, begins: datetime, ends: datetime) -> Past:
    """A journey that was live for most of the period is played as it was; one that came at its
    end, after it or never, as if it had always been there.
    """
    history = read_definitions(connection)
    deployed_at = next((one.at for one in history if one.key == ("journey", journey)), None)
    is_recorded = deployed_at is not None and (
        deployed_at <= begins or deployed_at - begins < ends - deployed_at
    )
    wakes_at = history[0].at if is_recorded else begins
    applied = history if is_recorded else [_moved(one, begins) for one in history]
    latest = {one.key: one.body for one in history}
    return Past(tuple(applied), latest, begins, wakes_at, is_recorded)


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


def _moved(one: Written, begins: datetime) -> Written:
    """The first version of what was written later counts as if it had been there."""
    at = one.at if one.at > begins and one.is_edit else min(one.at, begins)
    return replace(one, at=at, order=FIRST)


def _brought_forward(written: Sequence[Written], changed: Sequence[Written]) -> list[Written]:
    """What a changed text names is there as soon as that text is, whenever it was first applied."""
    ahead, found = list(changed), list(written)
    while ahead:
        one = ahead.pop()
        words = frozenset(WORD.findall(one.body or ""))
        for place in _places_of_first(found):
            first = found[place]
            if first.at > one.at and _is_named(first.key, words):
                found[place] = replace(first, at=one.at, order=one.order)
                ahead.append(found[place])
    return found


def _places_of_first(written: Sequence[Written]) -> list[int]:
    places: dict[Key, int] = {}
    for place, one in enumerate(written):
        places.setdefault(one.key, place)
    return list(places.values())


def _is_named(key: Key, words: frozenset[str]) -> bool:
    """Whether all words of its name are there: rather one file too many than one too few."""
    kind, name = key
    return kind in NAMED and words.issuperset(WORD.findall(base_name(name)))
