"""Receivers and a mail server that drip, hang and answer after fourteen minutes, however the engine
is deployed: everything else moves within its usual seconds, and `doctor` names who does not.
"""

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rekindle.clock import SystemClock
from tests.deployments import DEPLOYMENTS, command_in, deployed, environment_of, post
from tests.hooks import OK, Hook, drip_slowly, hang, say
from tests.mail_sink import MailSink
from tests.raw_server import RawServer, drip
from tests.shop import LAYOUT, SETTINGS, Shop, with_webhook

pytestmark = pytest.mark.deep

USUAL_SECONDS = 10.0
FOURTEEN_MINUTES = 14 * 60.0
FOUR = 4
HOOKED = """
journey: {name}
topic: service
start: [{{event: "{name}.wanted"}}]
holdout: none
because: a test
steps: [{{webhook: "{url}"}}]
"""
WELCOME = """
journey: welcome
topic: service
start: [{event: account.created}]
holdout: none
because: a test
steps: [{send: welcome}]
"""


@pytest.fixture(params=DEPLOYMENTS)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    return environment_of(request, request.param, tmp_path)


def workspace(folder: Path, environment: dict[str, str], mail_port: int, **hooks: Hook) -> Path:
    folder.mkdir()
    smtp = f"provider: smtp\nsmtp: {{host: 127.0.0.1, port: {mail_port}}}\n"
    (folder / "rekindle.yaml").write_text(with_webhook(SETTINGS, "secret: a secret") + smtp)
    shop = Shop(folder, environment["REKINDLE_DATABASE_URL"], SystemClock().now(), environment)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.write("journeys/welcome.yaml", WELCOME)
    shop.mail("welcome")
    for name, hook in hooks.items():
        shop.write(f"journeys/{name}.yaml", HOOKED.format(name=name, url=hook.url))
    shop.apply()
    shop.close()
    subprocess.run(
        command_in("keys", "add", "--write-key", "wk", folder=folder), env=environment, check=True
    )
    return folder


def happens(port: int, event: str, customer: str) -> None:
    traits = {"email": f"{customer}@example.com"}
    post(port, {"userId": customer, "type": "identify", "traits": traits})
    post(port, {"userId": customer, "type": "track", "event": event})


def within(seconds: float, is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.1)
    return is_so()


def reaches(wanted: int, *counts: Callable[[], int]) -> bool:
    """Whether all of them come to so many within the usual seconds."""
    return within(USUAL_SECONDS, lambda: all(count() == wanted for count in counts))


def doctor(folder: Path, environment: dict[str, str]) -> list[dict[str, Any]]:
    command = command_in("doctor", "--json", folder=folder)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return findings


def test_receivers_hold_up_nobody_else(environment: dict[str, str], tmp_path: Path) -> None:
    answers = {"drips": drip_slowly, "hangs": hang, "late": say(OK, FOURTEEN_MINUTES)}
    with ExitStack() as stack:
        slow = {name: stack.enter_context(Hook(answer)) for name, answer in answers.items()}
        quick, sink = stack.enter_context(Hook(say(OK))), stack.enter_context(MailSink())
        folder = workspace(tmp_path / "shop", environment, sink.port, quick=quick, **slow)
        port = stack.enter_context(deployed(folder, environment))
        for name in slow:
            for number in range(2 * FOUR):
                happens(port, f"{name}.wanted", f"{name}{number}")
        assert within(USUAL_SECONDS, lambda: all(hook.calls == FOUR for hook in slow.values()))

        for round_ in range(6):
            begun = time.monotonic()
            for number in range(5):
                happens(port, "quick.wanted", f"q{round_}-{number}")
                happens(port, "account.created", f"n{round_}-{number}")
            wanted = 5 * (round_ + 1)
            assert reaches(wanted, lambda: quick.calls, lambda: len(sink.mails))
            time.sleep(max(0.0, 5 - (time.monotonic() - begun)))

        said = " ".join(one["message"] for one in doctor(folder, environment))
        assert all(hook.name in said for hook in slow.values()), said
        assert quick.name not in said
        assert sorted(quick.ids.values()) == [1] * 30


def greet_slowly(connection: Any, ended: Any) -> None:
    drip(connection, b"220 " + b"a" * 1_000_000, ended, 5)


def never_greet(_connection: Any, ended: Any) -> None:
    ended.wait()


def greet_late(connection: Any, ended: Any) -> None:
    if not ended.wait(FOURTEEN_MINUTES):
        connection.sendall(b"220 late\r\n")


@pytest.mark.parametrize("talk", [greet_slowly, never_greet, greet_late])
def test_a_mail_server_holds_up_nobody_else(
    environment: dict[str, str], tmp_path: Path, talk: Callable[..., None]
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(RawServer(talk))
        quick = stack.enter_context(Hook(say(OK)))
        folder = workspace(tmp_path / "shop", environment, server.port, quick=quick)
        port = stack.enter_context(deployed(folder, environment))
        for number in range(80):
            happens(port, "account.created", f"n{number}")
        assert within(USUAL_SECONDS, lambda: server.connections > 0)

        found: list[dict[str, Any]] = []
        for round_ in range(36):
            happens(port, "quick.wanted", f"q{round_}")
            assert reaches(round_ + 1, lambda: quick.calls)
            found = doctor(folder, environment)
            if any("email" in one["message"] or "mail" in one["message"] for one in found):
                break
            time.sleep(5)

        assert any("smtp" in one["message"] or "email" in one["message"] for one in found), found
        assert sorted(quick.ids.values()) == [1] * quick.calls


def test_forty_five_calls_to_one_that_answers_after_ten_seconds(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        slow, sink = stack.enter_context(Hook(say(OK, 10.0))), stack.enter_context(MailSink())
        folder = workspace(tmp_path / "shop", environment, sink.port, slow=slow)
        port = stack.enter_context(deployed(folder, environment))
        for number in range(45):
            happens(port, "slow.wanted", f"c{number}")

        assert within(240, lambda: slow.calls == 45 and slow.at_once == 0)
        time.sleep(20)
        assert sorted(slow.ids.values()) == [1] * 45
