"""Random journeys, events, edits, crashes and leaps of the clock: the engine always agrees with a
small model of its own.
"""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.workers.machine import Machine, machine_on
from tests.workers.plans import ACTS, PARTS, Plan

NOW = timedelta(0)
SLICE = settings(
    max_examples=5,
    stateful_step_count=10,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_whatever_happens_the_engine_agrees_with_the_model(fresh_url: Callable[[], str]) -> None:
    run_state_machine_as_test(machine_on(fresh_url), settings=SLICE)


def test_a_life_through_every_kind_of_step_agrees_too(fresh_url: Callable[[], str]) -> None:
    """However random lives are chosen, each kind is met, with a crash at each of its writes."""
    machine = machine_on(fresh_url)()
    steps = tuple((kind, 30 if kind == "approve" else 1) for kind in sorted(PARTS))
    machine.open(plan=Plan(steps, again="always"))
    for number in range(1, 25):
        machine.life_goes_on([("order.completed", "bo", "1", NOW)], 5, (number % 12 + 1, False))
        machine.our_people_answer(is_granted=True, hours=2)
        check(machine)
    said = {decision for trip in machine.model.trips for _, decision, _ in trip.said}
    assert said >= {decision for _, decision in ACTS.values()} | {"waited", "approved", "sent"}
    machine.teardown()


def check(machine: Machine) -> None:
    machine.the_engine_agrees_with_the_model()
    machine.nobody_is_stuck()
    machine.what_was_decided_was_done_once()
    machine.permission_is_kept()
