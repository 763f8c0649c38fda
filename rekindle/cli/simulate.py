"""`simulate`: a journey played over history by the engine, alone or beside another version."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from rekindle.cli.context import parse_instant, say
from rekindle.cli.opening import open_here
from rekindle.cli.stamps import IN_UTC, stamp
from rekindle.counting import counted
from rekindle.errors import NotFound, WrongUse
from rekindle.rehearsal.assumed import Rates
from rekindle.rehearsal.backtest import SimulatedTrip, Simulation, Step, compare, play_record
from rekindle.rehearsal.backtest import simulate as play
from rekindle.services import Services
from rekindle.settings import parse_share
from rekindle.workspace.files import File
from rekindle.workspace.folder import check_version

SHOWN = 20  # enrollments in the text
NEVER_PAUSED = "Both as if the engine had never paused."
ALL_ALONG = "As if these files had been there all along and the engine had never paused."
WHAT_IT_DID = "What it did while they were others: --recorded."


def simulate(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", show_default=False)],
    begins: Annotated[str, typer.Option("--from", metavar="INSTANT", show_default=False)],
    ends: Annotated[str, typer.Option("--to", metavar="INSTANT", show_default=False)],
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Another version of it.")
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="What the engine did: versions and pauses of then.")
    ] = False,
    opens: Annotated[
        str, typer.Option("--assume-opens", metavar="SHARE", help="Of mails that were never real.")
    ] = "0%",
    clicks: Annotated[
        str, typer.Option("--assume-clicks", metavar="SHARE", help="Of mails that were never real.")
    ] = "0%",
) -> None:
    """Play a journey over a stretch of history and show what it would have decided."""
    rates = Rates(_share(opens, "--assume-opens"), _share(clicks, "--assume-clicks"))
    first, last = parse_instant(begins, "--from"), parse_instant(ends, "--to")
    if last < first:
        raise WrongUse("--to lies before --from.")
    if recorded and (against is not None or any(rates.shares.values())):
        raise WrongUse("--recorded shows what the engine did: nothing else goes with it.")
    with open_here() as services:
        if recorded:
            record = play_record(services, journey, first, last)
            say(_text(record), _document(record))
        elif against is None:
            base = play(services, journey, first, last, rates=rates)
            say(_text(base), _document(base))
        else:
            version = _read_version(services, journey, against)
            both = compare(services, journey, first, last, against=version, rates=rates)
            say(_compared_text(*both), _compared(*both))


def _share(written: str, option: str) -> float:
    try:
        return parse_share(written)
    except ValueError as error:
        raise WrongUse(f"{option}: {error}.") from error


def _read_version(services: Services, journey: str, file: Path) -> tuple[str, str]:
    """The file's name and text. Raises NotFound if it is not there or is no version of this."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise NotFound(f"{file} cannot be read: it is no UTF-8 text.") from error
    version = File("journey", journey, str(file), text)
    if problems := check_version(services.workspace, services.environment, version):
        raise NotFound("\n".join(map(str, problems)))
    return str(file), text


def _document(simulation: Simulation) -> dict[str, Any]:
    return {
        "enrollments": [_trip(one) for one in simulation.trips],
        "version": simulation.version,
        "with_pauses": simulation.has_pauses,
        "assumed": simulation.rates.shares,
        "looked_every": str(simulation.grain) if simulation.grain else None,
        "mails_a_day": {str(day): count for day, count in _days(simulation).items()},
    }


def _trip(trip: SimulatedTrip) -> dict[str, Any]:
    return {
        "journey": trip.journey,
        "customer": trip.customer,
        "key": trip.key,
        "entered_at": trip.entered_at,
        "ended_at": trip.ended_at,
        "ended": trip.ended,
        "held_out": trip.held_out,
        "steps": [
            {
                "step": one.step,
                "visit": one.visit,
                "due_at": one.due_at,
                "decision": one.decision,
                "reason": one.reason,
            }
            for one in trip.steps
        ],
    }


def _days(simulation: Simulation) -> Mapping[date, int]:
    """Mails a day, in UTC."""
    days = Counter(one.due_at.date() for _, one in _mails(simulation))
    return dict(sorted(days.items()))


def _mails(simulation: Simulation) -> Iterator[tuple[SimulatedTrip, Step]]:
    for trip in simulation.trips:
        yield from ((trip, one) for one in trip.steps if one.decision == "sent")


