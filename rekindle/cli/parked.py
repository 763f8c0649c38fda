"""`rekindle parked`: events that wait for an owner, and what to do about them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from rekindle.addresses import canonical
from rekindle.cli.context import parse_instant, say
from rekindle.cli.opening import open_here
from rekindle.counting import counted
from rekindle.errors import WrongUse
from rekindle.parked import LATELY, attach, drop, make
from rekindle.services import Services
from store.parked import Group, Waiting, Which, count_parked, list_groups, summarize_parked
from store.waits import Waits

ACTS = "attach CUSTOMER | make | drop"
MOST_SHOWN = 1_000


def parked(
    words: Annotated[
        list[str] | None, typer.Argument(metavar=f"[{ACTS}]", show_default=False)
    ] = None,
    reason: Annotated[
        list[Waits] | None, typer.Option(help="only those that wait for this; repeatable")
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="only of this name; repeatable")
    ] = None,
    source: Annotated[str, typer.Option(metavar="NAME", help="only those from there")] = "",
    identity: Annotated[
        str, typer.Option("--of", metavar="ADDRESS|ID", help="only those that wait for it")
    ] = "",
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="only what occurred then or later")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="only what occurred before")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="for make and drop without any of the others")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_SHOWN, help="how many addresses and ids are shown")
    ] = 20,
) -> None:
    """Show events without a customer and why; attach them to one, make customers, or drop them."""
    which = Which(
        reasons=tuple(reason or ()),
        names=tuple(event or ()),
        source=source,
        identity=_canonical(identity),
        since=parse_instant(since, "--since") if since else None,
        until=parse_instant(until, "--until") if until else None,
    )
    match words or []:
        case []:
            _show(which, limit)
        case ["attach", customer]:
            _require_choice(which, everything, "attach")
            _attach(which, customer)
        case ["make"]:
            _require_choice(which, everything, "make")
            _make(which)
        case ["drop"]:
            _require_choice(which, everything, "drop")
            _drop(which)
        case _:
            raise WrongUse(f"say 'parked' alone, or 'parked' with {ACTS}.")


def _canonical(written: str) -> str:
    return canonical(written) or written


def _require_choice(which: Which, everything: bool, act: str) -> None:
    if which.is_all and not everything:
        raise WrongUse(
            f"'parked {act}' needs to know which: --reason, --event, --source, --of, --since, "
            "--until, or --all."
        )


def _show(which: Which, limit: int) -> None:
    with open_here() as services, services.store.read() as connection:
        now = services.clock.now()
        found = summarize_parked(connection, now - LATELY, which)
        groups = list_groups(connection, which, limit)
        kept = services.settings.keep_parked
    say("\n".join(_lines(found, groups, kept, limit)), _document(found, groups), _rows(groups))


def _lines(
    found: Sequence[Waiting], groups: Sequence[Group], kept: timedelta, limit: int
) -> list[str]:
    if not found:
        return ["Every event has its customer."]
    lines = [one.in_words(LATELY.days) for one in found]
    if groups:
        wide = min(max(len(group.identity.value) for group in groups), 40)
        lines += ["", *(_line(group, wide) for group in groups)]
    if len(groups) == limit:
        lines.append("  … those with the most events; --limit shows more")
    lines.append("")
    lines.append(f"They are kept for {kept.days} days (keep_parked in rekindle.yaml).")
    return lines


def _line(group: Group, wide: int) -> str:
    more = f" and {counted(group.names - 1, 'other kind')}" if group.names > 1 else ""
    days = sorted({f"{at:%Y-%m-%d}" for at in (group.first_at, group.last_at)})
    shown = group.identity.value or "(nothing)"
    return (
        f"  {shown:<{wide}}  {group.reason.value:<16}  {group.events:>7,}  "
        f"{group.name}{more}, {' to '.join(days)}"
    )


def _document(found: Sequence[Waiting], groups: Sequence[Group]) -> dict[str, object]:
    return {
        "events": sum(one.events for one in found),
        "reasons": [
            {"reason": one.reason.value, "events": one.events, "people": one.people,
             "lately": one.lately, "oldest_at": one.oldest_at}
            for one in found
        ],
        "waiting_for": _rows(groups),
    }  # fmt: skip


def _rows(groups: Sequence[Group]) -> list[dict[str, object]]:
    return [
        {"kind": group.identity.kind, "value": group.identity.value,
         "reason": group.reason.value, "events": group.events, "event": group.name,
         "first_at": group.first_at, "last_at": group.last_at}
        for group in groups
    ]  # fmt: skip


def _attach(which: Which, customer: str) -> None:
    with open_here() as services:
        done = attach(services, which, customer)
    say(
        f"{counted(done, 'event')} {'is' if done == 1 else 'are'} {customer}'s now.",
        {"attached": done, "customer": customer},
    )


def _make(which: Which) -> None:
    with open_here() as services:
        before = _count(services)
        made, left = make(services, which)
        joined = before - _count(services)
    rest = f" {counted(left, 'event')} of those named nobody who could be made." if left else ""
    say(
        f"{counted(made, 'customer')} made; {counted(joined, 'event')} found their owner.{rest}",
        {"made": made, "attached": joined, "left": left},
    )


def _drop(which: Which) -> None:
    with open_here() as services:
        done = drop(services, which)
    say(f"{counted(done, 'event')} dropped.", {"dropped": done})


def _count(services: Services) -> int:
    with services.store.read() as connection:
        return count_parked(connection)
