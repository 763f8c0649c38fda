"""`python -m tests.deep.dying_calls POINT NUMBER …`: a command of ours that is killed without
warning as it comes to a point of a call out for the so many-th time.
"""

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import adapters.http
from workers import call_results, calls

POINTS: dict[str, tuple[Any, str, str]] = {
    "before the claim": (calls, "claim_effects", "before"),
    "after the claim": (calls, "claim_effects", "after"),
    "after preparing": (calls, "_prepare", "after"),
    "after the claim's commit": (calls.CallLane, "_begin", "before"),
    "before connecting": (adapters.http, "connect", "before"),
    "after connecting": (adapters.http, "connect", "after"),
    "before the answer": (adapters.http._Connection, "getresponse", "before"),
    "after the answer": (calls, "call_webhook", "after"),
    "before the result": (call_results, "finish_effect", "before"),
    "before the result's commit": (call_results, "finish_effect", "after"),
}


def die_at(point: str, number: int) -> None:
    """Have this process killed as it comes to `point` for the `number`-th time."""
    owner, name, when = POINTS[point]
    original, times = getattr(owner, name), count(1)
    setattr(owner, name, _dying(original, when, times, number))


def _dying(
    original: Callable[..., Any], when: str, times: "count[int]", number: int
) -> Callable[..., Any]:
    def act(*arguments: Any, **named: Any) -> Any:
        is_last = next(times) == number
        if is_last and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **named)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return act


if __name__ == "__main__":
    from rekindle.__main__ import main

    die_at(sys.argv[1], int(sys.argv[2]))
    sys.argv = ["rekindle", *sys.argv[3:]]
    main()
