"""Every name that one file uses of another: does it exist, and do none run in a circle?"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from adapters.tracking.names import canonical_name
from journeys.definition import SERVICE
from rekindle.settings import Settings
from rekindle.workspace.library import Reading
from rekindle.workspace.problems import Place, Problem, did_you_mean, unknown_name
from rekindle.workspace.ways import find_circles
from rekindle.workspace.yaml import Path

ANY = "any"  # stands for whichever there is
# key -> what it names, in conditions, starts, exits and steps
NAMED_BY = {
    "segment": "segment",
    "enters": "segment",
    "leaves": "segment",
    "for": "segment",
    "journey": "journey",
    "start": "journey",
    "answer": "survey",
    "survey": "survey",
    "send": "template",
    "template": "template",
    "message": "template",
    "notify": "people",
    "approve": "people",
    "channel": "channel",
}
# what authors fill with words of their own: names of properties mean nothing there
FREE = ("where", "set", "properties", "body", "moved")
NOUNS = {"people": "group of people"}
NAMED_IN_SETTINGS = ("people", "topic", "channel")
ROOTS = {"segment": ("match",), "journey": ("start", "exit", "goal", "steps")}


@dataclass(frozen=True)
class Reference:
    """One use of a name: `key` says how, `path` where."""

    key: str
    name: str
    path: Path
    reading: Reading

    @property
    def kind(self) -> str:
        return NAMED_BY[self.key]

    @property
    def place(self) -> Place:
        return self.reading.document.place(self.path)


@dataclass(frozen=True)
class Names:
    """Everything that exists in a workspace, by kind, also where a file has other problems."""

    by_kind: Mapping[str, Collection[str]]
    are_settings_readable: bool = True  # or else nobody can say what they name

    def of(self, kind: str) -> Collection[str]:
        return self.by_kind.get(kind, ())

    def lack(self, kind: str, name: str) -> bool:
        """Whether there certainly is nothing of that kind called so."""
        is_readable = self.are_settings_readable or kind not in NAMED_IN_SETTINGS
        return is_readable and name not in self.of(kind)


def collect_names(readings: Sequence[Reading], settings: Settings) -> Names:
    """What the files of a workspace are called, and what its settings name."""
    found: dict[str, set[str]] = {kind: set() for kind in ("segment", "journey", "survey")}
    mails: set[str] = set()
    for reading in readings:
        if reading.file.kind == "template":
            mails.add(base_name(reading.file.name))
        elif reading.file.kind in found:
            found[reading.file.kind].add(reading.file.name)
    frames = {name for name in mails if name.startswith("layouts/")}
    people = _named_by("people", readings, settings.people)
    topics = _named_by("topics", readings, settings.topics) | {SERVICE}
    by_kind = {**found, "template": mails - frames, "people": people, "topic": topics,
               "channel": settings.known_channels}  # fmt: skip
    is_readable = all(one.document.data is not None or not one.problems for one in readings
                      if one.file.kind == "settings")  # fmt: skip
    return Names(by_kind, is_readable)


def _named_by(key: str, readings: Sequence[Reading], read: Collection[str]) -> set[str]:
    """The names under a key of the settings, as written where these could not be read."""
    found = set(read)
    for one in readings:
        if one.file.kind == "settings" and isinstance(one.document.data, Mapping):
            written = one.document.data.get(key)
            found |= {str(name) for name in written} if isinstance(written, Mapping) else set()
    return found


def base_name(template: str) -> str:
    """The name of a mail without its locale: `win_back/gift` of `win_back/gift.fa`."""
    return template.split(".", 1)[0]


def references_of(reading: Reading) -> Iterator[Reference]:
    """Every name that a segment or journey uses."""
    for path, mapping in rules_of(reading):
        for key, value in mapping.items():
            if _is_reference(mapping, key, value):
                yield Reference(key, value, (*path, key), reading)


def rules_of(reading: Reading) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every mapping of a segment's or journey's rules and steps."""
    data = reading.document.data
    for root in ROOTS.get(reading.file.kind, ()):
        if isinstance(data, Mapping):
            yield from mappings_in(data.get(root), (root,))


def mappings_in(data: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """All mappings inside `data`, but not in what is free."""
    if isinstance(data, Mapping):
        yield path, data
        for key, value in data.items():
            if key not in FREE:
                yield from mappings_in(value, (*path, key))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from mappings_in(item, (*path, index))


def _is_reference(mapping: Mapping[str, Any], key: str, value: Any) -> bool:
    if key not in NAMED_BY or not isinstance(value, str) or value == ANY or "*" in value:
        return False
    is_notice = key == "message" and ("notify" in mapping or "approve" in mapping)
    return not is_notice  # there it is text


def check_references(readings: Sequence[Reading], names: Names) -> Iterator[Problem]:
    """Names that nobody wrote, and circles."""
    references = [reference for reading in readings for reference in references_of(reading)]
    for reference in references:
        if names.lack(reference.kind, reference.name):
            yield from _unknown(reference, names)
    for reading in readings:
        yield from _check_topic(reading, names)
        yield from _check_events(reading)
    yield from _circles([one for one in references if one.key == "segment"], "segment", "error")
    yield from _circles([one for one in references if one.key == "start"], "journey", "warning")


def _unknown(reference: Reference, names: Names) -> Iterator[Problem]:
    known = names.of(reference.kind)
    if reference.kind == "channel":  # anybody may send a new one, so only a likely slip is told
        if hint := did_you_mean(reference.name, known):
            said = f"no channel is called {reference.name!r} so far."
            yield Problem(reference.place, said, hint, "warning")
        return
    noun = NOUNS.get(reference.kind, reference.kind)
    yield unknown_name(reference.place, noun, reference.name, known)


def _check_topic(reading: Reading, names: Names) -> Iterator[Problem]:
    data = reading.document.data
    if reading.file.kind not in ("journey", "survey") or not isinstance(data, Mapping):
        return
    topic = data.get("topic")
    if isinstance(topic, str) and names.lack("topic", topic):
        place = reading.document.place(("topic",))
        yield unknown_name(place, "topic", topic, names.of("topic"))


def _check_events(reading: Reading) -> Iterator[Problem]:
    """Names that no event is ever stored under, so that a rule would wait for ever."""
    for path, mapping in rules_of(reading):
        for key in ("event", "without_later"):
            written = mapping.get(key)
            for index, name in enumerate(written if isinstance(written, list) else [written]):
                if isinstance(name, str) and (stored := _stored_otherwise(name)):
                    at = (*path, key, index) if isinstance(written, list) else (*path, key)
                    said = f"no event is ever called {name!r}."
                    yield Problem(reading.document.place(at), said, f"Did you mean {stored!r}?")


def _stored_otherwise(name: str) -> str:
    """What an event sent as `name` would be called; empty if that is its name already."""
    stored = canonical_name(name)
    return "" if "*" in name or stored == name.strip().lower() else stored


def _circles(references: Sequence[Reference], kind: str, level: Any) -> Iterator[Problem]:
    """One problem for each circle, at its first reference by file name."""
    onward: dict[str, list[Reference]] = {}
    for reference in references:
        if reference.reading.file.kind == kind:
            onward.setdefault(reference.reading.file.name, []).append(reference)
    for name, way in find_circles(onward, attrgetter("name")):
        round_trip = " → ".join((name, *(step.name for step in way)))
        said = f"{kind}s run in a circle: {round_trip}."
        yield Problem(way[0].place, said, level=level)