def _text(simulation: Simulation) -> str:
    """How many, how they ended, how many mails a day, and the first of them."""
    ended = Counter(one.ended or "under way" for one in simulation.trips)
    enrollments = counted(len(simulation.trips), "enrollment")
    lines = [
        f"{simulation.journey}, {simulation.version}: {enrollments}"
        + (f" ({_listed(ended)})." if ended else "."),
        *_notes(simulation),
        *_of_now(simulation),
        *(f"  {day}  {counted(count, 'email')}" for day, count in _days(simulation).items()),
    ]
    for trip in simulation.trips[:SHOWN]:
        key = f" ({trip.key})" if trip.key else ""
        lines.append(f"{trip.customer}{key} from {stamp(trip.entered_at)}")
        lines += [f"  {_step(one)}" for one in trip.steps]
    if len(simulation.trips) > SHOWN:
        lines.append(f"and {len(simulation.trips) - SHOWN:,} more; --json has all of them.")
    return "\n".join(lines)


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{count:,} {word}" for word, count in counted.most_common())


def _notes(simulation: Simulation) -> list[str]:
    """What a reader has to know of how it was done."""
    notes = [f"Days and {IN_UTC}."]
    if simulation.grain:
        notes.append(f"So much happened that the engine looked once in {simulation.grain} only.")
    for kind, share in simulation.rates.shares.items():
        if share:
            notes.append(f"Assumed, not recorded: {share:.0%} of the other emails are {kind}.")
    return notes


def _of_now(simulation: Simulation) -> list[str]:
    """What a reader has to know where it is not what the engine did."""
    if simulation.has_pauses:
        return []
    return [f"{ALL_ALONG} {WHAT_IT_DID}" if simulation.is_changed else ALL_ALONG]


def _step(one: Step) -> str:
    reason = f" ({one.reason})" if one.reason else ""
    return f"{stamp(one.due_at)}  {one.step}: {one.decision}{reason}"


Got = Mapping[tuple[str, str, str], tuple[datetime, ...]]  # customer, key, step -> mails


def _got(simulation: Simulation) -> Got:
    found: dict[tuple[str, str, str], tuple[datetime, ...]] = {}
    for trip, one in _mails(simulation):
        mail = (trip.customer, trip.key, one.step)
        found[mail] = (*found.get(mail, ()), one.due_at)
    return found


def _compared(base: Simulation, other: Simulation) -> dict[str, Any]:
    ours, theirs = _got(base), _got(other)
    return {
        **_document(base),
        "against": _document(other),
        "difference": [
            {
                "customer": mail[0],
                "key": mail[1],
                "step": mail[2],
                "mails": list(ours.get(mail, ())),
                "against": list(theirs.get(mail, ())),
            }
            for mail in sorted({*ours, *theirs})
            if ours.get(mail) != theirs.get(mail)
        ],
    }


def _compared_text(base: Simulation, other: Simulation) -> str:
    """The two side by side: enrollments, people, mails, then each day."""
    days = sorted({*_days(base), *_days(other)})
    people = [len({trip.customer for trip, _ in _mails(one)}) for one in (base, other)]
    rows = [
        ("", base.version, other.version),
        ("enrollments", f"{len(base.trips):,}", f"{len(other.trips):,}"),
        ("people emailed", f"{people[0]:,}", f"{people[1]:,}"),
        ("emails", *(f"{sum(_days(one).values()):,}" for one in (base, other))),
        *((str(day), *(f"{_days(one).get(day, 0):,}" for one in (base, other))) for day in days),
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    table = [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}" for row in rows]
    return "\n".join([*table, *_notes(base), NEVER_PAUSED, "", *_differences(base, other)])


def _differences(base: Simulation, other: Simulation) -> list[str]:
    """Who would get what, and when, in one version and not in the other."""
    differing = _compared(base, other)["difference"]
    lines = [
        f"{one['customer']}{' (' + one['key'] + ')' if one['key'] else ''}  {one['step']}: "
        f"{_instants(one['mails'])} -> {_instants(one['against'])}"
        for one in differing[:SHOWN]
    ]
    if len(differing) > SHOWN:
        lines.append(f"and {len(differing) - SHOWN:,} more; --json has all of them.")
    return lines or ["Everybody would get the same, at the same time."]


def _instants(instants: list[datetime]) -> str:
    return ", ".join(map(stamp, instants)) or "nothing"
