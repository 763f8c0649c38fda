"""What holds for every journey and everything that can be true of a customer."""

from hypothesis import given
from hypothesis import strategies as st

from journeys.advance import Facts, Outcome, Reply, advance, questions
from journeys.graph import build_graph
from tests.journeys import strategies
from tests.journeys.builders import DAY, MONDAY, a_journey, enrolled

ENDS = {"finished", "goal", "exited"}


@st.composite
def looks(draw):
    """One look at somebody anywhere in any journey: the arguments of `advance`."""
    graph = build_graph(a_journey(**draw(strategies.journeys)))
    step = draw(st.sampled_from(list(graph.nodes)))
    arrived_at = draw(strategies.instants)
    enrollment = enrolled(
        graph,
        step,
        customer_id=draw(st.integers(1, 10**9)),
        is_held_out=draw(st.booleans()),
        started_at=draw(strategies.instants.filter(lambda instant: instant <= arrived_at)),
        arrived_at=arrived_at,
    )
    now = arrived_at + draw(strategies.later)
    return graph, enrollment, draw(strategies.facts_at(graph, step)), now


@given(looks())
@strategies.unhurried
def test_a_decision_waits_or_moves_to_a_step_or_ends(look):
    graph, enrollment, _, _ = look

    decision = advance(*look)

    after = decision.enrollment
    if decision.waits:
        assert after == enrollment
        assert decision.said is None
    else:
        assert (after.ended in ENDS) != (after.ended is None and after.step in graph.nodes)
        assert decision.said is not None
        assert decision.said.step == enrollment.step


@given(looks())
@strategies.unhurried
def test_the_same_arguments_always_give_the_same_decision(look):
    assert advance(*look) == advance(*look)


@given(looks())
@strategies.unhurried
def test_who_waits_is_looked_at_in_the_future_or_when_something_happens(look):
    _, _, facts, now = look

    decision = advance(*look)

    if decision.look_again_at is not None:
        assert decision.waits
        assert decision.look_again_at > now
    checks = [reply.next_check_at for reply in facts.replies.values()]
    ahead = [at for at in checks if at is not None and at > now]
    if decision.waits and ahead:
        assert decision.look_again_at is not None
        assert decision.look_again_at <= min(ahead)


@given(looks())
@strategies.unhurried
def test_the_held_out_cause_nothing_but_surveys(look):
    _, enrollment, _, _ = look

    effects = advance(*look).effects

    if enrollment.is_held_out:
        assert all(getattr(effect, "survey", None) for effect in effects)


@given(looks())
@strategies.unhurried
def test_time_never_runs_back_for_anybody(look):
    _, enrollment, facts, _ = look
    sent_at = facts.outcome.at if facts.outcome else None

    after = advance(*look).enrollment

    assert after.arrived_at >= min(enrollment.arrived_at, sent_at or enrollment.arrived_at)


@given(strategies.journeys, st.booleans(), strategies.zones)
@strategies.unhurried
def test_every_customer_comes_to_the_end_of_every_journey(written, holds, zone):
    graph = build_graph(a_journey(**written))
    enrollment = enrolled(graph)

    for looks_so_far in range(len(graph.nodes)):
        now = MONDAY + looks_so_far * 100 * DAY
        replies = {one.name: Reply(holds) for one in questions(graph, enrollment.step)}
        facts = Facts(zone, replies, Outcome("sent", at=now))
        enrollment = advance(graph, enrollment, facts, now + 100 * DAY).enrollment
        if enrollment.ended:
            break

    assert enrollment.ended in ENDS
