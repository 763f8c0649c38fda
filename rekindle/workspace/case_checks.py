"""What is wrong with a file of `tests/` beyond its form: names, customers, and what expects
nothing.
"""

from collections.abc import Iterator, Mapping, Sequence

from journeys.definition import Journey
from journeys.graph import DuplicateStep, build_graph
from rekindle.workspace.cases import (
    ANY,
    HELD_OUT,
    Advance,
    Answers,
    Case,
    CaseFile,
    Expect,
    Person,
    Travels,
)
from rekindle.workspace.journey_steps import steps_of
from rekindle.workspace.library import Library, Reading
from rekindle.workspace.problems import Problem, unknown_name
from rekindle.workspace.references import NOUNS, Names
from rekindle.workspace.yaml import Document, Path

# key of an act or expectation -> what it names
NAMED_BY = {
    "mail": "template", "no_mail": "template", "held": "template", "refused": "template",
    "open": "template", "click": "template", "unsubscribe": "template", "answer": "survey",
    "journey": "journey", "in": "segment", "not_in": "segment", "notice": "people",
    "no_notice": "people", "start": "journey", "approve": "journey",
}  # fmt: skip


def check_cases(reading: Reading, names: Names, library: Library) -> Iterator[Problem]:
    """Names that nobody wrote, customers that nobody introduced, cases that expect nothing."""
    file, document = reading.value, reading.document
    if not isinstance(file, CaseFile):
        return
    yield from _check_people(file.customers, (), document, names, library)
    yield from _check_only(file.only, (), document, names)
    for number, case in enumerate(file.cases):
        path: Path = ("cases", number)
        yield from _check_people(case.customers, path, document, names, library)
        yield from _check_only(case.only, path, document, names)
        yield from _check_case(file, case, path, document)
        yield from _check_played(file.journeys_of(case), case, path, document)
        for index in range(len(case.steps)):
            yield from _check_names((*path, "steps", index), document, names)
        yield from _check_positions(case, path, document, library)
        yield from _check_scores(case, path, document, library)


def _check_case(file: CaseFile, case: Case, path: Path, document: Document) -> Iterator[Problem]:
    people = file.people_of(case)
    if not people:
        said = "this case has no customers: name them under 'customers:'."
        yield Problem(document.place((*path, "case")), said)
        return
    if not any(isinstance(step, Expect) for step in case.steps):
        said = "this case expects nothing, so it cannot fail."
        yield Problem(document.place((*path, "case")), said, "Add a step 'expect:'.")
    for index, step in enumerate(case.steps):
        at: Path = (*path, "steps", index)
        yield from _check_whose(at, step.customer, document, people)
        if isinstance(step, Expect):
            for place, one in zip(_expectations(at, step, document), step.expect, strict=True):
                yield from _check_whose(place, one.customer, document, people)


def _check_only(
    only: Sequence[str] | None, path: Path, document: Document, names: Names
) -> Iterator[Problem]:
    for index, name in enumerate(only or ()):
        if names.lack("journey", name):
            place = document.place((*path, "only", index))
            yield unknown_name(place, "journey", name, names.of("journey"))


def _check_played(
    only: Sequence[str] | None, case: Case, path: Path, document: Document
) -> Iterator[Problem]:
    """Journeys that a step speaks of and that this case leaves out: they would never start."""
    if only is None:
        return
    for index, step in enumerate(case.steps):
        at: Path = (*path, "steps", index)
        spoken = [((*at, key), getattr(step, key, None)) for key in ("start", "approve")]
        if isinstance(step, Expect):
            places = _expectations(at, step, document)
            spoken += [
                ((*place, "journey"), getattr(expected, "journey", None))
                for place, expected in zip(places, step.expect, strict=True)
            ]
        if isinstance(step, Advance):
            spoken.append(((*at, "until", "journey"), getattr(step.until, "journey", None)))
        for place, name in spoken:
            if name is not None and name not in only:
                played = f"only {', '.join(only)}" if only else "no journey"
                said = f"this case plays {played}, so {name} never starts in it."
                yield Problem(document.place(place), said, "Add it to 'only'.")


