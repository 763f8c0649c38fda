"""`rekindle import` and `rekindle export`: data in and out."""

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from sqlalchemy import Connection

from adapters.files.layout import ColumnsDoNotFit
from adapters.files.names import EXAMPLES, KINDS
from adapters.files.packing import STANDARD_INPUT, Source, sources_in, standard_input
from rekindle.cli.context import as_json_line, leave, options, say
from rekindle.cli.import_look import find_mapping, look_at, print_look
from rekindle.cli.importing import (
    Outcome,
    Prepared,
    Wishes,
    import_file,
    prepare_file,
)
from rekindle.cli.mappings import load_mapping, load_mappings
from rekindle.cli.opening import open_here
from rekindle.cli.tables import Row, TableFormat, flatten, place_of, write_table
from rekindle.cli.traits import find_traits
from rekindle.counting import counted
from rekindle.errors import WrongUse
from rekindle.garbage import spare_what_stays
from rekindle.services import Services
from rekindle.settings import Settings
from rekindle.workspace.library import read_settings
from store.definitions import newest_definition
from store.exports import TRAITS_OF, choose_traits, export_columns, export_rows, with_traits
from store.knowledge import load_trait_names
from store.nouns import NOUNS
from store.parked import Waiting, Which, newest_event, summarize_parked
from store.parking import SAID
from store.records import EventId

MOST_REASONS = 8
LONGEST_REASON = 120
NEXT_STEPS = (
    "What next: 'rekindle drift' shows who drifts away, 'rekindle plan' what applying would do."
)


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="CSV, JSON, Excel, Parquet; packed too; - for stdin"),
    ],
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="or FIELD=const:VALUE; repeatable"),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help=" or ".join(KINDS))
    ] = None,
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="where the events say they are from")
    ] = "",
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="NAME=TYPE", help=f"{EXAMPLES}; repeatable"),
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", help="of texts, such as windows-1252")
    ] = "",
    mapping: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="a mapping of imports/NAME.yaml")
    ] = None,
    look: Annotated[
        bool, typer.Option("--look", help="show what is in the files and import nothing")
    ] = False,
) -> None:
    """Bring in events, customers or suppressions; the same file again changes nothing."""
    if kind is not None and kind not in KINDS:
        raise WrongUse(f"--kind is one of {', '.join(KINDS)}, not {kind!r}.")
    named = load_mapping(options().workspace, mapping) if mapping else None
    wishes = Wishes(maps or (), kind, source, types or (), encoding, named)
    with ExitStack() as stack:
        sources = _sources(files, stack)
        if look:
            _show_looks(sources, wishes)
            return
        services = stack.enter_context(open_here())
        prepared = [_prepare(found, wishes, services.settings) for found in sources]
        for file in prepared:
            _tell_how(file)
        with services.store.read() as connection:
            newest = newest_event(connection)
        outcomes = _import_all(services, prepared)
        _report(services, outcomes, prepared, newest)
    if any(outcome.progress.rejected for outcome in outcomes):
        leave(1)


def _sources(files: list[Path], stack: ExitStack) -> list[Source]:
    found: list[Source] = []
    for file in files:
        if file == STANDARD_INPUT:
            found.append(stack.enter_context(standard_input()))
        else:
            found += sources_in(file)
    return found


def _prepare(source: Source, wishes: Wishes, settings: Settings) -> Prepared:
    """Prepare a file; where its columns do not fit, say which command would read it."""
    try:
        return prepare_file(source, wishes, settings)
    except ColumnsDoNotFit as error:
        name = find_mapping(error.columns, load_mappings(options().workspace))
        shown = "-" if source.name else shlex.quote(str(source.path))
        if name and wishes.mapping is None:
            said = f"{source.shown} looks like a file of imports/{name}.yaml. To import it so:"
            raise WrongUse(f"{said}\n  rekindle import --as {name} {shown}") from error
        hint = f"'rekindle import --look {shown}' shows what is in it."
        raise WrongUse(f"{error}\n{hint}") from error


def _show_looks(sources: list[Source], wishes: Wishes) -> None:
    workspace = options().workspace
    settings = read_settings(workspace, os.environ) or Settings()
    mappings = load_mappings(workspace)
    looks = [look_at(source, wishes, mappings, settings) for source in sources]
    width = Console().width
    lines = [line for look in looks for line in print_look(look, width)]
    say("\n".join(lines), [look.as_json() for look in looks])


def _tell_how(file: Prepared) -> None:
    """What people would not expect goes to standard error: it is no part of the answer."""
    notes = list(file.notes)
    if kinds := file.types.mixed:
        notes.append(f"{file.layout.column_of('occurred_at')} mixes {', '.join(kinds)}")
    if notes:
        print(f"{file.source.shown}: read as {'; '.join(notes)}.", file=sys.stderr)


