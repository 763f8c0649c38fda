"""Events of many requests share a commit, and none of them pays for another's fault."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from rekindle.clock import FixedClock
from rekindle.services import Services, open_services
from store.records import Identity, IncomingEvent, Reject
from store.tables import events, rejects
from web.collecting import MOST_EVENTS, Collector, Parcel


@pytest.fixture
def services(database_url: str, tmp_path: Path, now: datetime) -> Iterator[Services]:
    opened = open_services(tmp_path, FixedClock(now), database=database_url, environment={})
    yield opened
    opened.close()


def test_what_arrives_together_is_stored_together_in_its_order(services: Services, now: datetime):
    async def send() -> None:
        collector = Collector(services)
        await asyncio.gather(
            *(collector.take(parcel(now, f"m{n}")) for n in range(MOST_EVENTS + 9))
        )

    asyncio.run(send())

    assert stored(services) == [f"m{n}" for n in range(MOST_EVENTS + 9)]


def test_a_request_that_cannot_be_stored_costs_no_other(services: Services, now: datetime):
    broken = parcel(now, "broken")
    unwritable = broken.events[0]._replace(properties={"what": object()})

    async def send() -> list[Mapping[str, int] | BaseException]:
        collector = Collector(services)
        parcels = [parcel(now, "first"), replace(broken, events=(unwritable,)), parcel(now, "last")]
        return await asyncio.gather(*map(collector.take, parcels), return_exceptions=True)

    answers = asyncio.run(send())

    assert isinstance(answers[1], TypeError)
    assert (answers[0], answers[2]) == ({}, {})
    assert stored(services) == ["first", "last"]


def test_rejects_are_noted_with_whoever_sent_them(services: Services, now: datetime):
    async def send() -> None:
        collector = Collector(services)
        noted = replace(parcel(now, "m"), rejects=(Reject("no id", {}),))
        await asyncio.gather(collector.take(noted), collector.take(parcel(now, "other")))

    asyncio.run(send())

    with services.store.read() as connection:
        assert connection.execute(select(rejects.c.source, rejects.c.reason)).all() == [
            ("/v1 shop", "no id")
        ]


def parcel(now: datetime, message_id: str) -> Parcel:
    event = IncomingEvent("page.viewed", now, message_id, (Identity("external", message_id),))
    return Parcel("/v1 shop", (event,), (), now)


def stored(services: Services) -> list[str]:
    with services.store.read() as connection:
        return list(connection.scalars(select(events.c.message_id).order_by(events.c.id)))
