"""Random journeys, events, edits, crashes and leaps of the clock: the engine always agrees with a
small model of its own.
"""

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.workers.machine import machine_on

SLICE = settings(
    max_examples=8,
    stateful_step_count=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_whatever_happens_the_engine_agrees_with_the_model(fresh_url: Callable[[], str]) -> None:
    run_state_machine_as_test(machine_on(fresh_url), settings=SLICE)
