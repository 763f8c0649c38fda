"""Random small journeys as they would stand in a file, and random facts about one customer."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from journeys.advance import Facts, Outcome, Reply, questions
from journeys.graph import Graph
from tests.journeys.builders import MONDAY

Written = dict[str, Any]

# how fast examples are made says more about the machine than about the code
unhurried = settings(suppress_health_check=[HealthCheck.too_slow])

ZONES = (
    "UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo",
    "Asia/Tehran", "America/St_Johns", "Africa/Casablanca", "Asia/Kathmandu", "Africa/Cairo",
)  # fmt: skip
STATUSES = (
    "queued", "held", "sending", "sent", "delivered", "bounced", "complained", "refused",
    "uncertain", "cancelled",
)  # fmt: skip
CONDITIONS: tuple[Written, ...] = (
    {"event": "order.completed"},
    {"not": {"event": "ticket.opened"}},
    {"event": "ticket.opened", "exactly": 0},
    {"trait": "lifetime_value", "at_least": 500},
    {"answer": "csat", "at_most": 2},
    {"segment": "regulars"},
)
AT_ONCE: tuple[Written, ...] = (
    {"send": "win_back/hello"},
    {"send": "win_back/last"},
    {"survey": "csat", "template": "surveys/csat"},
    {"notify": "support_leads", "message": "Look!"},
    {"start": "service_recovery"},
    {"end": "enough"},
)

zones = st.sampled_from(ZONES).map(ZoneInfo)
lengths = st.sampled_from(["0 days", "90 minutes", "2 days", "30 days"])
conditions = st.sampled_from(CONDITIONS)
times_of_day = st.times().map(lambda at: at.strftime("%H:%M"))
hours = st.builds("{}-{}".format, times_of_day, times_of_day)
weekdays = st.lists(st.sampled_from(["mon", "wed", "sat", "sun"]), min_size=1, unique=True)
later = st.timedeltas(timedelta(0), timedelta(days=60))
instants = later.map(lambda passed: MONDAY + passed)

waits = st.fixed_dictionaries({"wait": lengths}, optional={"between": hours, "on": weekdays})


def with_steps_inside(inner: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    several = st.lists(inner, max_size=2)
    when = st.fixed_dictionaries({"when": conditions, "steps": several})
    otherwise = st.fixed_dictionaries({"otherwise": several})
    arms = st.tuples(st.lists(when, min_size=1, max_size=2), st.lists(otherwise, max_size=1))
    wait_for = {"wait_for": conditions, "up_to": lengths}
    return st.one_of(
        arms.map(lambda parts: {"branch": [*parts[0], *parts[1]]}),
        st.builds(a_split, several, several),
        st.fixed_dictionaries(wait_for, optional={"came": several, "otherwise": several}),
    )


def a_split(gift: list[Written], story: list[Written]) -> Written:
    return {
        "split": [
            {"name": "gift", "share": "40%", "steps": gift},
            {"name": "story", "share": "60%", "steps": story},
        ]
    }


def bearing(step: Written, only_if: Written | None) -> Written:
    return {**step, "only_if": only_if} if only_if else step


steps = st.builds(
    bearing,
    st.recursive(waits | st.sampled_from(AT_ONCE), with_steps_inside, max_leaves=4),
    st.none() | conditions,
)
exits = st.sampled_from([{"leaves": "drifting_regulars"}, {"enters": "at_risk"}, *CONDITIONS])
goals = st.builds(lambda condition, within: {**condition, "within": within}, conditions, lengths)
journeys = st.fixed_dictionaries(
    {
        "journey": st.just("win_back"),
        "topic": st.sampled_from(["offers", "service"]),
        "start": st.just([{"enters": "drifting_regulars"}]),
        "steps": st.lists(steps, min_size=1, max_size=3),
    },
    optional={
        "goal": goals,
        "exit": st.lists(exits, max_size=2),
        "holdout": st.sampled_from(["10%", "100%"]),
        "per": st.just("ticket_id"),
    },
)


@st.composite
def facts_at(draw: st.DrawFn, graph: Graph, step: str) -> Facts:
    """Any answers to what the step asks, any fate of its mail."""
    asked = [question.name for question in questions(graph, step)]
    replies = {name: Reply(draw(st.booleans()), draw(st.none() | instants)) for name in asked}
    mails = st.builds(Outcome, st.sampled_from(STATUSES), at=st.none() | instants)
    refused = draw(st.sampled_from([{}, {"csat": "no usable address"}]))
    return Facts(draw(zones), replies, draw(st.none() | mails), refused)
