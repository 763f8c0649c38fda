"""Reads every mail as its readers' mailboxes and journeys will."""

import re
from collections.abc import Iterator, Mapping, Sequence

from rekindle.workspace.library import Library, Reading
from rekindle.workspace.problems import Problem
from rekindle.workspace.references import base_name

ASKS = re.compile(r"\bsurvey\(\s*[\"'](\w+)[\"']")


def surveys_in_mails(templates: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The surveys that each mail asks, over all its languages."""
    found: dict[str, frozenset[str]] = {}
    for name, source in templates.items():
        asked = frozenset(ASKS.findall(source))
        found[base_name(name)] = found.get(base_name(name), frozenset()) | asked
    return found


def check_mails(readings: Sequence[Reading], library: Library) -> Iterator[Problem]:
    """What no mailbox would forgive, and mails that miss the brand's language."""
    yield from _check_languages(readings, library)


def _check_languages(readings: Sequence[Reading], library: Library) -> Iterator[Problem]:
    """Every mail needs a version for those whose language has none."""
    language = library.settings.brand.language
    for reading in readings:
        if reading.file.kind != "template" or "." not in reading.file.name:
            continue
        name = base_name(reading.file.name)
        if not {name, f"{name}.{language}"} & set(library.templates):
            said = f"this mail has no version for other readers: {name}.html.j2 is missing."
            yield Problem(reading.document.place_at(0, 0), said)
