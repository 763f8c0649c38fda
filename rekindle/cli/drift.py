"""`rekindle drift`: who drifts away by their own rhythm, here or in any event log."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.cli.tables import Row, flatten
from rekindle.cli.traits import find_traits
from rekindle.counting import counted
from rekindle.drifting import load_figures
from rekindle.errors import NotFound, WrongUse
from rekindle.private_files import write_result
from rekindle.services import Services
from segments.drift.figures import DriftFigures
from segments.drift.priors import HORIZON_DAYS
from segments.drift.scoring import LoggedEvent, Score, score_log
from segments.drift.sentence import describe
from store.customers import external_ids_of, find_customer
from store.drift import CLOCKS
from store.exports import with_traits
from workers.drift import StoredPriors, as_of_now, priors_at

STATES = ("active", "cooling", "drifting", "dormant", "lost")
WEEK = timedelta(days=7)
COLUMNS = ("customer_id", "ts", "channel")
EVERY_CHANNEL = "all"
NO_VERSION = 0


def drift(
    customer: Annotated[str | None, typer.Argument(show_default=False)] = None,
    events: Annotated[
        Path | None, typer.Option(help="score this log (CSV or CSV.GZ) instead of the workspace")
    ] = None,
    own: Annotated[
        str, typer.Option(help="channels that are the customers' own, comma-separated, or 'all'")
    ] = EVERY_CHANNEL,
    as_of: Annotated[str | None, typer.Option(help="only events before this day count")] = None,
    horizon: Annotated[int, typer.Option(help="days to look ahead", min=1)] = 90,
    out: Annotated[Path | None, typer.Option(help="where the scores go")] = None,
    with_: Annotated[
        str, typer.Option("--with", metavar="TRAIT,TRAIT", help="of all customers: their traits")
    ] = "",
) -> None:
    """States and risks of all customers or of one; or scores for an event log."""
    if events is not None:
        _score(events, own, as_of, horizon, out)
    elif as_of is not None or out is not None:
        raise WrongUse("--as-of and --out go with --events FILE.")
    elif customer is not None:
        _show_one(customer)
    else:
        _show_all(with_)


# --- the workspace -------------------------------------------------------------------------------


def _show_one(external_id: str) -> None:
    with open_here() as services:
        now, library = services.clock.now(), services.library()
        brand = library.settings.brand
        with services.store.read() as connection:
            customer_id = find_customer(connection, external_id)
        if customer_id is None:
            raise NotFound(f"no customer is called {external_id!r}.")
        kept = _kept_versions(services, now)
        with as_of_now(
            services.store, library.lexicon, now, customer_ids=[customer_id]
        ) as connection:
            found = [
                one
                for clock in CLOCKS
                for one in load_figures(connection, [customer_id], now, brand.tz, clock).values()
            ]
            learned = _in_force(connection, now, kept)
    told = [
        {
            "customer": external_id,
            **vars(one),
            "sentence": describe(one, brand.language, now, brand.tz),
            "learned": _learned(learned[one.clock], now),
        }
        for one in found
    ]
    lines = [f"{_line(one, now)}\n  {one['sentence']}" for one in told]
    lines += [_told_of(learned[one.clock], now) for one in found]
    say("\n".join(lines) if told else f"{external_id} has never been active.", told)


def _show_all(with_: str) -> None:
    with open_here() as services:
        now, library = services.clock.now(), services.library()
        kept = _kept_versions(services, now)
        with as_of_now(services.store, library.lexicon, now) as connection:
            found = load_figures(connection, None, now, library.settings.brand.tz)
            names = external_ids_of(connection, found)
            learned = _in_force(connection, now, kept)
            told = [{"customer": names.get(id_, ""), **vars(one)} for id_, one in found.items()]
            told.sort(key=lambda one: str(one["customer"]))
            rows: Sequence[Row] = told
            if traits := find_traits(connection, with_):
                told = list(with_traits(connection, told, traits, now))
                rows = list(flatten(told, traits, list(told[0]) if told else ()))
    by_state = Counter(one.state for one in found.values())
    states = {state: by_state[state] for state in STATES}
    document = {
        "states": states,
        "limit_days": learned["goal"].priors.lapse_days if found else None,
        "learned": {clock: _learned(one, now) for clock, one in learned.items()},
        "customers": told,
    }
    say("\n".join(_overview(states, list(found.values()), learned, now)), document, rows)


def _overview(
    states: Mapping[str, int],
    found: Sequence[DriftFigures],
    learned: Mapping[str, StoredPriors],
    now: datetime,
) -> Iterator[str]:
    soon = Counter(
        one.next_state for one in found if one.next_state_at and one.next_state_at <= now + WEEK
    )
    yield f"{'':>10} {'now':>9} {'within a week':>14}"
    for state, count in states.items():
        coming = f"+{soon[state]:,}" if soon[state] else ""
        yield f"{state:>10} {count:>9,} {coming:>14}".rstrip()
    if risks := [one.risk for one in found if one.risk is not None]:
        share = sum(risks) / len(risks)
        yield f"Of 100, {100 * share:.0f} will do nothing in the next {HORIZON_DAYS:.0f} days."
    if found:
        yield f"A silence of {learned['goal'].priors.lapse_days:.0f} days is a loss."
    yield from (_told_of(one, now) for one in learned.values())


def _kept_versions(services: Services, now: datetime) -> set[int]:
    """Of what was learned, the versions in force that are stored: a look may learn anew."""
    with services.store.read() as connection:
        return {one.id for one in priors_at(connection, now).values()}


def _in_force(
    connection: Connection, now: datetime, kept: Collection[int]
) -> dict[str, StoredPriors]:
    """What was learned of each clock; what only this look has learned is no version yet."""
    learned = priors_at(connection, now)
    return {
        clock: one if one.id in kept else replace(one, id=NO_VERSION)
        for clock, one in learned.items()
    }


def _learned(one: StoredPriors, now: datetime) -> dict[str, Any]:
    """What the figures of a clock rest on."""
    since = one.recalibrated_at
    return {
        "priors": {"version": one.id or None, "known_at": one.known_at, **vars(one.priors)},
        "recalibration": {
            **vars(one.recalibration),
            "known_at": since,
            "age_days": None if since is None else max((now - since) / timedelta(days=1), 0.0),
        },
    }


def _told_of(one: StoredPriors, now: datetime) -> str:
    priors, correction = one.priors, one.recalibration
    version = f"version {one.id}" if one.id else "learned for this look, as"
    source = "defaults: too few have returned"
    if priors.sample:
        source = counted(priors.sample, "customer")
    figures = ", ".join(
        f"{name} {getattr(priors, name):.3g}" for name in ("r", "alpha", "a", "b", "rho")
    )
    risk = "the model's own"
    if correction.sample:
        days = (now - (one.recalibrated_at or now)).days
        silences, ago = counted(correction.sample, "silence"), counted(max(days, 0), "day")
        risk = f"corrected by {silences}, {ago} ago"
    elif correction.off_by:
        risk += f", since a correction would be off by {correction.off_by:+.2f}"
    return (
        f"{priors.clock}: {priors.counted}; {version} of {one.known_at:%Y-%m-%d} "
        f"({source}: {figures}); risk {risk}"
    )


def _line(one: Mapping[str, Any], now: datetime) -> str:
    new = ", new" if one["is_new"] else ""
    risk = "" if one["risk"] is None else f", risk {one['risk']:.0%}"
    ahead = f", {one['next_state']} on {one['next_state_at']:%Y-%m-%d}" if one["next_state"] else ""
    return f"{one['clock']}: {one['state']}{new}{risk}{ahead}"


# --- any log -------------------------------------------------------------------------------------


def _score(events: Path, own: str, as_of: str | None, horizon: int, out: Path | None) -> None:
    if as_of is None or out is None:
        raise WrongUse("--events needs --as-of DAY and --out FILE.")
    channels = None if own in (EVERY_CHANNEL, "") else {name.strip() for name in own.split(",")}
    found = score_log(
        read_log(events), own=channels, as_of=_day(as_of), horizon_days=float(horizon)
    )
    _write(out, found.scores)
    document = {
        "customers": len(found.scores),
        "priors": vars(found.priors),
        "recalibration": vars(found.recalibration),
    }
    say(f"{counted(len(found.scores), 'customer')} scored into {out}", document)


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written[:10])
    except ValueError as error:
        raise WrongUse(f"{written!r} is not a day such as 2026-03-01.") from error


def read_log(path: Path) -> Iterator[LoggedEvent]:
    """The events of a CSV or CSV.GZ; raises WrongUse for one that cannot be read so."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", newline="", encoding="utf-8") as lines:
            rows = csv.DictReader(lines)
            if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
                raise WrongUse(f"{path} has no column {missing[0]!r}.")
            for row in rows:
                yield LoggedEvent(row["customer_id"], _day(row["ts"]), row["channel"])
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path} cannot be read: {error}") from error


def _write(path: Path, scores: Sequence[Score]) -> None:
    lines = io.StringIO()
    table = csv.writer(lines)
    table.writerow(("customer_id", "score", "p"))
    table.writerows((s.customer_id, f"{s.chance:.9f}", f"{s.chance:.6f}") for s in scores)
    write_result(path, lines.getvalue())
