import re
from datetime import timedelta

import pytest
from pydantic import ValidationError

from journeys.definition import (
    Branch,
    End,
    Goal,
    Notify,
    OnEnters,
    OnEvent,
    OnLeaves,
    Otherwise,
    Send,
    Split,
    Start,
    Survey,
    Wait,
    WaitFor,
    When,
)
from segments.conditions.event import Event
from tests.journeys.builders import DAY, HOUR, LAST_MAIL, MAIL, ORDER, a_journey


def the_journey(*steps, **keys):
    return a_journey(*steps, **keys)


def the_step(written):
    return the_journey(written).steps[0]


def what_is_wrong(*steps, **keys):
    """The texts of everything that is wrong with such a journey."""
    with pytest.raises(ValidationError) as raised:
        a_journey(*steps, **keys)
    return " ".join(detail["msg"] for detail in raised.value.errors())


# --- steps ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "kind", "target"),
    [
        ({"send": "win_back/hello"}, Send, "win_back/hello"),
        ({"survey": "csat", "template": "surveys/csat"}, Survey, "csat"),
        ({"wait": "3 days"}, Wait, ""),
        ({"wait_for": ORDER, "up_to": "3 days"}, WaitFor, ""),
        ({"branch": [{"when": ORDER, "steps": []}]}, Branch, ""),
        ({"split": [{"name": n, "share": "50%"} for n in ("gift", "story")]}, Split, ""),
        ({"start": "service_recovery"}, Start, "service_recovery"),
        ({"notify": "support_leads", "message": "Look!"}, Notify, "support_leads"),
        ({"end": "enough"}, End, ""),
        ({"end": None}, End, ""),
        ("end", End, ""),
    ],
)
def test_a_step_is_known_by_its_one_kind_key(written, kind, target):
    step = the_step(written)

    assert type(step) is kind
    assert step.target == target


@pytest.mark.parametrize(
    "written",
    [
        MAIL,
        {"survey": "csat", "template": "surveys/csat"},
        {"wait": "3 days"},
        {"wait_for": ORDER, "up_to": "3 days"},
        {"branch": [{"when": ORDER, "steps": []}]},
        {"start": "service_recovery"},
        {"end": "enough"},
    ],
)
def test_any_step_may_bear_an_id_a_note_and_only_if(written):
    step = the_step({**written, "id": "first", "note": "Ask Ann.", "only_if": ORDER})

    assert (step.id, step.note) == ("first", "Ask Ann.")
    assert isinstance(step.only_if, Event)


def test_a_wait_may_name_hours_and_weekdays():
    wait = the_step({"wait": "2h 30m", "between": "09:00-19:00", "on": ["mon", "fri"]})

    assert wait.wait == 2.5 * HOUR
    assert (wait.between.begins.hour, wait.between.ends.hour) == (9, 19)
    assert wait.on == ("mon", "fri")


def test_the_arms_of_a_branch_are_conditions_and_at_last_otherwise():
    branch = the_step(
        {"branch": [{"when": ORDER, "steps": [MAIL]}, {"otherwise": [LAST_MAIL, "end"]}]}
    )

    assert [type(arm) for arm in branch.branch] == [When, Otherwise]
    assert [step.kind for step in branch.branch[1].otherwise] == ["send", "end"]


def test_shares_may_be_rounded_as_people_round_them():
    shares = {"a": "33.3%", "b": "33.3%", "c": "33.4%"}

    split = the_step({"split": [{"name": n, "share": share} for n, share in shares.items()]})

    assert [round(arm.share, 3) for arm in split.split] == [0.333, 0.333, 0.334]


