"""Turns: one holder at a time, and none that is gone."""

from datetime import timedelta

from rekindle.clock import wall_now
from store.leases import find_lease, hold_lease
from store.session import Store
from workers.lease import take_turn, worker_name

MINUTE = timedelta(minutes=1)


def test_a_turn_is_taken_over_from_a_process_that_died(store: Store) -> None:
    wall = wall_now()
    host = worker_name().split("/")[0]
    with store.begin() as tx:
        hold_lease(tx, "passes", f"{host}/1/another life", wall, wall + MINUTE)

        assert take_turn(tx, "passes", wall, MINUTE)
        assert find_lease(tx, "passes") == (worker_name(), wall + MINUTE)


def test_a_turn_is_not_taken_from_another_machine_before_its_end(store: Store) -> None:
    wall = wall_now()
    with store.begin() as tx:
        hold_lease(tx, "passes", "elsewhere/1/1", wall, wall + MINUTE)

        assert not take_turn(tx, "passes", wall, MINUTE)
        assert take_turn(tx, "passes", wall + MINUTE, MINUTE)
