"""Reads every mail and every notice as their readers' mailboxes and journeys will."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from journeys.definition import Approve, Journey, Notify, Send, Survey
from journeys.graph import DuplicateStep, build_graph
from rekindle.workspace.journey_steps import steps_of
from rekindle.workspace.journey_ways import Ways
from rekindle.workspace.library import Library, Reading
from rekindle.workspace.mail_reading import MailReader
from rekindle.workspace.problems import Place, Problem
from rekindle.workspace.references import base_name
from rekindle.workspace.yaml import Document
from templates.lint import Finding, Known, check_template, check_words

ASKS = re.compile(r"\bsurvey\(\s*[\"'](\w+)[\"']")
EXTENDS = re.compile(r"\{%-?\s*extends\b")
QUOTED = re.compile(r"'([^']*\w[^']*)'")
Journeys = Sequence[tuple[Journey, Document]]


def surveys_in_mails(templates: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The surveys that each mail asks, over all its languages."""
    found: dict[str, frozenset[str]] = {}
    for name, source in templates.items():
        asked = frozenset(ASKS.findall(source))
        found[base_name(name)] = found.get(base_name(name), frozenset()) | asked
    return found


def check_mails(readings: Sequence[Reading], library: Library) -> Iterator[Problem]:
    """What is wrong inside mails and notices, and mails that show what a journey never asks."""
    journeys = [(one.value, one.document) for one in readings if isinstance(one.value, Journey)]
    known = Known(surveys=_names(readings, "survey"), data=set(library.data))
    topics = _topics_of_mails(journeys, library)
    documents = {one.file.name: one.document for one in readings if one.file.kind == "template"}
    language = library.settings.brand.language
    for name, source in library.templates.items():
        if base_name(name) in topics or (EXTENDS.search(source) and not _is_layout(name)):
            yield from _check_language(name, library, documents[name])
            found = check_template(name, library.templates, known=known, language=language,
                                   topics=topics.get(base_name(name), ()))  # fmt: skip
            yield from (_problem(finding, documents) for finding in found)
    for journey, document in journeys:
        yield from _check_notices(journey, document, known)
        yield from _check_what_is_read(journey, document, library)


def _names(readings: Sequence[Reading], kind: str) -> set[str]:
    """What is called so, also where its file has problems."""
    return {one.file.name for one in readings if one.file.kind == kind}


def _is_layout(name: str) -> bool:
    """True for what is no mail by itself: frames, and the pages behind a mail."""
    return name.startswith(("layouts/", "web/"))


def _topics_of_mails(journeys: Journeys, library: Library) -> dict[str, set[str]]:
    """The topics under which each mail is sent; a survey's topic governs its mails."""
    asks = surveys_in_mails(library.templates)
    topics: defaultdict[str, set[str]] = defaultdict(set)
    for journey, _document in journeys:
        for _path, step in steps_of(journey):
            match step:
                case Survey() if step.survey in library.surveys:
                    topics[step.template].add(library.surveys[step.survey].topic)
                case Send():
                    asked = [library.surveys[one] for one in asks.get(step.template, ())
                             if one in library.surveys]  # fmt: skip
                    topics[step.template] |= {one.topic for one in asked} or {journey.topic}
                case _:
                    pass
    return topics


def _check_language(name: str, library: Library, document: Document) -> Iterator[Problem]:
    """Every mail needs a version for those whose language has none."""
    fallback = {base_name(name), f"{base_name(name)}.{library.settings.brand.language}"}
    if not fallback & set(library.templates):
        said = f"this mail has no version for other readers: {base_name(name)}.html.j2 is missing."
        yield Problem(document.place_at(0, 0), said)


def _problem(finding: Finding, documents: Mapping[str, Document]) -> Problem:
    """The finding at its line; where the line has what it is about, just that is marked."""
    document = documents.get(finding.template)
    if document is None:  # in one of the engine's own layouts, which only a broken engine has
        return Problem(Place(finding.template, finding.line), finding.message, finding.hint)
    line = document.place_at(finding.line - 1, 0).source
    meant = next((word for word in QUOTED.findall(finding.message) if word in line), line.strip())
    place = document.place_at(finding.line - 1, max(0, line.find(meant)), len(meant))
    return Problem(place, finding.message, finding.hint)


def _check_notices(journey: Journey, document: Document, known: Known) -> Iterator[Problem]:
    for path, step in steps_of(journey):
        if isinstance(step, Notify | Approve):
            for finding in check_words(step.message, known=known):
                place = document.place((*path, "message"))
                yield Problem(place, finding.message, finding.hint)


def _check_what_is_read(
    journey: Journey, document: Document, library: Library
) -> Iterator[Problem]:
    """Mails and notices that show what no way to them has set."""
    try:
        ways = Ways(build_graph(journey))
    except DuplicateStep:
        return  # told already
    asks, reader = surveys_in_mails(library.templates), MailReader(library)
    for id_, (path, step) in ways.steps.items():
        if (shown := reader.shown_by(step, path, document)) is None:
            continue
        answers = {name.split(".")[1] for name in shown.names if name.startswith("answer.")}
        asked = ways.surveys_before(id_, asks) if answers else set()
        for survey in sorted(answers - asked):
            said = f"this shows the answer to {survey!r}, which nobody was asked by now."
            yield Problem(shown.place, said, level="warning")
        if "code" in shown.names:
            said = "this mail needs a code; they are not there yet in this version."
            yield Problem(shown.place, said)
