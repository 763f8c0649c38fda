"""`rekindle drift`: who drifts away by their own rhythm, here or in any event log."""

import csv
import gzip
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.errors import NotFound, WrongUse
from rekindle.services import Services
from segments.drift.figures import DriftFigures
from segments.drift.scoring import LoggedEvent, Score, score_log
from segments.drift.sentence import describe
from segments.drift.states import figures
from segments.lexicon import Lexicon
from store.customers import external_ids_of, find_customer
from store.records import CustomerId
from workers.drift import CLOCKS, learn_priors, priors_at, rhythms

STATES = ("active", "cooling", "drifting", "dormant", "lost")
COLUMNS = ("customer_id", "ts", "channel")
EVERY_CHANNEL = "all"


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
) -> None:
    """States and risks of all customers or of one; or scores for an event log."""
    if events is not None:
        _score(events, own, as_of, horizon, out)
    elif as_of is not None or out is not None:
        raise WrongUse("--as-of and --out go with --events FILE.")
    elif customer is not None:
        _show_one(customer)
    else:
        _show_all()


# --- the workspace -------------------------------------------------------------------------------


def _show_one(external_id: str) -> None:
    services = open_here()
    try:
        with services.store.read() as connection:
            customer_id = find_customer(connection, external_id)
            if customer_id is None:
                raise NotFound(f"no customer is called {external_id!r}.")
            found = [
                one
                for clock in CLOCKS
                for one in _figures(connection, services, clock, [customer_id]).values()
            ]
        told = [
            {"customer": external_id, **vars(one), "sentence": _sentence(one, services)}
            for one in found
        ]
    finally:
        services.close()
    lines = [f"{one['clock']}: {_line(one)}\n  {one['sentence']}" for one in told]
    say("\n".join(lines) or f"{external_id} has never been active.", told)


def _show_all() -> None:
    services = open_here()
    try:
        with services.store.read() as connection:
            found = _figures(connection, services, CLOCKS[0])
            names = external_ids_of(connection, found)
        told = [{"customer": names.get(id_, ""), **vars(one)} for id_, one in found.items()]
    finally:
        services.close()
    told.sort(key=lambda one: str(one["customer"]))
    counted = Counter(one.state for one in found.values())
    limit = next((one.limit_days for one in found.values()), None)
    states = {state: counted[state] for state in STATES}
    text = "\n".join(f"{state:>10} {count:>9,}" for state, count in states.items())
    if limit is not None:
        text += f"\nA silence of {limit:.0f} days is a loss."
    say(text, {"states": states, "limit_days": limit, "customers": told})


def _figures(
    connection: Connection,
    services: Services,
    clock: str,
    customer_ids: Sequence[CustomerId] | None = None,
) -> dict[CustomerId, DriftFigures]:
    """Straight from the log as known at `--now`, whatever the workers have kept so far."""
    now, library = services.clock.now(), services.library()
    lexicon = Lexicon.of(library.settings, library.segments)
    stored = priors_at(connection, now).get(clock)
    priors = stored.priors if stored else learn_priors(connection, lexicon, clock, now)
    return {
        customer_id: figures(statistics, priors, now, lexicon.zone)
        for customer_id, statistics in rhythms(connection, lexicon, priors, now, customer_ids)
    }


def _sentence(found: DriftFigures, services: Services) -> str:
    brand = services.library().settings.brand
    return describe(found, brand.language, services.clock.now(), brand.tz)


def _line(one: dict[str, Any]) -> str:
    new = ", new" if one["is_new"] else ""
    return f"{one['state']}{new}, risk {one['risk']:.0%}"


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
    say(f"{len(found.scores):,} customers scored into {out}", document)


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
    try:
        with path.open("w", newline="", encoding="utf-8") as lines:
            table = csv.writer(lines)
            table.writerow(("customer_id", "score", "p"))
            table.writerows((s.customer_id, f"{s.chance:.9f}", f"{s.chance:.6f}") for s in scores)
    except OSError as error:
        raise WrongUse(f"{path} cannot be written: {error}") from error
