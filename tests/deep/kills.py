"""A crowd to be mailed, processes that die while they send, and what the receiving side saw."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from rekindle.clock import FixedClock, seconds_running
from rekindle.services import open_services
from rekindle.workspace.applying import apply_folder
from store.intake import record_customers, record_events
from store.records import Identity, IncomingCustomer, IncomingEvent
from store.session import Store
from store.tables import messages
from tests.mail_sink import MailSink
from tests.shop import LAYOUT

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
PATIENCE = 120.0  # seconds, of a machine that is busy
CONNECTIONS = 4  # of the SMTP adapter
SETTINGS = """
provider: smtp
smtp: {host: 127.0.0.1, port: "${SMTP_PORT}"}
topics: {offers: {consent: assumed}}
"""
JOURNEY = """
journey: NAME
topic: TOPIC
holdout: none
because: every mail is counted
start: [{event: customer.arrived}]
steps: [{send: NAME}]
"""
MAIL = '{% extends "layouts/brand" %}{% block subject %}NAME{% endblock %}'
TOPICS = {"offer": "offers", "receipt": "service"}  # one mail of each to each customer
UNFINISHED = ("queued", "held", "sending")


@dataclass
class SlowSink(MailSink):
    """Answers so late."""

    seconds: float = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's name)
        answer = await super().handle_DATA(server, session, envelope)
        await asyncio.sleep(self.seconds)
        return answer


@dataclass
class Engine:
    """One way to deploy, on a workspace and a database of its own."""

    folder: Path
    url: str
    sink: MailSink
    customers: int
    broker: str | None = None
    lease_seconds: float | None = None
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def prepare(self) -> None:
        """So many customers have just arrived; nobody has looked at them yet."""
        files = {"rekindle.yaml": SETTINGS, "templates/layouts/brand.html.j2": LAYOUT}
        for name, topic in TOPICS.items():
            files[f"journeys/{name}.yaml"] = JOURNEY.replace("NAME", name).replace("TOPIC", topic)
            files[f"templates/{name}.html.j2"] = MAIL.replace("NAME", name)
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(content.lstrip())
        names = [f"c{number}" for number in range(self.customers)]
        with open_services(
            self.folder, FixedClock(NOW), database=self.url, environment=self.environment
        ) as services:
            apply_folder(services.store, self.folder, self.environment, NOW)
            with services.store.begin() as tx:
                known = [IncomingCustomer(one, {"email": f"{one}@example.com"}) for one in names]
                record_customers(tx, known, now=NOW)
                came = [
                    IncomingEvent(
                        "customer.arrived", NOW, f"came {one}", (Identity("external", one),)
                    )
                    for one in names
                ]
                record_events(tx, came, now=NOW, settings=services.settings)

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        kept |= {
            "SMTP_PORT": str(self.sink.port),
            "REKINDLE_SECRET_KEY": "a key for tests that is long enough",
            "REKINDLE_DATABASE_URL": self.url,
        }  # fmt: skip
        if self.broker:
            kept["REKINDLE_BROKER_URL"] = self.broker
        if self.lease_seconds:
            kept["LEASE_SECONDS"] = str(self.lease_seconds)
        return kept

    def start(
        self, *command: str, dying: tuple[str, int] = ("nowhere", 0)
    ) -> subprocess.Popen[bytes]:
        point, times = dying
        words = [sys.executable, "-m", "tests.deep.dying", point, str(times), *command]
        standing = ["--workspace", str(self.folder), "--now", NOW.isoformat()]
        process = subprocess.Popen(
            [*words, *standing], env=self.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        self.running.append(process)
        return process

    def send_all(self, dying: tuple[str, int]) -> None:
        """A process dies in the middle, and another goes on until all is done."""
        if self.broker is None:
            died(self.start("run", "--until-idle", dying=dying))
            ended(self.start("run", "--until-idle"))
            return
        self.start("scheduler")
        died(self.start("worker", dying=dying))
        self.start("worker")
        self.wait_until_done()

    def wait_until_done(self) -> None:
        ends_at = seconds_running() + PATIENCE
        while not self.is_done():
            assert seconds_running() < ends_at, f"not done: {self.statuses()}"
            self.sink.wait_for(len(self.sink.mails) + 1, 0.5)

    def is_done(self) -> bool:
        """Whether both mails of everybody are queued, and none of them waits any more."""
        found = self.statuses()
        is_all = found.total() == self.customers * len(TOPICS)
        return is_all and not any(found[status] for status in UNFINISHED)

    def rows(self) -> Sequence[Any]:
        store = Store(self.url)
        with store.read() as connection:
            found = connection.execute(select(messages).order_by(messages.c.id)).all()
        store.close()
        return found

    def statuses(self) -> Counter[str]:
        store = Store(self.url)
        with store.read() as connection:
            query = select(messages.c.status, func.count()).group_by(messages.c.status)
            found = Counter({row[0]: row[1] for row in connection.execute(query)})
        store.close()
        return found

    def received(self) -> Counter[str]:
        """How often each Message-ID came."""
        return Counter(str(mail.message["Message-ID"]).strip("<>") for mail in self.sink.mails)

    def stop(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.terminate()
        for process in self.running:
            process.communicate(timeout=PATIENCE)


@contextmanager
def engine(
    folder: Path, url: str, broker: str | None, customers: int, **more: Any
) -> Iterator[Engine]:
    seconds = more.pop("seconds", 0)
    with SlowSink(seconds=seconds) as sink:
        opened = Engine(folder, url, sink, customers, broker, **more)
        opened.prepare()
        try:
            yield opened
        finally:
            opened.stop()


def died(process: subprocess.Popen[bytes]) -> None:
    """Wait until it has."""
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, complaint.decode()


def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait until it has, in good order."""
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, complaint.decode()


@dataclass(frozen=True)
class Fates:
    """What became of all mails, by Message-ID."""

    received: Mapping[str, int]
    status: Mapping[str, str]
    topic: Mapping[str, str]

    @classmethod
    def of(cls, engine: Engine) -> "Fates":
        rows = engine.rows()
        return cls(
            engine.received(),
            {row.header_id: row.status for row in rows},
            {row.header_id: row.topic for row in rows},
        )

    def with_status(self, status: str) -> set[str]:
        return {id_ for id_, stands in self.status.items() if stands == status}

    @property
    def doubled(self) -> set[str]:
        return {id_ for id_, times in self.received.items() if times > 1}

    @property
    def lost(self) -> set[str]:
        """Neither arrived nor owned up to."""
        return self.status.keys() - self.received.keys() - self.with_status("uncertain")
