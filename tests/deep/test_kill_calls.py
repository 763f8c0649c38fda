"""`kill -9` at every point of a webhook loses no call; one whose answer was not written down is
made again under its own id, and no other is.
"""

import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import func, select

from rekindle.clock import SystemClock
from store.session import Store
from store.tables import effects
from tests.deep.dying_calls import POINTS
from tests.deployments import command_in, environment_of, started
from tests.hooks import OK, Hook, say
from tests.shop import SETTINGS, Shop, with_webhook

ROOT = Path(__file__).parents[2]
CALLS = 20
A_RECEIVER = 4  # so many may be under way at once
PATIENCE_SECONDS = 90
JOURNEY = """
journey: care
topic: service
start: [{{event: order.completed}}]
holdout: none
because: a test
steps: [{{webhook: "{url}"}}]
"""
# Nothing has left then as the first call comes there. Later, others are under way: their answers
# may not be written down yet.
BEFORE_ANY = ("before the claim", "after the claim", "after preparing", "after the claim's commit")
CASES = [*((point, 1) for point in BEFORE_ANY), *((point, 3) for point in POINTS)]


def workspace(folder: Path, environment: dict[str, str], hook: Hook) -> Path:
    """A shop with so many calls to make, of which none was decided yet."""
    folder.mkdir()
    (folder / "rekindle.yaml").write_text(with_webhook(SETTINGS, "secret: a secret"))
    shop = Shop(folder, environment["REKINDLE_DATABASE_URL"], SystemClock().now(), environment)
    shop.write("journeys/care.yaml", JOURNEY.format(url=hook.url))
    shop.apply()
    for number in range(CALLS):
        shop.customer(f"c{number}")
        shop.happens("order.completed", f"c{number}")
    shop.close()
    return folder


def dying(folder: Path, environment: dict[str, str], point: str, number: int, *words: str) -> int:
    """What a command ended with that is killed there."""
    command = [sys.executable, "-m", "tests.deep.dying_calls", point, str(number), *words]
    done = subprocess.run(
        [*command, "--workspace", str(folder)],
        env=environment, cwd=ROOT, capture_output=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    return done.returncode


def assert_all_called(hook: Hook, environment: dict[str, str], most_repeated: int) -> None:
    repeated = [id_ for id_, times in hook.ids.items() if times > 1]
    store = Store(environment["REKINDLE_DATABASE_URL"])
    with store.read() as connection:
        query = select(effects.c.status, func.count()).group_by(effects.c.status)
        statuses = {row[0]: row[1] for row in connection.execute(query)}
    store.close()
    assert len(hook.ids) == len(hook.customers) == CALLS
    assert statuses == {"done": CALLS}
    assert len(repeated) <= most_repeated, hook.ids
    assert max(hook.ids.values()) <= 2


@pytest.mark.parametrize(
    ("point", "number"),
    [pytest.param(*case, marks=pytest.mark.deep) for case in CASES],
)
def test_a_killed_process_loses_no_call(
    request: pytest.FixtureRequest, tmp_path: Path, point: str, number: int
) -> None:
    environment = environment_of(request, "embedded", tmp_path)
    with Hook(say(OK)) as hook:
        folder = workspace(tmp_path / "shop", environment, hook)
        killed = dying(folder, environment, point, number, "run", "--until-idle")
        assert killed == -signal.SIGKILL
        again = command_in("run", "--until-idle", folder=folder)
        subprocess.run(again, env=environment, check=True, capture_output=True)

        assert_all_called(hook, environment, 0 if number == 1 else A_RECEIVER)


@pytest.mark.deep
@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["quick", "slow"])
@pytest.mark.parametrize("deployment", ["rabbitmq", "redis"])
@pytest.mark.parametrize("point", list(POINTS))
def test_another_worker_goes_on_where_one_was_killed(
    request: pytest.FixtureRequest, tmp_path: Path, point: str, deployment: str, seconds: float
) -> None:
    environment = environment_of(request, deployment, tmp_path)
    with ExitStack() as stack:
        hook = stack.enter_context(Hook(say(OK, seconds)))
        folder = workspace(tmp_path / "shop", environment, hook)
        stack.enter_context(started(["scheduler"], folder, environment))
        assert dying(folder, environment, point, 3, "worker") == -signal.SIGKILL
        stack.enter_context(started(["worker"], folder, environment))
        for _ in range(PATIENCE_SECONDS * 10):
            if len(hook.ids) == CALLS and not hook.at_once:
                break
            time.sleep(0.1)
        time.sleep(2)

        assert_all_called(hook, environment, A_RECEIVER)
