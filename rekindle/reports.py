"""The figures of journeys and surveys as documents, for the commands and the API."""

from typing import Any

from rekindle import worth
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


def journey_documents(services: Services) -> list[dict[str, Any]]:
    """What became of everybody in each journey, applied or past, and what it is worth."""
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


def survey_documents(services: Services) -> list[dict[str, Any]]:
    """Scores and rates of each survey, with their intervals."""
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
