from collections import Counter

import pytest

from journeys.chance import is_held_out, stable_share
from store.records import CustomerId
from tests.journeys.builders import a_graph, arm_at, held_out_share

CUSTOMERS = range(10_000)


def a_split(**shares):
    return {"split": [{"name": name, "share": share} for name, share in shares.items()]}


def test_a_customers_luck_is_the_same_for_ever():
    luck = [round(stable_share(CustomerId(id_), "win_back", "split"), 4) for id_ in (1, 2, 3)]

    assert luck == [0.9362, 0.154, 0.483]


def test_luck_is_spread_evenly():
    tenths = Counter(int(10 * stable_share(CustomerId(id_), "win_back")) for id_ in CUSTOMERS)

    assert set(tenths) == set(range(10))
    assert all(900 < count < 1_100 for count in tenths.values())


@pytest.mark.parametrize(
    "shares",
    [
        {"gift": "50%", "story": "50%"},
        {"a": "10%", "b": "20%", "c": "70%"},
        {"a": "0%", "b": "100%"},
    ],
)
def test_a_split_keeps_its_shares(shares):
    graph = a_graph(a_split(**shares))

    taken = Counter(arm_at(graph, "split", id_) for id_ in CUSTOMERS)

    for name, share in shares.items():
        assert taken[name] / len(CUSTOMERS) == pytest.approx(float(share[:-1]) / 100, abs=0.015)


def test_shares_that_were_rounded_leave_nobody_without_an_arm():
    graph = a_graph(a_split(a="33.3333333333%", b="33.3333333333%", c="33.3333333333%"))

    assert {arm_at(graph, "split", id_) for id_ in CUSTOMERS} == {"a", "b", "c"}


def test_two_splits_of_a_journey_divide_independently():
    graph = a_graph(a_split(a="50%", b="50%"), a_split(a="50%", b="50%"))

    pairs = ((arm_at(graph, "split", id_), arm_at(graph, "split#2", id_)) for id_ in CUSTOMERS)
    both = Counter(pairs)

    assert all(2_300 < count < 2_700 for count in both.values())


@pytest.mark.parametrize(
    ("keys", "share"),
    [
        ({}, 0.1),
        ({"holdout": "25%"}, 0.25),
        ({"topic": "service"}, 0.0),
        ({"topic": "service", "holdout": "5%"}, 0.05),
        ({"holdout": "none", "because": "The law asks for it."}, 0.0),
        ({"holdout": "100%"}, 1.0),
    ],
)
def test_the_holdout_keeps_its_share(keys, share):
    found = held_out_share(a_graph(**keys))

    assert found == pytest.approx(share, abs=0.01)
    assert (found in (0, 1)) == (share in (0, 1))


def test_a_larger_holdout_keeps_everybody_of_the_smaller_one():
    small, large = a_graph(holdout="5%"), a_graph(holdout="20%")

    for id_ in map(CustomerId, CUSTOMERS):
        assert is_held_out(large, id_) or not is_held_out(small, id_)


def test_who_is_held_out_of_one_journey_may_be_in_another():
    one, other = a_graph(holdout="50%"), a_graph(journey="nps", holdout="50%")

    ids = [CustomerId(id_) for id_ in CUSTOMERS]
    same = sum(is_held_out(one, id_) == is_held_out(other, id_) for id_ in ids)

    assert 4_800 < same < 5_200


def test_no_split_follows_the_holdout_whatever_it_is_called():
    split = {**a_split(a="50%", b="50%"), "id": "holdout"}
    graph = a_graph(split, holdout="50%")

    followed = sum(
        is_held_out(graph, CustomerId(id_)) == (arm_at(graph, "holdout", id_) == "a")
        for id_ in CUSTOMERS
    )

    assert 4_800 < followed < 5_200


def test_an_arm_depends_on_the_step_and_not_on_what_stands_around_it():
    before = a_graph(a_split(a="50%", b="50%"))
    after = a_graph({"wait": "1 day"}, a_split(a="50%", b="50%"), "end")

    for id_ in range(100):
        assert arm_at(before, "split", id_) == arm_at(after, "split", id_)