def arms(*names_and_shares):
    return {"split": [{"name": name, "share": share} for name, share in names_and_shares]}


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"sned": "win_back/hello"}, "this is no step: its kind is none of send, survey, wait"),
        ({"note": "Nothing else."}, "this is no step"),
        ({**MAIL, "wait": "3 days"}, "a step has one kind, not both 'send' and 'wait'"),
        ({"emit": "segment.entered"}, "is an event of the engine's own"),
        ("win_back/hello", "a step begins with its kind, as in 'send: win_back/hello'"),
        ({**MAIL, "template": "win_back/hello"}, "Extra inputs"),
        ({"wait": 3}, "a duration needs a unit, as in '3 days'"),
        ({"wait": "1 month"}, "'month' has no fixed length; write days, as in '30 days'"),
        ({"wait": "999999999999 days"}, "is longer than a thousand years"),
        ({"wait": "3 days", "between": "9-19"}, "hours read like '21:00-08:00'"),
        ({"wait": "3 days", "on": ["monday"]}, "should be 'mon', 'tue'"),
        ({"wait_for": ORDER}, "Field required"),
        ({"branch": []}, "at least 1 item"),
        ({"branch": [{"otherwise": []}, {"when": ORDER, "steps": []}]}, "the last arm of a branch"),
        (arms(("all", "100%")), "at least 2 items"),
        (arms(("a", "50%"), ("b", "40%")), "the shares of a split add up to 100%, not 90%"),
        (arms(("a", "50%"), ("b", "50.5%")), "add up to 100%, not 100.5%"),
        (arms(("a", "50%"), ("a", "50%")), "two arms of a split are called 'a'"),
        ({"survey": "csat"}, "Field required"),
        ({"notify": "leads", "message": ""}, "at least 1 character"),
        ({**MAIL, "id": "First Mail"}, "should match pattern"),
        ({**MAIL, "only_if": {"evnet": "order.completed"}}, "Did you mean 'event'?"),
    ],
)
def test_a_step_that_cannot_be_is_refused_with_the_reason(step, said):
    assert said in what_is_wrong(step)


def test_a_mistake_deep_inside_is_placed_where_it_stands():
    inner = {"branch": [{"when": ORDER, "steps": [{"wait": 3}]}]}

    with pytest.raises(ValidationError) as raised:
        a_journey(MAIL, inner)

    detail = raised.value.errors()[0]
    assert [part for part in detail["loc"] if isinstance(part, int)] == [1, 0, 0]
    assert detail["loc"][-1] == "wait"


# --- starts and exits ----------------------------------------------------------------


def test_a_journey_starts_with_events_or_with_a_segment():
    journey = the_journey(
        start=[
            {"event": "Ticket.Solved", "where": {"priority": "high", "score": {"at_most": 2}}},
            {"event": ["ticket.solved", "ticket.closed"]},
            {"enters": "drifting_regulars"},
            {"leaves": "regulars"},
        ]
    )

    assert [type(trigger) for trigger in journey.start] == [OnEvent, OnEvent, OnEnters, OnLeaves]
    assert journey.start[0].event == ("ticket.solved",)
    assert journey.start[1].event == ("ticket.solved", "ticket.closed")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ([], "at least 1 item"),
        ([{"evnet": "ticket.solved"}], "a start is one of: event, enters, leaves"),
        (["drifting_regulars"], "a start is one of: event, enters, leaves"),
        ([{"event": []}], "a name or a list of names is expected here"),
        ([{"event": "any"}], "a start names its events; 'any' would start at everything"),
        ([{"event": "a", "where": {"score": [1, 2]}}], "a list is not a value here"),
        ([{"event": "a", "where": {"score": {"atmost": 2}}}], "Extra inputs"),
        ([{"enters": "regulars", "where": {}}], "Extra inputs"),
    ],
)
def test_a_start_that_cannot_be_is_refused_with_the_reason(start, said):
    assert said in what_is_wrong(start=start)


def test_an_exit_is_a_segment_change_or_any_condition():
    journey = the_journey(exit=[{"enters": "at_risk"}, {"leaves": "drifting_regulars"}, ORDER])

    assert [type(rule) for rule in journey.exit] == [OnEnters, OnLeaves, Event]


# --- goals ----------------------------------------------------------------


def test_a_goal_is_a_condition_with_its_own_window_and_value():
    goal = the_journey(goal={**ORDER, "within": "30 days", "value": "total"}).goal

    assert (goal.within, goal.value) == (30 * DAY, "total")
    assert isinstance(goal.condition, Event)
    assert goal.condition.within is None


