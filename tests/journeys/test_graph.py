import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.definition import Send
from journeys.graph import FINISHED, SKIPPED, DuplicateStep, build_graph
from tests.journeys import strategies
from tests.journeys.builders import LAST_MAIL, MAIL, ORDER, a_graph, a_journey

HELLO, LAST = "send:win_back/hello", "send:win_back/last"
WAIT = {"wait": "3 days"}


def ways(graph, step):
    """Where the ways out of a step lead, by their labels."""
    return {edge.label: edge.to for edge in graph.nodes[step].edges}


def a_branch(*arms, otherwise=None, **keys):
    rest = [] if otherwise is None else [{"otherwise": otherwise}]
    return {"branch": [*({"when": ORDER, "steps": steps} for steps in arms), *rest], **keys}


def a_split(gift, story):
    return strategies.a_split(gift, story)


def a_wait_for(came, otherwise):
    return {"wait_for": ORDER, "up_to": "3 days", "came": came, "otherwise": otherwise}


# --- ways ----------------------------------------------------------------


def test_steps_follow_each_other_and_the_last_one_leaves_the_journey():
    graph = a_graph(MAIL, WAIT, LAST_MAIL)

    assert graph.first == HELLO
    assert list(graph.nodes) == [HELLO, "wait", LAST]
    assert [ways(graph, id_) for id_ in graph.nodes] == [{"": "wait"}, {"": LAST}, {"": FINISHED}]


def test_the_arms_of_a_branch_meet_again_behind_it():
    graph = a_graph(a_branch([MAIL], [], otherwise=[WAIT]), LAST_MAIL)

    assert ways(graph, "branch") == {
        "when 1": f"branch.1.{HELLO}",
        "when 2": LAST,
        "otherwise": "branch.otherwise.wait",
    }
    assert ways(graph, f"branch.1.{HELLO}") == ways(graph, "branch.otherwise.wait") == {"": LAST}


def test_whom_no_arm_of_a_branch_takes_goes_on_behind_it():
    graph = a_graph(a_branch([MAIL]), LAST_MAIL)

    assert ways(graph, "branch") == {"when 1": f"branch.1.{HELLO}", "otherwise": LAST}


def test_the_arms_of_a_branch_at_the_end_leave_the_journey():
    graph = a_graph(a_branch([MAIL]))

    assert ways(graph, "branch")["otherwise"] == FINISHED
    assert ways(graph, f"branch.1.{HELLO}") == {"": FINISHED}


def test_a_split_has_a_way_for_each_arm():
    graph = a_graph(a_split([MAIL], []), LAST_MAIL)

    assert ways(graph, "split") == {"gift": f"split.gift.{HELLO}", "story": LAST}


def test_a_wait_for_has_a_way_for_what_came_and_one_for_what_did_not():
    graph = a_graph(a_wait_for(came=[MAIL], otherwise=[]), LAST_MAIL)

    assert ways(graph, "wait_for") == {"came": f"wait_for.came.{HELLO}", "otherwise": LAST}


def test_an_end_leaves_the_journey_wherever_it_stands():
    graph = a_graph(a_branch([MAIL, "end"]), LAST_MAIL)

    assert ways(graph, "branch.1.end") == {"": FINISHED}


def test_a_step_with_only_if_has_a_way_past_it():
    graph = a_graph({**MAIL, "only_if": ORDER}, {"end": "enough", "only_if": ORDER}, LAST_MAIL)

    assert ways(graph, HELLO) == {"": "end", SKIPPED: "end"}
    assert ways(graph, "end") == {"": FINISHED, SKIPPED: LAST}


def test_a_branch_that_is_skipped_goes_on_behind_it():
    graph = a_graph({**a_branch([MAIL], otherwise=[WAIT]), "only_if": ORDER}, LAST_MAIL)

    assert ways(graph, "branch")[SKIPPED] == LAST


def test_a_way_that_is_not_there_is_a_programmers_mistake():
    node = a_graph(MAIL).nodes[HELLO]

    with pytest.raises(KeyError, match="has no way called 'came'"):
        node.edge("came")


# --- ids ----------------------------------------------------------------


def test_a_derived_id_is_kind_and_target_and_among_equals_a_number():
    graph = a_graph(MAIL, WAIT, MAIL, WAIT, LAST_MAIL, {"start": "service_recovery"}, "end")

    assert list(graph.nodes) == [
        HELLO, "wait", f"{HELLO}#2", "wait#2", LAST, "start:service_recovery", "end",
    ]  # fmt: skip


def test_equals_are_counted_anew_on_every_path():
    graph = a_graph(WAIT, a_branch([WAIT, WAIT], otherwise=[WAIT]))

    assert list(graph.nodes) == [
        "wait", "branch", "branch.1.wait", "branch.1.wait#2", "branch.otherwise.wait",
    ]  # fmt: skip


def test_steps_inside_a_step_with_an_id_bear_that_id():
    graph = a_graph(a_branch([a_split([MAIL], [])], id="who"))

    assert list(graph.nodes) == ["who", "who.1.split", f"who.1.split.gift.{HELLO}"]


def test_an_id_of_ones_own_changes_no_other_id():
    before = a_graph(WAIT, WAIT, MAIL)
    after = a_graph({**WAIT, "id": "cool_off"}, WAIT, MAIL)

    assert list(before.nodes) == ["wait", "wait#2", HELLO]
    assert list(after.nodes) == ["cool_off", "wait#2", HELLO]


@pytest.mark.parametrize(
    ("steps", "twice"),
    [
        ([{**WAIT, "id": "calm"}, {**MAIL, "id": "calm"}], "calm"),
        ([WAIT, {**WAIT, "id": "wait"}], "wait"),
        ([{**MAIL, "id": "hello"}, a_branch([{**WAIT, "id": "hello"}])], "hello"),
        ([a_split([{**MAIL, "id": "same"}], [{**MAIL, "id": "same"}])], "same"),
    ],
)
def test_two_steps_with_one_id_are_refused_by_name(steps, twice):
    with pytest.raises(DuplicateStep, match=f"two steps are called '{twice}'"):
        a_graph(*steps)


# --- any journey ----------------------------------------------------------------


@given(strategies.journeys)
@strategies.unhurried
def test_every_way_of_any_journey_leads_to_a_step_or_out_and_every_way_ends(written):
    graph = build_graph(a_journey(**written))

    order = {id_: place for place, id_ in enumerate(graph.nodes)}
    for id_, node in graph.nodes.items():
        assert node.edges
        assert all(edge.to == FINISHED or order[edge.to] > order[id_] for edge in node.edges)


@given(strategies.journeys, st.data())
@strategies.unhurried
def test_inserting_a_new_step_anywhere_leaves_every_other_id_as_it_was(written, data):
    steps = list(written["steps"])
    place = data.draw(st.integers(0, len(steps)))
    grown = [*steps[:place], {"send": "win_back/brand_new"}, *steps[place:]]

    before = build_graph(a_journey(**written))
    after = build_graph(a_journey(**{**written, "steps": grown}))

    assert set(after.nodes) - set(before.nodes) == {"send:win_back/brand_new"}
    assert set(before.nodes) <= set(after.nodes)


@given(strategies.journeys)
@strategies.unhurried
def test_every_mail_of_the_file_is_a_node(written):
    graph = build_graph(a_journey(**written))

    sends = [node for node in graph.nodes.values() if isinstance(node.step, Send)]
    assert len(sends) == str(written["steps"]).count("'send'")