def _check_whose(
    at: Path, name: str | None, document: Document, people: Mapping[str, Person]
) -> Iterator[Problem]:
    if name is not None and name not in people:
        place = document.place((*at, "customer"))
        yield unknown_name(place, "customer of this case", name, people)


def _expectations(at: Path, step: Expect, document: Document) -> list[Path]:
    """Where each expectation of a step stands: in a list, or alone."""
    listed: list[Path] = [(*at, "expect", index) for index in range(len(step.expect))]
    return listed if listed[0] in document.positions else [(*at, "expect")]


def _check_names(at: Path, document: Document, names: Names) -> Iterator[Problem]:
    data = document.data
    for part in at:
        data = data[part]
    yield from _names_in(data, at, document, names)
    expected = data.get("expect") if isinstance(data, Mapping) else None
    if isinstance(data, Mapping):
        yield from _names_in(data.get("until"), (*at, "until"), document, names)
    listed = expected if isinstance(expected, list) else [expected]
    for index, one in enumerate(listed):
        path = (*at, "expect", index) if isinstance(expected, list) else (*at, "expect")
        yield from _names_in(one, path, document, names)


def _names_in(data: object, at: Path, document: Document, names: Names) -> Iterator[Problem]:
    for key, name in data.items() if isinstance(data, Mapping) else ():
        kind = NAMED_BY.get(key)
        if kind is None or not isinstance(name, str) or name == ANY:
            continue
        if names.lack(kind, name):
            noun = NOUNS.get(kind, kind)
            yield unknown_name(document.place((*at, key)), noun, name, names.of(kind))


def _check_people(
    people: Mapping[str, Person], path: Path, document: Document, names: Names, library: Library
) -> Iterator[Problem]:
    for name, person in people.items():
        at: Path = (*path, "customers", name)
        for topic in person.consents:
            if names.lack("topic", topic):
                place = document.place((*at, "consents", topic), of_key=True)
                yield unknown_name(place, "topic", topic, names.of("topic"))
        for journey, arms in person.chance.items():
            yield from _check_chance(journey, arms, (*at, "chance", journey), document, names,
                                     library)  # fmt: skip


def _check_chance(
    journey: str, arms: Sequence[str], at: Path, document: Document, names: Names, library: Library
) -> Iterator[Problem]:
    if journey not in names.of("journey"):
        yield unknown_name(document.place(at, of_key=True), "journey", journey, names.of("journey"))
    elif journey in library.journeys:
        known = {HELD_OUT, *arms_of(library.journeys[journey])}
        for arm in arms:
            if arm not in known:
                yield unknown_name(document.place(at), f"arm of {journey}", arm, known)


def arms_of(journey: Journey) -> set[str]:
    """The names of all arms of all splits of a journey."""
    return {arm.name for _path, step in steps_of(journey) for arm in getattr(step, "split", ())}


def _check_positions(
    case: Case, path: Path, document: Document, library: Library
) -> Iterator[Problem]:
    """Steps that an expectation names and that its journey does not have."""
    for index, step in enumerate(case.steps):
        if not isinstance(step, Expect):
            continue
        places = _expectations((*path, "steps", index), step, document)
        for at, one in zip(places, step.expect, strict=True):
            if isinstance(one, Travels) and one.at and one.journey in library.journeys:
                known = _step_ids(library.journeys[one.journey])
                if known and one.at not in known:
                    place = document.place((*at, "at"))
                    yield unknown_name(place, f"step of {one.journey}", one.at, known)


def _step_ids(journey: Journey) -> set[str]:
    try:
        return set(build_graph(journey).nodes)
    except DuplicateStep:  # that is its own problem
        return set()


def _check_scores(
    case: Case, path: Path, document: Document, library: Library
) -> Iterator[Problem]:
    for index, step in enumerate(case.steps):
        survey = library.surveys.get(step.answer) if isinstance(step, Answers) else None
        if isinstance(step, Answers) and survey and step.score not in survey.scores:
            place = document.place((*path, "steps", index, "score"))
            scale = f"{survey.scores[0]} to {survey.scores[-1]}"
            yield Problem(place, f"{survey.survey} is answered with {scale}, not {step.score}.")