@pytest.mark.parametrize(
    ("condition", "is_absence"),
    [
        (ORDER, False),
        ({**ORDER, "at_least": 2}, False),
        ({"trait": "plan", "is": "gold"}, False),
        ({"answer": "nps"}, False),
        ({"not": {"event": "ticket.opened"}}, True),
        ({"event": "ticket.opened", "exactly": 0}, True),
        ({"event": "ticket.opened", "at_most": 2}, True),
        ({"all": [ORDER, {"not": {"event": "order.refunded"}}]}, False),
        ({"all": [{"not": ORDER}, {"not": {"event": "ticket.opened"}}]}, True),
        ({"any": [ORDER, {"not": {"event": "ticket.opened"}}]}, True),
        ({"not": {"not": ORDER}}, False),
        ({"not": {"event": "order.completed", "at_most": 0}}, False),
    ],
)
def test_a_goal_that_holds_for_one_who_does_nothing_is_a_goal_by_absence(condition, is_absence):
    goal = Goal.model_validate({**condition, "within": "7 days"})

    assert goal.is_absence is is_absence


def test_a_goal_without_a_window_is_refused():
    assert "Field required" in what_is_wrong(goal=ORDER)


# --- the rest ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "rule", "after"),
    [
        ("never", "never", None),
        ("always", "always", None),
        ("after exit", "after_exit", None),
        ("after 90 days", "after", 90 * DAY),
        ("after PT12H", "after", timedelta(hours=12)),
    ],
)
def test_again_says_when_a_customer_may_start_once_more(written, rule, after):
    again = the_journey(again=written).again

    assert (again.rule, again.after) == (rule, after)


def test_nobody_starts_twice_unless_the_file_says_so():
    assert a_journey().again.rule == "never"


@pytest.mark.parametrize("written", ["sometimes", "after", None, True, "90 days"])
def test_any_other_again_is_refused_with_the_forms_there_are(written):
    said = what_is_wrong(again=written)

    assert "'again' is never, always, 'after exit' or, say, 'after 30 days'" in said


def test_after_a_month_is_refused_like_every_month():
    assert "'month' has no fixed length" in what_is_wrong(again="after 1 month")


@pytest.mark.parametrize(
    ("topic", "keys", "share"),
    [
        ("offers", {}, 0.1),
        ("service", {}, 0.0),
        ("offers", {"holdout": "25%"}, 0.25),
        ("service", {"holdout": "25%"}, 0.25),
        ("offers", {"holdout": "none", "because": "The law asks for it."}, 0.0),
        ("service", {"holdout": "none"}, 0.0),
    ],
)
def test_a_tenth_is_held_out_of_all_but_service_unless_the_file_says_otherwise(topic, keys, share):
    assert a_journey(topic=topic, **keys).holdout_share == share


@pytest.mark.parametrize("holdout", ["none", "0%"])
def test_no_holdout_needs_a_reason(holdout):
    assert "'holdout: none' needs 'because:' with the reason" in what_is_wrong(holdout=holdout)


@pytest.mark.parametrize("holdout", [10, "ten", "101%", 0.1])
def test_a_holdout_is_written_as_a_share(holdout):
    assert "a share is a percentage" in what_is_wrong(holdout=holdout)


@pytest.mark.parametrize(
    "keys",
    [{"journey": "Win Back"}, {"steps": []}, {"priority": 101}, {"colour": "red"}, {"per": 3}],
)
def test_a_journey_that_cannot_be_is_refused(keys):
    assert what_is_wrong(**keys)


OUR_TYPES = ("value_error", "unknown_step", "unknown_start")
JARGON = re.compile(r"None\b|\bTrue\b|dict|tuple|\bstr\b|[Pp]ydantic|\bint\b|\{|<|\btype\b")


@pytest.mark.parametrize(
    "keys",
    [
        {"again": None},
        {"again": True},
        {"holdout": 3},
        {"steps": [None]},
        {"steps": [{"send": "a", "wait": 3}]},
        {"steps": [{"wait": 3}]},
        {"steps": [{"wait": True}]},
        {"steps": [{"wait": "3 days", "between": 9}]},
        {"steps": [{"emit": "A B"}]},
        {"steps": [{"branch": [{"otherwise": []}, {"otherwise": []}]}]},
        {"steps": [arms(("a", "50%"), ("b", "40%"))]},
        {"start": [{"event": "any"}]},
        {"start": [{"event": None}]},
        {"start": [3]},
    ],
)
def test_our_own_words_for_a_mistake_are_free_of_programmers_words(keys):
    with pytest.raises(ValidationError) as raised:
        a_journey(**keys)

    ours = [d["msg"] for d in raised.value.errors() if d["type"] in OUR_TYPES]
    assert ours
    assert [said for said in ours if JARGON.search(said)] == []