def _import_all(services: Services, files: list[Prepared]) -> list[Outcome]:
    outcomes = []
    spare_what_stays()
    with _bar() as bar:
        for file in files:
            task = bar.add_task(Path(file.source.shown).name, total=file.lines)
            show = partial(_show, bar, task)
            outcomes.append(import_file(services, file, show))
    services.wake.changed()
    return outcomes


def _show(bar: Progress, task: TaskID, line: int) -> None:
    bar.update(task, completed=line)


def _find_waiting(services: Services, after: EventId, files: list[Prepared]) -> list[Waiting]:
    """The events of these files that have come in and wait for an owner, by reason."""
    origins = {file.origin for file in files}
    since = services.clock.now()
    with services.store.read() as connection:
        return summarize_parked(connection, since, Which(), after=after, sources=origins)


def _report(
    services: Services, outcomes: list[Outcome], files: list[Prepared], newest: EventId
) -> None:
    waiting = _find_waiting(services, newest, files)
    with services.store.read() as connection:
        is_applied = newest_definition(connection) is not None
    names = ("accepted", "duplicates", "rejected", "unusable_addresses")
    totals = {name: sum(getattr(o.progress, name) for o in outcomes) for name in names}
    duplicates = counted(totals["duplicates"], "duplicate")
    words = f"{totals['accepted']:,} accepted, {duplicates}, {totals['rejected']:,} rejected."
    if unusable := totals["unusable_addresses"]:
        words += f" {unusable:,} without a usable address: nobody is emailed there."
    noted = [str(file.rejects) for file in files if file.rejects.exists()]
    where = f" See {', '.join(noted)}." if (totals["rejected"] or unusable) and noted else ""
    next_steps = () if is_applied or not totals["accepted"] else (NEXT_STEPS,)
    lines = (words + where, *_reasons(outcomes), *_say_waiting(waiting), *next_steps)
    document: dict[str, object] = {**totals}
    if waiting:
        document["waiting"] = {one.reason.value: one.events for one in waiting}
    say("\n".join(lines), document)


def _say_waiting(waiting: list[Waiting]) -> Iterator[str]:
    for one in waiting:
        verb = "waits" if one.events == 1 else "wait"
        yield f"  {one.events:,} of the accepted {verb} for an owner: {SAID[one.reason]}"
    if waiting:
        yield "  'rekindle parked' lists them, attaches them, makes their customers or drops them."


def _reasons(outcomes: list[Outcome]) -> Iterator[str]:
    """The most frequent reasons, each with how often and where first."""
    found = [
        (count, reason, outcome.first_lines[reason])
        for outcome in outcomes
        for reason, count in outcome.reasons.items()
    ]
    for count, reason, line in sorted(found, key=lambda row: (-row[0], row[2]))[:MOST_REASONS]:
        shown = reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…"
        yield f"  {count:,} × {shown} (first in line {line:,})"
    if len(found) > MOST_REASONS:
        yield f"  and {len(found) - MOST_REASONS:,} other reasons"


@contextmanager
def _bar() -> Iterator[Progress]:
    """Shown on a terminal only; scripts and `--json` see nothing of it."""
    console = Console(stderr=True)
    is_shown = console.is_terminal and not options().as_json
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not is_shown, transient=True
    ) as bar:
        yield bar


class RateColumn(ProgressColumn):
    """Lines a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


def export(
    noun: Annotated[str, typer.Argument(metavar="NOUN", help=", ".join(NOUNS))],
    with_: Annotated[
        str, typer.Option("--with", metavar="TRAIT,TRAIT", help="each customer's, on every row")
    ] = "",
) -> None:
    """Print everything stored of one noun, as JSON Lines, --csv or --parquet."""
    if noun not in NOUNS:
        raise WrongUse(f"{noun!r} cannot be exported; choose from {', '.join(NOUNS)}.")
    try:
        with open_here() as services, services.store.read() as connection:
            now = services.clock.now()
            names = find_traits(connection, with_)
            if options().table:
                _export_table(connection, noun, names, now)
                return
            for row in _rows_of(connection, noun, names, now):
                print(as_json_line(row))
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _rows_of(
    connection: Connection, noun: str, names: Sequence[str], now: datetime
) -> Iterator[dict[str, Any]]:
    rows = export_rows(connection, noun, now)
    if not names:
        return rows
    if noun == "customers":
        return ({**row, TRAITS_OF: choose_traits(row[TRAITS_OF], names)} for row in rows)
    if "customer" not in export_columns(noun):
        raise WrongUse(f"--with is of customers, and {noun} name none.")
    return with_traits(connection, rows, names, now)


def _export_table(connection: Connection, noun: str, names: Sequence[str], now: datetime) -> None:
    columns = [column for column in export_columns(noun) if column != TRAITS_OF]
    wanted = list(names)
    if noun == "customers" and not names:
        wanted = sorted(load_trait_names(connection))
    places = [place_of(name, columns) for name in wanted]

    def read() -> Iterator[Row]:
        rows = _rows_of(connection, noun, names, now)
        return flatten(rows, wanted, columns) if wanted else rows

    write_table(read, TableFormat(options().table), [*columns, *places])
