"""Runs `rekindle` until it comes to a point for the so-manieth time, and dies there at once.

    python -m tests.deep.dying POINT TIMES COMMAND…

With `LEASE_SECONDS` claims are that short, so that a slow server outlasts them.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from itertools import count
from typing import Any

# where a process may die: what is about to be called, or has just returned
POINTS: Mapping[str, tuple[str, str, str]] = {
    "before the claim": ("before", "workers.deliver", "claim"),
    "after the claim": ("before", "workers.deliver", "load_drafts"),
    "rendering": ("before", "workers.composing", "Desk.write"),
    "connecting": ("before", "workers.sending", "Line._hand_over"),
    "before the mark": ("before", "workers.ledger", "Ledger.write"),
    "after the mark": ("after", "workers.ledger", "Ledger.write"),
    "answered": ("before", "workers.sending", "Batch.add"),
    "before settling": ("before", "workers.deliver", "settle"),
    "settled, not committed": ("after", "workers.deliver", "settle"),
    "after settling": ("before", "workers.deliver", "watch_writing"),
}


def trap(point: str, times: int) -> None:
    """Die at the point."""
    when, module, path = POINTS[point]
    owner: Any = import_module(module)
    *parts, name = path.split(".")
    for part in parts:
        owner = getattr(owner, part)
    real: Callable[..., Any] = getattr(owner, name)
    numbers, lock = count(1), threading.Lock()

    def count_off() -> None:
        with lock:
            if next(numbers) == times:
                os.kill(os.getpid(), signal.SIGKILL)

    def trapped(*arguments: Any, **named: Any) -> Any:
        if when == "before":
            count_off()
        result = real(*arguments, **named)
        if when == "after":
            count_off()
        return result

    setattr(owner, name, trapped)


def shorten(seconds: float) -> None:
    """Claims that last so long, and are renewed in time."""
    channels = import_module("workers.channels")
    real = channels.Timing
    lease = timedelta(seconds=seconds)

    class Timing(real):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__(
                lease=lease, renew_every=lease / 5, settle_every=lease / 10, patience=lease
            )

    _longer, *others = channels.ChannelPool.__init__.__defaults__
    channels.ChannelPool.__init__.__defaults__ = (Timing(), *others)


if __name__ == "__main__":
    point, times, *command = sys.argv[1:]
    if seconds := os.environ.get("LEASE_SECONDS"):
        shorten(float(seconds))
    if point != "nowhere":
        trap(point, int(times))
    sys.argv = ["rekindle", *command]
    sys.exit(import_module("rekindle.cli.app").main())
