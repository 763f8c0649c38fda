"""`rekindle report`: what journeys did and what surveys say, in figures."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from rekindle.cli import worth
from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.errors import NotFound, WrongUse
from rekindle.reports import journey_documents, survey_documents

LATER = ("churn", "support", "delivery")


def report(
    noun: Annotated[str, typer.Argument(metavar="journey | survey", help="what to report on")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="only this one")] = "",
) -> None:
    """The figures of every journey or survey, or of one."""
    if noun in LATER:
        raise WrongUse(f"'report {noun}' is not there yet in this version.")
    if noun not in ("journey", "survey"):
        raise WrongUse(f"there is no report on {noun!r}; say 'report journey' or 'report survey'.")
    with open_here() as services:
        documents = survey_documents(services) if noun == "survey" else journey_documents(services)
    write = _survey_text if noun == "survey" else _journey_text
    if not name:
        say("\n\n".join(map(write, documents)) or f"There are no {noun}s.", documents)
        return
    found = next((one for one in documents if one[noun] == name), None)
    if found is None:
        raise NotFound(f"no {noun} is called {name!r}.")
    say(write(found), found)


def _journey_text(one: dict[str, Any]) -> str:
    lines = [
        one["journey"],
        _pairs((word, one[word]) for word in ("started", "active", "held_out")),
        _pairs((word, one[word]) for word in ("goal", "finished", "exited", "merged", "failed")),
        f"  mails: {_pairs(one['mails'].items()).strip() or 'none'}",
        *(worth.as_lines(one["uplift"]) if one["uplift"] else ()),
    ]
    return "\n".join(lines)


def _survey_text(one: dict[str, Any]) -> str:
    machines = one["machine_answers"]
    lines = [
        f"{one['survey']} ({one['kind'].upper()})",
        f"  score: {_measure_text(one['score'])}",
        f"  response rate: {_measure_text(one['response_rate'])}",
        _pairs((word, one[word]) for word in ("invited", "delivered", "answered")),
        f"  machine answers, not counted: {machines}" if machines else "",
    ]
    return "\n".join(filter(None, lines))


def _measure_text(found: dict[str, Any] | None) -> str:
    if found is None:
        return "fewer than 5, not shown"
    few = ", too few to tell" if found["too_few"] else ""
    unit = "" if found["unit"] == "mean" else f" {found['unit']}"
    return (
        f"{found['value']:g}{unit} ({found['low']:g} to {found['high']:g}, n = {found['n']}{few})"
    )


def _pairs(items: Iterable[tuple[str, int]]) -> str:
    return "  " + ", ".join(f"{word.replace('_', ' ')} {count}" for word, count in items)
