"""`demo`: a generated shop, imported, played forward through the engine, then its dashboard."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rekindle.cli.context import options, say
from rekindle.cli.first_apply import apply_once
from rekindle.cli.starter import copy_starter
from rekindle.clock import FixedClock
from rekindle.demo.play import Player, import_history
from rekindle.demo.shop import PLAYED_DAYS, make_shop
from rekindle.demo.summary import STATES, Summary, summarize
from rekindle.disks import writing
from rekindle.errors import WrongUse
from rekindle.private_files import make_private_folder
from rekindle.process import Process
from rekindle.services import open_services
from rekindle.state import STATE_FOLDER

FOLDER = Path("demo-shop")
MARK = "generated-demo"  # a file that says that this folder may be made anew
SEED = 20_260_302
BRAND = ("name: Shop", "name: Generated Coffee")


def demo(
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Stop after the summary.")] = False,
    customers: Annotated[
        int, typer.Option("--customers", min=1, metavar="N", help="How many people to generate.")
    ] = 2_000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """A generated shop with a year of customers and events, played forward, then the dashboard."""
    ends_at = options().instant().replace(minute=0, second=0, microsecond=0)
    folder = make_workspace(_folder())
    with _opened(folder, f"http://{host}:{port}", ends_at) as process:
        summary = _play(process, customers, ends_at)
        say(f"Outbox with every mail: {folder / 'outbox'}", _document(summary))
        if no_serve or options().as_json:
            return
        from rekindle.cli.servers import serve_everything

        process.services.run_by(options().running_clock())
        serve_everything(process, host, port)


def _folder() -> Path:
    chosen = options().workspace
    return FOLDER if chosen == Path(".") else chosen


def make_workspace(folder: Path) -> Path:
    """A fresh copy of the starter, in place of an earlier demo but of nothing else.

    Raises WrongUse for a folder that holds something other than a demo.
    """
    mark = folder / STATE_FOLDER / MARK
    if mark.exists():
        shutil.rmtree(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WrongUse(f"{folder} is not empty and not an earlier demo; nothing was touched.")
    with writing(mark):  # first of all: whatever comes between, the next demo may go on here
        make_private_folder(mark.parent)
        mark.touch()
    copy_starter(folder)
    settings = folder / "rekindle.yaml"
    with writing(settings):
        settings.write_text(settings.read_text("utf-8").replace(*BRAND), "utf-8")
    return folder


def _opened(folder: Path, base_url: str, now: datetime) -> Process:
    """Mails of people who do not exist go to the outbox, whatever the environment says."""
    environment = {"REKINDLE_BASE_URL": base_url}
    services = open_services(folder, FixedClock(now), environment=environment, is_scratch=True)
    return Process(services)


def _play(process: Process, count: int, ends_at: datetime) -> Summary:
    shop, history = make_shop(count, ends_at, SEED)
    clock = FixedClock(shop.plays_from)
    process.services.clock = clock
    with _progress() as progress:
        events = import_history(process, shop, history, _shown_on(progress))
        apply_once(process.services)
        Player(process, shop, clock).play(_shown_on(progress))
    with process.services.store.read() as connection:
        summary = summarize(connection, shop, events, shop.ends_at)
    if not options().as_json:
        _print(summary)
    return summary


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=console
    )


def _shown_on(progress: Progress) -> Callable[[float, str], None]:
    bar = progress.add_task("", total=1.0)
    return lambda done, text: progress.update(bar, completed=done, description=text)


def _document(summary: Summary) -> dict[str, object]:
    return asdict(summary) | {
        "is_generated": True,
        "noticed": round(summary.noticed, 3),
        "false_alarms": round(summary.false_alarms, 3),
    }


def _print(summary: Summary) -> None:
    console = Console()
    console.print(
        f"\nAll of this is generated: {summary.customers:,} people who do not exist, "
        f"{summary.events:,} imported events, {PLAYED_DAYS} days played through the engine.\n"
    )
    console.print(_journeys(summary))
    console.print(_truth(summary))
    console.print(
        f"Of those who really left, {summary.noticed:.0%} are called drifting or worse; of those "
        f"who are still there, {summary.false_alarms:.0%}. Mails brought {summary.came_back} back."
    )


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))


def _journeys(summary: Summary) -> Table:
    table = _table("What the journeys did (generated customers)")
    table.add_column("journey", no_wrap=True)
    for title in ("started", "held out", "sent", "opened", "clicked", "answered"):
        table.add_column(title, justify="right")
    for line in summary.journeys:
        numbers = (line.started, line.held_out, line.sent, line.opened, line.clicked, line.answered)
        table.add_row(line.journey, *(f"{number:,}" for number in numbers))
    return table


def _truth(summary: Summary) -> Table:
    table = _table("Whom the engine calls what, by what is true")
    table.add_column("in truth they")
    for state in STATES:
        table.add_column(state, justify="right")
    for truth, states in (("left", summary.left), ("are still there", summary.stayed)):
        table.add_row(truth, *(f"{states[state]:,}" for state in STATES))
    return table
