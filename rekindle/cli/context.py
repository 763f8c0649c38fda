"""What every command shares: the global options, opened services, and one way to print."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import typer

from rekindle.clock import Clock, FixedClock, RunningClock, SystemClock
from rekindle.errors import WrongUse


@dataclass(frozen=True)
class Options:
    """The options that may stand before or after any command."""

    workspace: Path = Path(".")
    database: str | None = None
    now: datetime | None = None
    as_json: bool = False
    table: str = ""  # csv or parquet: what is told as a table instead

    def given_clock(self) -> Clock | None:
        """For commands: at `--now` time stands still while one runs; None: it stands at present."""
        return FixedClock(self.now) if self.now else None

    def instant(self) -> datetime:
        """`--now`, or what this machine takes for it."""
        return self.now or SystemClock().now()

    def running_clock(self) -> Clock:
        """For servers: starts at `--now` and runs on."""
        return RunningClock.started_at(self.now) if self.now else SystemClock()


_options: ContextVar[Options] = ContextVar("options")


def set_options(options: Options) -> None:
    _options.set(options)


def options() -> Options:
    return _options.get(Options())


def parse_instant(text: str, option: str = "--now") -> datetime:
    """An ISO 8601 instant; without offset it is UTC. Raises WrongUse."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongUse(
            f"{option} takes an ISO 8601 instant such as 2026-03-02T08:00:00Z, not {text!r}."
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def write_whatever_comes() -> None:
    """Have letters that a terminal cannot show written as escapes, rather than fail at them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _speaks_ascii_alone() -> bool:
    """Whether what is printed had better hold no other letters."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return not encoding.lower().startswith("utf")


def as_json(value: object) -> str:
    """One JSON document; instants as ISO 8601 in UTC."""
    return json.dumps(value, ensure_ascii=_speaks_ascii_alone(), indent=2, default=_plain)


def as_json_line(value: object) -> str:
    """The same on one line, for JSON Lines."""
    return json.dumps(value, ensure_ascii=_speaks_ascii_alone(), default=_plain)


def _plain(value: object) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | Path():
            return str(value)
        case Mapping():
            return dict(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")


def say(
    text: str, document: object = None, rows: Sequence[Mapping[str, Any]] | None = None
) -> None:
    """Print `text` for people; under `--json` `document` and nothing else; under `--csv` and
    `--parquet` `rows`, by default those of `document`.
    """
    if options().table:
        from rekindle.cli.tables import TableFormat, rows_of, write_table

        told = rows_of(document) if rows is None else rows
        write_table(lambda: told, TableFormat(options().table))
    elif not options().as_json:
        print(text)
    elif document is not None:
        print(as_json(document))


def leave(code: int) -> NoReturn:
    """End the command: 0 good, 1 a finding, 2 wrong use."""
    raise typer.Exit(code)
