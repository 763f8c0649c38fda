"""Ours: the engine as it is, embedded, on SQLite, sending through SMTP.

Run as `python -m benchmarks.parts.engine PORT NOTICES MAILS`; prints one JSON document. With the
word `sample` in place of the port it prints one rendered mail instead, for the limit to imitate.
"""

import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from benchmarks.parts.notices import Notices
from rekindle.cli.first_apply import apply_once
from rekindle.clock import FixedClock, RunningClock
from rekindle.process import Process
from rekindle.services import Services, open_services
from rekindle.state import state_folder
from store.claims import claims
from store.intake import record_customers, record_events
from store.records import Identity, IncomingCustomer, IncomingEvent
from workers.brokers import open_broker
from workers.channels import ChannelPool
from workers.evaluate import evaluate_changes
from workers.schedule import look

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
WORKSPACE = Path(__file__).parents[1] / "workspace"
A_CHUNK = 1_000
PROBES = 200
WARM_UP = 20


@contextmanager
def opened(provider: str, port: str) -> Iterator[Process]:
    """The engine over a fresh copy of the benchmark's workspace."""
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Path(temporary) / "workspace"
        shutil.copytree(WORKSPACE, workspace)
        state_folder(workspace)
        environment = {"REKINDLE_PROVIDER": provider, "SMTP_PORT": port}
        services = open_services(workspace, FixedClock(MONDAY), environment=environment)
        with Process(services) as process:
            apply_once(services)
            yield process


def add_customers(services: Services, count: int) -> None:
    rows = [
        IncomingCustomer(f"c{n}", {"email": f"c{n}@example.com", "name": _name(n)})
        for n in range(count)
    ]
    for start in range(0, count, A_CHUNK):
        with services.store.begin() as tx:
            record_customers(tx, rows[start : start + A_CHUNK], now=services.clock.now())


def _name(number: int) -> str:
    return f"Customer {number}" if number else "Customer Zero"


def want_offer(services: Services, first: int, count: int, run: str) -> None:
    """Events that start one enrollment each."""
    now = services.clock.now()
    for start in range(first, first + count, A_CHUNK):
        events = [
            IncomingEvent(
                "offer.wanted", now, f"{run}-{n}", (Identity("external", f"c{n}"),), channel="web"
            )
            for n in range(start, min(start + A_CHUNK, first + count))
        ]
        with services.store.begin() as tx:
            record_events(tx, events, now=now, settings=services.settings)


def measure_burst(process: Process, mails: int) -> float:
    """Mails a second from due steps to the last result written, everything included."""
    services = process.services
    want_offer(services, 0, mails, "burst")
    while evaluate_changes(services).events:
        pass  # enrollments start; their first step is due
    began = time.perf_counter()
    counts = process.run_until_idle()
    seconds = time.perf_counter() - began
    assert counts.sent == mails, counts
    return mails / seconds


def measure_latency(process: Process, notices: Notices) -> float:
    """Median milliseconds from an event to its mail accepted, one at a time, nothing else to do."""
    services = process.services
    services.clock = RunningClock.started_at(MONDAY)
    process.start_workers(open_broker(None))
    notices.forget()
    taken = [_probe(services, notices, n) for n in range(PROBES + WARM_UP)]
    return median(taken[WARM_UP:])


def _probe(services: Services, notices: Notices, number: int) -> float:
    began = time.perf_counter()
    want_offer(services, number, 1, "probe")
    services.wake.changed()
    notices.wait()
    taken = (time.perf_counter() - began) * 1000
    _wait_until_idle(services)
    return taken


def _wait_until_idle(services: Services) -> None:
    """The results are written and nothing that they set off is left to do."""
    while True:
        time.sleep(0.005)
        with services.store.read() as connection:
            busy = claims(connection) or look(connection, services.clock.now()).is_any
        if not busy:
            return


@dataclass
class Catcher:
    """A provider that keeps the last mail; it is its own only channel."""

    name: str = "catcher"
    is_idempotent: bool = True
    connections: int = 1
    caught: list[OutgoingEmail] = field(default_factory=list)

    def open(self) -> "Catcher":
        return self

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        before_last_byte()
        self.caught.append(email)
        return ProviderMessageId("")

    def close(self) -> None: ...


def render_sample() -> dict[str, str | int]:
    """One mail of the engine, to customer zero."""
    with opened("outbox", "25") as process:
        add_customers(process.services, 1)
        catcher = Catcher()
        process.pool = ChannelPool(catcher)
        measure_burst(process, 1)
        mail = catcher.caught[0]
    return {
        "subject": mail.subject,
        "html": mail.html,
        "text": mail.text,
        "bytes": len(mail.mime),
    }


def main() -> None:
    if sys.argv[1] == "sample":
        print(json.dumps(render_sample()))
        return
    port, notice_port, mails = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with opened("smtp", port) as process, Notices(notice_port) as notices:
        add_customers(process.services, mails)
        burst = measure_burst(process, mails)
        latency = measure_latency(process, notices)
    figures = {
        "mails_per_second": burst,
        "idle_p50_ms": latency,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
