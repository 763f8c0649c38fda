"""`rekindle report`: what journeys did and what surveys say, in figures."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from rekindle.cli import worth
from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.errors import NotFound, WrongUse
from rekindle.measuring import load_uplift
from rekindle.services import Services
from store.figures import (
    JourneyFigures,
    SurveyFigures,
    count_enrollments,
    count_journey_mails,
    count_surveys,
)
from surveys.scoring import Measure, easy_share, measure, response_rate

LATER = ("churn", "support", "delivery")


def report(
    noun: Annotated[str, typer.Argument(metavar="journey | survey", help="what to report on")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="only this one")] = "",
) -> None:
    """The figures of every journey or survey, or of one."""
    if noun in LATER:
        raise WrongUse(f"'report {noun}' is not there yet in this version.")
    if noun not in ("journey", "survey"):
        raise WrongUse(f"there is no report on {noun!r}; say 'report journey' or 'report survey'.")
    with open_here() as services:
        documents = _surveys(services) if noun == "survey" else _journeys(services)
    write = _survey_text if noun == "survey" else _journey_text
    if not name:
        say("\n\n".join(map(write, documents)) or f"There are no {noun}s.", documents)
        return
    found = next((one for one in documents if one[noun] == name), None)
    if found is None:
        raise NotFound(f"no {noun} is called {name!r}.")
    say(write(found), found)


def _journeys(services: Services) -> list[dict[str, Any]]:
    library, now = services.library(), services.clock.now()
    with services.store.read() as connection:
        figures = count_enrollments(connection)
        mails = count_journey_mails(connection)
        uplifts = {
            one: worth.as_document(load_uplift(connection, library, one, now))
            for one in library.journeys
        }
    return [
        {
            **vars(figures.get(one, JourneyFigures(one))),
            "mails": mails.get(one, {}),
            "uplift": uplifts.get(one),
        }
        for one in sorted({*library.journeys, *figures})
    ]


def _surveys(services: Services) -> list[dict[str, Any]]:
    with services.store.read() as connection:
        found = count_surveys(connection)
    return [
        _survey_document(survey.kind, found.get(name, SurveyFigures(name)))
        for name, survey in sorted(services.library().surveys.items())
    ]


def _survey_document(kind: str, figures: SurveyFigures) -> dict[str, Any]:
    histogram = figures.histogram or {}
    is_effort = kind == "ces" and measure(kind, histogram) is not None
    return {
        "survey": figures.survey,
        "kind": kind,
        "invited": figures.invited,
        "delivered": figures.delivered,
        "answered": figures.answered,
        "response_rate": _measure_document(response_rate(figures.answered, figures.delivered)),
        "score": _measure_document(measure(kind, histogram)),
        "agreeing": _measure_document(easy_share(histogram)) if is_effort else None,
        "histogram": {str(score): count for score, count in histogram.items()},
        "machine_answers": figures.machine_answers,
    }


def _measure_document(found: Measure | None) -> dict[str, Any] | None:
    """None where too few answered to show any figure."""
    if found is None:
        return None
    return {
        "value": round(found.value, 2),
        "low": round(found.interval.low, 2),
        "high": round(found.interval.high, 2),
        "n": found.n,
        "unit": found.unit,
        "too_few": found.is_few,
    }


def _journey_text(one: dict[str, Any]) -> str:
    lines = [
        one["journey"],
        _pairs((word, one[word]) for word in ("started", "active", "held_out")),
        _pairs((word, one[word]) for word in ("goal", "finished", "exited", "merged", "failed")),
        f"  mails: {_pairs(one['mails'].items()).strip() or 'none'}",
        *(worth.as_lines(one["uplift"]) if one["uplift"] else ()),
    ]
    return "\n".join(lines)


def _survey_text(one: dict[str, Any]) -> str:
    machines = one["machine_answers"]
    lines = [
        f"{one['survey']} ({one['kind'].upper()})",
        f"  score: {_measure_text(one['score'])}",
        f"  response rate: {_measure_text(one['response_rate'])}",
        _pairs((word, one[word]) for word in ("invited", "delivered", "answered")),
        f"  machine answers, not counted: {machines}" if machines else "",
    ]
    return "\n".join(filter(None, lines))


def _measure_text(found: dict[str, Any] | None) -> str:
    if found is None:
        return "fewer than 5, not shown"
    few = ", too few to tell" if found["too_few"] else ""
    unit = "" if found["unit"] == "mean" else f" {found['unit']}"
    return (
        f"{found['value']:g}{unit} ({found['low']:g} to {found['high']:g}, n = {found['n']}{few})"
    )


def _pairs(items: Iterable[tuple[str, int]]) -> str:
    return "  " + ", ".join(f"{word.replace('_', ' ')} {count}" for word, count in items)
