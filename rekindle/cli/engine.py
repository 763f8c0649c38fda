"""`run --until-idle`: work off everything due at `--now`, then stop."""

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import Connection

from rekindle.cli.context import options, say
from rekindle.cli.opening import open_here
from rekindle.cli.progress import shown
from rekindle.counting import counted
from rekindle.errors import WrongUse
from store.backlog import load_backlogs
from store.holds import find_hold
from store.providers import find_provider_state
from workers.counts import Counts
from workers.providers import say_next_try, say_outage

if TYPE_CHECKING:
    from rekindle.process import Process

TOLD_TO_STOP = 128 + signal.SIGTERM  # the exit code that shells know


def run(
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Stop once nothing is due at this instant.")
    ] = False,
) -> None:
    """Work off everything due at --now, then stop."""
    from rekindle.cli.first_apply import apply_once
    from rekindle.process import Process

    if not until_idle:
        raise WrongUse(
            "'run' works off what is due and stops: say 'run --until-idle'; for a server use 'up'."
        )
    # in good order, like Ctrl-C: what is in hand is finished, the rest is free at once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TOLD_TO_STOP))
    with Process(open_here(options().given_clock())) as process:
        process.services.announce("rekindle run")
        process.services.makes_up = True
        apply_once(process.services)
        with shown("Looking at everybody") as report:
            counts = process.run_until_idle(report)
        with process.services.store.read() as connection:
            hold = find_hold(connection)
            waiting = _say_waiting(connection, process)
    held = f" Held: {hold.in_words()}." if hold else ""
    did = _sentence(counts) or ("" if waiting else "Nothing was due.")
    say(" ".join(part for part in (did, waiting) if part) + held, counts.as_document())


def _sentence(counts: Counts) -> str:
    did = counts.as_document()
    events = did.pop("events")
    words = [counted(events, "event")] if events else []
    words += [f"{number:,} {name}" for name, number in did.items() if number]
    return ", ".join(words) + "." if words else ""


def _say_waiting(connection: Connection, process: "Process") -> str:
    """How many emails wait for a provider that takes none."""
    now, provider = process.services.clock.now(), process.pool.adapter.name
    state = find_provider_state(connection, provider)
    count = load_backlogs(connection, now)["message"].count if state else 0
    if state is None or not count:
        return ""
    return f"Waiting: {counted(count, 'email')}. {say_outage(state)} {say_next_try(state)}"
