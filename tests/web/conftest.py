"""A workspace with its web application, a customer, and mails that ask or tell them something."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from rekindle.clock import FixedClock
from rekindle.services import Services, open_services
from rekindle.workspace.applying import apply_folder
from store.customers import find_customer
from store.intake import record_customers, record_events
from store.records import CustomerId, Identity, IncomingCustomer, IncomingEvent, MessageId
from store.tables import enrollments, event_kinds, events, hits, messages
from web.app import create_app
from web.sign_in import make_sign_in_link

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15"
BASE = "http://127.0.0.1:8000"
SETTINGS = """\
brand: {name: Shop, zone: UTC, language: en}
topics: {offers: {consent: assumed}, news: {consent: required}, surveys: {consent: assumed}}
"""
CSAT = "survey: csat\nkind: csat\nsolved: true\nexpires: 14 days\n"
NPS = "survey: nps\nkind: nps\n"


@dataclass
class Site:
    """The application on its own database, with a clock moved by hand."""

    services: Services
    clock: FixedClock
    client: TestClient

    def pass_time(self, **length: float) -> None:
        self.clock.move(timedelta(**length))

    def customer(self, id_: str = "c1", **traits: Any) -> CustomerId:
        row = IncomingCustomer(id_, {"email": f"{id_}@example.com", **traits})
        with self.services.store.begin() as tx:
            record_customers(tx, [row], now=self.clock.now())
            found = find_customer(tx, id_)
        assert found is not None
        return found

    def message(
        self, customer: CustomerId, *, template: str = "surveys/csat", **columns: Any
    ) -> MessageId:
        """A mail that was sent just now."""
        now = self.clock.now()
        values = {
            "customer_id": customer, "template": template, "topic": "surveys", "status": "sent",
            "queued_at": now, "sent_at": now, "header_id": "<1@example.com>", **columns,
        }  # fmt: skip
        with self.services.store.begin() as tx:
            added = tx.execute(insert(messages).values(values).returning(messages.c.id))
            return MessageId(added.scalar_one())

    def ticket_enrollment(self, customer: CustomerId, external_id: str, ticket: str) -> int:
        """An enrollment per ticket, started by its `ticket.solved`."""
        now = self.clock.now()
        solved = IncomingEvent(
            name="ticket.solved",
            occurred_at=now,
            message_id=f"solved-{ticket}",
            identities=(Identity("external", external_id),),
            properties={"ticket_id": ticket, "status": "solved"},
        )
        with self.services.store.begin() as tx:
            record_events(tx, [solved], now=now, settings=self.services.settings)
            started_by = select(events.c.id).where(events.c.message_id == solved.message_id)
            added = tx.execute(
                insert(enrollments)
                .values(
                    journey="ticket_follow_up", version_id=1, customer_id=customer, key=ticket,
                    occurrence=f"event:{ticket}", event_id=tx.execute(started_by).scalar_one(),
                    cause="event", is_held_out=False, started_at=now,
                )
                .returning(enrollments.c.id)
            )  # fmt: skip
            return int(added.scalar_one())

    def write(self, path: str, text: str) -> None:
        """A file of the workspace."""
        write_file(self.services.workspace / path, text)

    def apply(self) -> None:
        """The workspace as it stands, in force."""
        services = self.services
        apply_folder(services.store, services.workspace, services.environment, self.clock.now())

    def enter(self) -> None:
        """Open the dashboard as whoever reads what the server printed; for half a day."""
        link = make_sign_in_link(self.services, BASE)
        assert link is not None
        assert self.client.get(link.removeprefix(BASE)).headers["location"] == "/"

    def survey_path(self, message: MessageId, survey: str = "csat") -> str:
        return f"/s/{self.services.signer.sign_survey(message, survey)}"

    def rows(self, table: Any) -> list[Any]:
        with self.services.store.read() as connection:
            return list(connection.execute(select(table).order_by(table.c.id)))

    def events(self, *names: str) -> list[tuple[str, dict[str, Any]]]:
        """What is stored under these names, in order of arrival."""
        query = (
            select(event_kinds.c.name, events.c.properties)
            .join(event_kinds, event_kinds.c.id == events.c.kind_id)
            .where(event_kinds.c.name.in_(names))
            .order_by(events.c.id)
        )
        with self.services.store.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(query)]

    def hit_links(self) -> list[tuple[str, str]]:
        return [(row.method, row.link) for row in self.rows(hits)]


def open_site(folder: Path, url: str, at: datetime) -> Site:
    write_file(folder / "rekindle.yaml", SETTINGS)
    write_file(folder / "surveys/csat.yaml", CSAT)
    write_file(folder / "surveys/nps.yaml", NPS)
    clock = FixedClock(at)
    environment = {"REKINDLE_SECRET_KEY": "for tests only, and long enough for it"}
    services = open_services(folder, clock, database=url, environment=environment)
    return Site(services, clock, browser_at(create_app(services)))


def browser_at(app: ASGIApp, address: str = "127.0.0.1") -> TestClient:
    """Somebody's browser at `address`, with cookies of its own."""
    return TestClient(
        app,
        base_url=BASE,
        headers={"user-agent": PHONE},
        client=(address, 50_000),
        follow_redirects=False,
    )


def write_file(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path, database_url: str, now: datetime) -> Iterator[Site]:
    """Once on each database."""
    opened = open_site(tmp_path, database_url, now)
    yield opened
    opened.services.close()


@pytest.fixture
def small_site(tmp_path: Path, sqlite_url: str, now: datetime) -> Iterator[Site]:
    """On SQLite only, for what the database has no part in."""
    opened = open_site(tmp_path, sqlite_url, now)
    yield opened
    opened.services.close()
