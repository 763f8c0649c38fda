"""Names in rules against what was ever seen: a name that never came is probably a slip."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from rekindle.workspace.library import Reading
from rekindle.workspace.problems import Place, Problem, did_you_mean
from rekindle.workspace.references import rules_of
from segments.paths import parse_path

ANY = "any"
# what the engine says itself comes sooner or later
OURS = ("message.", "segment.", "enrollment.", "survey.", "customer.")
COMPARING = ("is", "at_least", "at_most", "more_than", "less_than")
SHOWN = 3  # of the values that were seen
ONLY_DECIMALS = "Import the file anew with --type NAME=number, or see with --look how it is read."


@dataclass(frozen=True)
class Seen:
    """Names of events and traits that the database has met."""

    events: Collection[str]
    traits: Collection[str]
    # by event, the properties of the latest that start journeys
    latest: Mapping[str, Sequence[Mapping[str, Any]]]
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # the latest, of some traits


@dataclass(frozen=True)
class Comparison:
    """A rule asks whether a trait is true, false or some number, or on which side of one."""

    trait: str
    asked: float
    place: Place


def comparisons_in(readings: Sequence[Reading]) -> Iterator[Comparison]:
    """All such comparisons with traits that are no part of another."""
    for reading in readings:
        for path, mapping in rules_of(reading):
            trait = mapping.get("trait")
            for key in COMPARING:
                asked = mapping.get(key)
                if isinstance(trait, str) and isinstance(asked, int | float):
                    yield Comparison(trait, asked, reading.document.place((*path, key)))


def check_types_seen(readings: Sequence[Reading], seen: Seen) -> Iterator[Problem]:
    """Rules that hold for nobody, because what they compare with a number are texts."""
    for one in comparisons_in(readings):
        latest = seen.values.get(one.trait, ())
        if latest and all(isinstance(value, str) for value in latest):
            known = [repr(value) for value in sorted(set(latest))[:SHOWN]]
            of = f"customers have only texts as {one.trait!r}: {', '.join(known)}."
            as_text = (
                f"In a CSV file true and false are text: compare with it, as in is: {known[-1]}."
            )
            hint = as_text if isinstance(one.asked, bool) else ONLY_DECIMALS
            said = f"{json.dumps(one.asked)} is no text, and {of}"
            yield Problem(one.place, said, hint, "warning")


def check_seen(readings: Sequence[Reading], seen: Seen) -> Iterator[Problem]:
    """A warning for every name that never came, once there is anything to compare with."""
    for reading in readings:
        if reading.file.kind == "settings":
            yield from _check_goal(reading, seen)
        for path, mapping in rules_of(reading):
            for key in ("event", "without_later"):
                written = mapping.get(key)
                for index, name in enumerate(written if isinstance(written, list) else [written]):
                    at = (*path, key, index) if isinstance(written, list) else (*path, key)
                    yield from _check_event(name, reading.document.place(at), seen)
            yield from _check_trait(mapping.get("trait"), reading, (*path, "trait"), seen)


def _check_goal(reading: Reading, seen: Seen) -> Iterator[Problem]:
    activity = (reading.document.data or {}).get("activity") or {}
    goal = activity.get("goal") if isinstance(activity, dict) else None
    for index, name in enumerate(goal if isinstance(goal, list) else []):
        place = reading.document.place(("activity", "goal", index))
        yield from _check_event(name, place, seen)


def _check_event(name: object, place: Place, seen: Seen) -> Iterator[Problem]:
    if not seen.events or not isinstance(name, str) or name == ANY:
        return
    pattern = name.strip().lower()
    is_known = any(fnmatchcase(one, pattern.replace("[", "[[]")) for one in seen.events)
    if not is_known and not pattern.startswith(OURS):
        said = f"no event called {name!r} was ever seen."
        yield Problem(place, said, did_you_mean(pattern, seen.events), "warning")


def _check_trait(
    name: object, reading: Reading, path: tuple[str | int, ...], seen: Seen
) -> Iterator[Problem]:
    if not seen.traits or not isinstance(name, str):
        return
    try:
        first = parse_path(name).first
    except ValueError:  # told where the rule is read
        return
    if first not in seen.traits:
        said = f"no customer ever had a trait {first!r}."
        hint = did_you_mean(first, seen.traits)
        yield Problem(reading.document.place(path), said, hint, "warning")
