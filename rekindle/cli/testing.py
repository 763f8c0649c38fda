"""`rekindle test`: the workspace's own tests, played on a clock of their own."""

import os
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Annotated, Any

import typer

from rekindle.cli.context import leave, options, say
from rekindle.counting import counted
from rekindle.testkit.playing import Played, play_all
from rekindle.workspace.applying import NotApplied


def test(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="only these files of tests/")
    ] = None,  # noqa: PT028  # a command, not one of pytest's tests
) -> None:
    """Play the tests of the workspace: no services, no network, no waiting."""
    begun = time.perf_counter()
    try:
        played = list(_watched(play_all(options().workspace, os.environ, names or ())))
    except NotApplied as refused:
        problems = [problem.as_document() for problem in refused.problems]
        shown = "\n\n".join(map(str, refused.problems))
        say(f"{shown}\n\nNothing was tested: put this in order first.", {"problems": problems})
        leave(1)
    failed = [one for one in played if one.problem]
    took = timedelta(seconds=time.perf_counter() - begun)
    say(_report(played, failed, took), _document(played, failed, took))
    leave(1 if failed else 0)


def _watched(played: Iterable[Played]) -> Iterator[Played]:
    """Each case as it is done, with a line for people."""
    for one in played:
        if not options().as_json:
            print(_line(one), flush=True)
        yield one


def _report(played: list[Played], failed: list[Played], took: timedelta) -> str:
    if not played:
        return "There are no tests here: write them in tests/NAME.yaml."
    count = counted(len(played), "test")
    summary = f"{len(failed)} of {count} failed" if failed else f"{count} passed"
    ready = _ready_after(played, took)
    spent = f"{_seconds(took)}, of which {_seconds(ready)} to get ready"
    return "\n".join((*map(_explain, failed), "", f"{summary} in {spent}."))


def _ready_after(played: list[Played], took: timedelta) -> timedelta:
    """What reading the workspace and making statements took, once for all cases."""
    return took - sum((one.took for one in played), timedelta())


def _seconds(took: timedelta) -> str:
    return f"{took.total_seconds():.1f} s"


def _milliseconds(took: timedelta) -> int:
    return round(took.total_seconds() * 1000)


def _line(one: Played) -> str:
    word = "FAILED" if one.problem else "ok"
    return f"{word:<6} {one.test}: {one.case} ({_milliseconds(one.took)} ms)"


def _explain(one: Played) -> str:
    """The place, what was expected and what came instead, and the story so far."""
    lines = ["", f"{one.test}: {one.case}", str(one.problem)]
    for customer, timeline in (one.timelines or {}).items():
        lines += ["", f"  What happened to {customer}:", *(f"    {line}" for line in timeline)]
    return "\n".join(lines)


def _document(played: list[Played], failed: list[Played], took: timedelta) -> dict[str, Any]:
    return {
        "passed": len(played) - len(failed),
        "failed": len(failed),
        "ms": _milliseconds(took),
        "ready_ms": _milliseconds(_ready_after(played, took)),
        "tests": [
            {
                "test": one.test,
                "case": one.case,
                "passed": one.problem is None,
                "ms": _milliseconds(one.took),
                "problem": one.problem.as_document() if one.problem else None,
                "timelines": one.timelines or {},
            }
            for one in played
        ],
    }
