import pytest

from journeys.advance import questions
from segments.conditions.event import Event
from segments.subjects import Scope, Window
from tests.journeys.builders import DAY, MAIL, ORDER, a_graph

WAIT_FOR = {"wait_for": {"event": "ticket.closed"}, "up_to": "3 days"}
CLICKED = {"event": "message.clicked", "since": "hello"}


def asked(graph, step=None):
    return {question.name: question for question in questions(graph, step or graph.first)}


def test_exits_and_the_goal_are_asked_at_every_step():
    exits = [ORDER, {"leaves": "regulars"}]
    graph = a_graph(MAIL, "end", exit=exits, goal={**ORDER, "within": "1 day"})

    for step in graph.nodes:
        assert list(asked(graph, step)) == ["exit 1", "exit 2", "goal"]


def test_a_branch_asks_for_each_arm_but_otherwise():
    graph = a_graph(
        {"branch": [{"when": ORDER, "steps": []}] * 2 + [{"otherwise": []}], "only_if": ORDER}
    )

    assert list(asked(graph)) == ["only_if", "when 1", "when 2"]


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("exit 1", Scope.SINCE_START),
        ("exit 2", Scope.SINCE_START),
        ("goal", Scope.SINCE_START),
        ("came", Scope.SINCE_ARRIVAL),
        ("only_if", Scope.HISTORY),
    ],
)
def test_exits_and_goals_look_back_to_the_start_and_a_wait_for_to_the_arrival(name, scope):
    graph = a_graph(
        {**WAIT_FOR, "only_if": ORDER},
        exit=[ORDER, {"enters": "at_risk"}],
        goal={**ORDER, "within": "30 days"},
    )

    assert asked(graph)[name].scope is scope


def test_a_branch_looks_at_all_of_history():
    graph = a_graph({"branch": [{"when": ORDER, "steps": []}]})

    assert asked(graph)["when 1"].scope is Scope.HISTORY


def test_the_key_ties_every_question_but_those_about_a_segment():
    graph = a_graph(
        {**WAIT_FOR, "only_if": ORDER},
        {"branch": [{"when": ORDER, "steps": []}]},
        per="ticket_id",
        exit=[{"event": "ticket.reopened"}, {"leaves": "regulars"}, {"enters": "at_risk"}],
        goal={**ORDER, "within": "30 days"},
    )

    tied = {name: q.per for step in graph.nodes for name, q in asked(graph, step).items()}

    assert tied == {
        "exit 1": "ticket_id",
        "exit 2": None,
        "exit 3": None,
        "goal": "ticket_id",
        "only_if": "ticket_id",
        "came": "ticket_id",
        "when 1": "ticket_id",
    }


@pytest.mark.parametrize(
    ("rule", "event"),
    [({"leaves": "regulars"}, "segment.left"), ({"enters": "regulars"}, "segment.entered")],
)
def test_leaving_and_entering_a_segment_are_events_of_ours(rule, event):
    condition = asked(a_graph(exit=[rule]))["exit 1"].condition

    assert isinstance(condition, Event)
    assert condition.event == (event,)
    assert condition.where["segment"].is_ == "regulars"


def test_the_goals_window_runs_from_the_start_and_a_wait_fors_from_the_arrival():
    graph = a_graph(MAIL, WAIT_FOR, goal={**ORDER, "within": "3 days"})

    assert asked(graph, "wait_for")["goal"].window == Window("start", 3 * DAY)
    assert asked(graph, "wait_for")["came"].window == Window("arrival", 3 * DAY)


def test_exits_are_asked_about_now():
    assert asked(a_graph(exit=[ORDER]))["exit 1"].window is None


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (WAIT_FOR, "came"),
        ({"send": "nudge", "only_if": CLICKED}, "only_if"),
        ({"send": "nudge", "only_if": {"any": [ORDER, {"not": CLICKED}]}}, "only_if"),
    ],
)
def test_what_is_asked_of_the_arrival_or_of_a_step_looks_at_progress(step, name):
    graph = a_graph(step)

    assert asked(graph)[name].looks_at_progress


def test_what_is_asked_of_history_or_of_the_whole_journey_looks_at_no_progress():
    exits = [ORDER, {"leaves": "regulars"}]
    goal = {**ORDER, "within": "1 day"}
    graph = a_graph({"send": "nudge", "only_if": ORDER}, exit=exits, goal=goal)

    assert not any(question.looks_at_progress for question in asked(graph).values())
