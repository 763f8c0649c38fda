"""`/`: how customers are doing, what the engine does about it, and what comes back."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rekindle.lanes import find_failing_receivers, find_standstills
from rekindle.parked import LATELY
from rekindle.workspace.library import Library
from store.alarms import HELD
from store.approvals import list_waiting_steps
from store.figures import (
    JourneyFigures,
    SurveyFigures,
    count_customers,
    count_drift,
    count_enrollments,
    count_mails,
    count_members,
    count_sent_by_day,
    count_surveys,
    list_alarms,
)
from store.parked import summarize_parked
from surveys.scoring import Measure, measure, response_rate
from web.dashboard.showing import show
from web.requests import services_of

SENT_DAYS = 30


@dataclass(frozen=True)
class SurveyCard:
    """One survey as the overview shows it."""

    name: str
    kind: str
    figures: SurveyFigures
    score: Measure | None
    responses: Measure | None


def show_overview(request: Request) -> Response:
    services = services_of(request)
    library, now = services.library(), services.clock.now()
    with services.store.read() as connection:
        sizes = count_members(connection)
        enrollments = count_enrollments(connection)
        surveys = count_surveys(connection)
        values: dict[str, Any] = {
            "customers": count_customers(connection),
            "drift": count_drift(connection, "goal", now),
            "mails": count_mails(connection),
            "sent_by_day": count_sent_by_day(connection, now, days=SENT_DAYS),
            "alarms": [alarm for alarm in list_alarms(connection) if alarm.kind != HELD],
            "standstills": find_standstills(connection, now),
            "failing": [said for _, said in find_failing_receivers(connection)],
            "parked": [
                one.in_words(LATELY.days) for one in summarize_parked(connection, now - LATELY)
            ],
            "asked": sum(one.count for one in list_waiting_steps(connection, now)),
        }
    values |= {
        "segments": [(one, sizes.get(name, 0)) for name, one in sorted(library.segments.items())],
        "journeys": _journeys(library, enrollments),
        "surveys": _cards(library, surveys),
        "goal": " or ".join(library.settings.activity.goal),
    }
    return show(request, "overview", values)


def _journeys(library: Library, found: dict[str, JourneyFigures]) -> list[tuple[Any, Any]]:
    """The journeys of today with their figures, then those that are no longer written."""
    current = [
        (journey, found.get(name, JourneyFigures(name)))
        for name, journey in sorted(library.journeys.items())
    ]
    gone = [(None, found[name]) for name in sorted(found.keys() - library.journeys.keys())]
    return [*current, *gone]


def _cards(library: Library, found: dict[str, SurveyFigures]) -> list[SurveyCard]:
    return [
        SurveyCard(
            name=name,
            kind=survey.kind,
            figures=(figures := found.get(name, SurveyFigures(name))),
            score=measure(survey.kind, figures.histogram or {}),
            responses=response_rate(figures.answered, figures.delivered),
        )
        for name, survey in sorted(library.surveys.items())
    ]
