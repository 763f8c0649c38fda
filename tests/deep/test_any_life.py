"""Many random lives of a shop: the engine always agrees with a small model of its own."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.workers.machine import machine_on

MANY = settings(
    max_examples=150,
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.deep
def test_whatever_happens_the_engine_agrees_with_the_model(fresh_url: Callable[[], str]) -> None:
    run_state_machine_as_test(machine_on(fresh_url), settings=MANY)
