"""Everything wrong with a workspace, at once."""

from collections.abc import Iterator, Mapping, Sequence

from adapters.files.definition import EVERY_TOPIC, Import
from journeys.definition import Journey
from rekindle.workspace.case_checks import check_cases
from rekindle.workspace.circles import check_circles
from rekindle.workspace.fact_checks import check_facts
from rekindle.workspace.files import SETTINGS
from rekindle.workspace.journey_sense import Thinking, check_journey
from rekindle.workspace.library import Library, Reading
from rekindle.workspace.mail_checks import check_mails, surveys_in_mails
from rekindle.workspace.problems import Place, Problem, did_you_mean, in_order
from rekindle.workspace.reach_checks import check_reach
from rekindle.workspace.references import check_references, collect_names, rules_of
from rekindle.workspace.settings_checks import check_settings
from rekindle.workspace.source_checks import check_sources
from segments.definition import Segment
from segments.sharing import MOST_IN_A_RULE, things_read

SCORE_BOUNDS = ("at_least", "at_most", "exactly", "between", "more_than", "less_than")


def check_workspace(
    readings: Sequence[Reading], library: Library, environment: Mapping[str, str]
) -> tuple[Problem, ...]:
    """All problems of all files and of how they fit together, by file and place."""
    return in_order(_problems(readings, library, environment))


def _problems(
    readings: Sequence[Reading], library: Library, environment: Mapping[str, str]
) -> Iterator[Problem]:
    if not readings:
        said = "there is no workspace here: this folder has none of its files."
        yield Problem(Place(SETTINGS), said, "Make one with 'rekindle init DIR'.")
    for reading in readings:
        yield from reading.problems
        if reading.file.kind == "settings":
            yield from check_settings(reading, environment)
    names = collect_names(readings, library.settings)
    yield from check_references(readings, names)
    yield from check_mails(readings, library)
    yield from _check_journeys(readings, library)
    yield from _check_widths(readings, library)
    yield from _check_scores(readings, library)
    yield from check_circles(readings)
    yield from check_reach(readings, library.settings)
    yield from _check_data(readings)
    yield from _check_imports(readings, library)
    yield from check_sources(readings, library.settings, environment)
    for reading in readings:
        yield from check_cases(reading, names, library)


def _check_journeys(readings: Sequence[Reading], library: Library) -> Iterator[Problem]:
    asks = surveys_in_mails(library.templates)
    for reading in readings:
        if isinstance(reading.value, Journey):
            yield from check_facts(reading.value, reading.document, library)
            thinking = Thinking(reading.value, reading.document, library.settings, asks)
            yield from check_journey(thinking)


def _check_widths(readings: Sequence[Reading], library: Library) -> Iterator[Problem]:
    """Rules that ask too much for one look at a customer."""
    for reading in readings:
        if isinstance(reading.value, Segment):
            asked = len(things_read(reading.value.match, library.segments))
            if asked > MOST_IN_A_RULE:
                said = (
                    f"this rule asks about {asked} different things, those of the segments it"
                    f" names included; {MOST_IN_A_RULE} is the most."
                )
                hint = "Name several events in one condition, or make several segments of it."
                yield Problem(reading.document.place(("match",)), said, hint)


def _check_scores(readings: Sequence[Reading], library: Library) -> Iterator[Problem]:
    """Scores that the survey does not have."""
    for reading in readings:
        for path, mapping in rules_of(reading):
            survey = library.surveys.get(str(mapping.get("answer")))
            if survey is None:
                continue
            low, high = survey.scores[0], survey.scores[-1]
            for key in SCORE_BOUNDS:
                if any(not low <= bound <= high for bound in _numbers(mapping.get(key))):
                    said = f"{survey.survey!r} has scores from {low} to {high}."
                    yield Problem(reading.document.place((*path, key)), said)


def _numbers(written: object) -> list[int | float]:
    listed = written if isinstance(written, list) else [written]
    return [n for n in listed if isinstance(n, int | float) and not isinstance(n, bool)]


def _check_imports(readings: Sequence[Reading], library: Library) -> Iterator[Problem]:
    """Consents of topics that the workspace does not have."""
    known = [*library.settings.topics, EVERY_TOPIC]
    for reading in readings:
        if isinstance(reading.value, Import):
            for topic in reading.value.consents:
                if topic not in known:
                    place = reading.document.place(("consents", topic), of_key=True)
                    hint = did_you_mean(topic, known) or f"There are {', '.join(known)}."
                    yield Problem(place, f"there is no topic {topic!r}.", hint)


def _check_data(readings: Sequence[Reading]) -> Iterator[Problem]:
    """Two files of one name would hide each other from the templates."""
    seen: dict[str, str] = {}
    for reading in readings:
        if reading.file.kind == "data":
            name = reading.file.name.rsplit(".", 1)[0]
            if name in seen:
                said = f"templates read this as data.{name}, and {seen[name]!r} too."
                yield Problem(Place(reading.file.path), said, "Rename one of them.")
            seen.setdefault(name, reading.file.path)
