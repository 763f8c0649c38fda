"""What a stranger does can be told to our people: once each, and never by the thousand."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from rekindle.clock import FixedClock
from rekindle.process import Process
from rekindle.services import Services, open_services
from rekindle.workspace.folder import read_folder
from store.intake import record_customers, record_events
from store.records import Identity, IncomingCustomer, IncomingEvent, Trust
from store.tables import effects, messages
from tests.conftest import MONDAY
from workers.strangers import MOST_AN_HOUR, tell_of_strangers

SETTINGS = """\
people: {leads: ["mailto:leads@example.com"]}
strangers:
  - event: [review.posted, "social.*"]
    where: {rating: {at_most: 2}}
    notify: leads
    message: "{{ event.name }} on {{ event.channel }}: {{ event.text }}"
"""


@pytest.fixture
def services(tmp_path: Path, database_url: str) -> Iterator[Services]:
    (tmp_path / "rekindle.yaml").write_text(SETTINGS)
    environment = {"REKINDLE_SECRET_KEY": "k" * 40}
    with open_services(
        tmp_path, FixedClock(MONDAY), database=database_url, environment=environment
    ) as opened:
        yield opened


def post(services: Services, *ids: str, at: datetime = MONDAY, **said: Any) -> None:
    said = {"rating": 1, "text": "Never again <b>!", **said}
    found = [
        IncomingEvent("review.posted", at, id_, (Identity("social", f"x:{id_}"),),
                      properties=said, trust=Trust.HELPDESK)
        for id_ in ids
    ]  # fmt: skip
    with services.store.begin() as tx:
        record_events(tx, found, now=MONDAY, settings=services.settings)


def notices(services: Services) -> list[str]:
    with services.store.read() as connection:
        return [row["text"] for row in connection.scalars(select(messages.c.payload))]


def test_a_hostile_post_of_a_stranger_is_told_once(services: Services):
    post(services, "1")
    post(services, "2", rating=5)
    post(services, "3", at=MONDAY - timedelta(days=2))
    process = Process(services)

    process.run_until_idle()
    process.run_until_idle()

    assert notices(services) == ["review.posted on review: Never again <b>!"]


def test_what_a_customer_does_is_left_to_their_journeys(services: Services):
    with services.store.begin() as tx:
        record_customers(tx, [IncomingCustomer("7", {"email": "a@example.com"})], now=MONDAY)
        event = IncomingEvent("review.posted", MONDAY, "1", (Identity("external", "7"),),
                              properties={"rating": 1})  # fmt: skip
        record_events(tx, [event], now=MONDAY, settings=services.settings)

    assert tell_of_strangers(services, MONDAY) == 0


def test_a_flood_is_told_a_little_at_a_time(services: Services):
    post(services, *map(str, range(MOST_AN_HOUR + 9)))

    told = [tell_of_strangers(services, MONDAY + timedelta(hours=hour)) for hour in (0, 0, 2)]

    assert told == [MOST_AN_HOUR, 0, 9]
    with services.store.read() as connection:
        assert len(set(connection.scalars(select(effects.c.step)))) == MOST_AN_HOUR + 9


def test_check_judges_the_rules(services: Services):
    folder = services.workspace
    text = SETTINGS.replace("notify: leads", "notify: leeds").replace("at_most: 2", "at_mots: 2")
    (folder / "rekindle.yaml").write_text(text)

    _library, problems = read_folder(folder, {})

    said = [str(problem) for problem in problems]
    assert any("no group of people is called 'leeds'. Did you mean 'leads'?" in one for one in said)
    assert any("rekindle.yaml:4:5" in one or "rekindle.yaml:4" in one for one in said)
