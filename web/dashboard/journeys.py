"""`/journeys/{name}`: the journey as a picture, with the people at each step."""

from starlette.requests import Request
from starlette.responses import Response

from journeys.definition import Journey, OnApi, OnCalendar, OnDay, OnEnters, OnEvent, OnLeaves
from journeys.graph import build_graph
from journeys.uplift import ALPHA, METHOD, write_verdict
from rekindle.measuring import load_uplift
from store.figures import (
    JourneyFigures,
    count_enrollments,
    count_journey_mails,
    count_positions,
    count_step_mails,
)
from web.dashboard.drawing import draw_journey
from web.dashboard.showing import show, show_missing
from web.dashboard.words import write_condition
from web.requests import services_of


def show_journey(request: Request) -> Response:
    name = request.path_params["name"]
    services = services_of(request)
    journey = services.library().journeys.get(name)
    if journey is None:
        return show_missing(request, f"No journey is called '{name}'.")
    with services.store.read() as connection:
        people = count_positions(connection, name)
        sent = count_step_mails(connection, name)
        figures = count_enrollments(connection).get(name, JourneyFigures(name))
        mails = count_journey_mails(connection).get(name, {})
        uplift = load_uplift(connection, services.library(), name, services.clock.now())
    graph = build_graph(journey)
    values = {
        "journey": journey,
        "picture": draw_journey(graph, people, sent, starts_of(journey)),
        "figures": figures,
        "mails": mails,
        "uplift": uplift,
        "verdict": write_verdict(uplift),
        "certainty": 1 - ALPHA,
        "method": METHOD,
        "goal": write_condition(journey.goal.condition) if journey.goal else "",
        "elsewhere": sum(count for step, count in people.items() if step not in graph.nodes),
    }
    return show(request, "journey", values)


def starts_of(journey: Journey) -> str:
    """What starts a journey, on one line."""
    words = []
    for trigger in journey.start:
        match trigger:
            case OnEvent():
                words.append(" or ".join(trigger.event))
            case OnEnters():
                words.append(f"enters {trigger.enters}")
            case OnLeaves():
                words.append(f"leaves {trigger.leaves}")
            case OnCalendar(every=rule):
                words.append(f"{rule.cron} for {rule.for_}")
            case OnDay(on=day):
                words.append(f"a day by {day.trait}")
            case OnApi():
                words.append("by hand")
    return ", ".join(words)
