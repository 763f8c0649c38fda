"""How soon an accepted event is in the membership while everybody is evaluated for another segment.

The engine as it is, embedded: workers in this process, woken as the collector wakes them.
"""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select

from rekindle.clock import RunningClock
from rekindle.process import Process
from rekindle.services import Services, open_services
from rekindle.state import state_folder
from rekindle.workspace.applying import apply_folder
from store.intake import record_events
from store.passes import load_passes
from store.records import Identity, IncomingEvent
from store.tables import EPOCH, customers, memberships
from workers.brokers import open_broker

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CUSTOMERS = 100_000
A_CHUNK = 10_000
GIVEN_UP_AFTER = 30.0
BUYERS = "segment: buyers\nmatch: {event: order.completed}\n"
READERS = "segment: readers\nmatch: {event: page.viewed, within: %d days}\n"


def measure_freshness() -> list[float]:
    """Milliseconds from commit to membership, of events one by one for as long as the pass runs."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        (workspace / "segments").mkdir(parents=True)
        (workspace / "rekindle.yaml").write_text("brand: {name: Shop, zone: UTC}\n", "utf-8")
        state_folder(workspace)
        services = open_services(workspace, RunningClock.started_at(MONDAY), environment={})
        with Process(services) as process:
            _add_customers(services)
            _apply(services, days=21)
            process.run_until_idle()
            _apply(services, days=14)
            process.start_workers(open_broker(None))
            services.wake.everybody()
            return _probe(services)


def _add_customers(services: Services) -> None:
    for first in range(1, CUSTOMERS + 1, A_CHUNK):
        rows = [
            {"id": n, "external_id": f"c{n}", "known_at": EPOCH}
            for n in range(first, first + A_CHUNK)
        ]
        with services.store.begin() as tx:
            tx.execute(insert(customers), rows)


def _apply(services: Services, days: int) -> None:
    folder = services.workspace / "segments"
    (folder / "buyers.yaml").write_text(BUYERS, "utf-8")
    (folder / "readers.yaml").write_text(READERS % days, "utf-8")
    apply_folder(services.store, services.workspace, {}, services.clock.now())


def _probe(services: Services) -> list[float]:
    taken: list[float] = []
    _wait_for_pass(services)
    while _is_running(services):
        customer = CUSTOMERS - len(taken)  # whom the pass reaches last
        taken.append(_seconds_until_member(services, customer) * 1000)
    assert taken, "the evaluation was over before the first event"
    return taken


def _wait_for_pass(services: Services) -> None:
    until = time.monotonic() + GIVEN_UP_AFTER
    while not _is_running(services):
        assert time.monotonic() < until, "the evaluation never began"
        time.sleep(0.005)


def _is_running(services: Services) -> bool:
    with services.store.read() as connection:
        return any(not one.is_finished for one in load_passes(connection).values())


def _seconds_until_member(services: Services, customer: int) -> float:
    now = services.clock.now()
    event = IncomingEvent(
        "order.completed", now, f"probe-{customer}", (Identity("external", f"c{customer}"),)
    )
    with services.store.begin() as tx:
        record_events(tx, [event], now=now, settings=services.settings)
    began = time.monotonic()
    services.wake.changed()
    while not _is_member(services, customer):
        assert time.monotonic() - began < GIVEN_UP_AFTER, "the event is in no membership"
        time.sleep(0.002)
    return time.monotonic() - began


def _is_member(services: Services, customer: int) -> bool:
    found = select(memberships.c.customer_id).where(
        memberships.c.segment == "buyers",
        memberships.c.customer_id == customer,
        memberships.c.is_member,
    )
    with services.store.read() as connection:
        return connection.execute(found).first() is not None
