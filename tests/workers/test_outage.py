"""A busy day in which the engine is off for eight hours, and how it comes back."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from store.tables import customers, decisions, messages
from tests.shop import SETTINGS, Shop
from tests.workers.journeys import said, write_journey

HOUR = timedelta(hours=1)
OUTAGE = 8 * HOUR
PACE = 5  # late mails an hour
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tehran")
NIGHT_BEGINS, DAY_BEGINS = time(21), time(8)
STEPS = """
start: [{event: EVENT}]
again: always
holdout: none
because: a test
steps:
  - wait: 1 hour
    between: 09:00-20:00
  - send: MAIL
    if_late: {after: 6 hours, do: POLICY}
"""
POLICIES = {"send": "offer", "skip": "hint", "retime": "tip"}  # what becomes of late ones: the mail


@dataclass(frozen=True)
class Sent:
    """One mail, when it left where its reader lives."""

    template: str
    customer: str
    at: datetime

    @property
    def is_at_night(self) -> bool:
        return self.at.time() >= NIGHT_BEGINS or self.at.time() < DAY_BEGINS


@pytest.fixture
def busy_day(shop: Shop) -> Shop:
    """72 customers in three zones want something an hour before it is due, and then all is off."""
    shop.write(
        "rekindle.yaml", f"{SETTINGS}quiet_hours: 21:00-08:00\npace: {{late: {PACE} per hour}}\n"
    )
    for policy, mail in POLICIES.items():
        steps = STEPS.replace("EVENT", f"{mail}.wanted").replace("MAIL", mail)
        write_journey(shop, f"{mail}s", steps.replace("POLICY", policy), topic="offers")
        shop.mail(mail)
    shop.clock.move(4 * HOUR)  # afternoon in Berlin and Tehran, eight in the morning in New York
    shop.apply()
    for number in range(72):
        name = f"c{number:02}"
        shop.customer(name, zone=ZONES[number % len(ZONES)])
        shop.happens(f"{list(POLICIES.values())[number // 24]}.wanted", name)
    shop.run()
    return shop


def sent(shop: Shop) -> Iterator[Sent]:
    query = (
        select(messages.c.template, messages.c.sent_at, customers.c.external_id)
        .join(customers, customers.c.id == messages.c.customer_id)
        .where(messages.c.sent_at.is_not(None))
        .order_by(messages.c.sent_at)
    )
    with shop.services.store.read() as connection:
        for row in connection.execute(query):
            zone = ZoneInfo(ZONES[int(row.external_id[1:]) % len(ZONES)])
            yield Sent(row.template, row.external_id, row.sent_at.astimezone(zone))


def come_back(shop: Shop) -> list[Sent]:
    """The outage, and then two days in which the engine looks every few minutes."""
    shop.clock.move(OUTAGE)
    shop.run()
    for _ in range(4 * 48):
        shop.later(minutes=15)
    return list(sent(shop))


def test_after_eight_hours_nothing_bursts_nobody_is_woken_and_policies_are_kept(busy_day: Shop):
    back_at = busy_day.clock.now() + OUTAGE

    mails = come_back(busy_day)

    by_hour = Counter((mail.at - back_at) // HOUR for mail in mails)
    assert max(by_hour.values()) <= PACE
    assert max(Counter(mail.at for mail in mails).values()) <= 2  # one in twelve minutes
    assert min(by_hour) >= 0
    assert [mail for mail in mails if mail.is_at_night] == []
    assert Counter(mail.template for mail in mails) == {"offer": 24, "tip": 24}
    assert len({mail.customer for mail in mails}) == len(mails)
    assert [step for step in said(busy_day, "c24") if step == ("send:hint", "skipped")]


def test_where_it_is_night_by_then_a_step_is_put_off_to_the_hours_of_its_wait(busy_day: Shop):
    come_back(busy_day)

    query = select(decisions.c.due_at).where(decisions.c.decision == "retimed")
    with busy_day.services.store.read() as connection:
        instants = set(connection.scalars(query))
    away = (ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tehran"))  # New York's hours are open
    assert instants == {datetime(2026, 3, 3, 9, tzinfo=zone) for zone in away}


QUIET = "segment: quiet\nmatch: {event: order.completed, last: {older_than: 10 hours}}\n"
ON_QUIET = "start: [{enters: quiet}]\nbecause: a test\nholdout: none\n"


@pytest.mark.parametrize(
    ("rule", "at_once", "in_all"),
    [("if_late: {after: 4 hours, do: skip}", 0, 0), ("note: however late", 1, 12)],
)
def test_who_came_into_a_segment_meanwhile_is_as_late_as_that(
    shop: Shop, rule: str, at_once: int, in_all: int
):
    shop.write("rekindle.yaml", f"{SETTINGS}pace: {{late: {PACE} per hour}}\n")
    shop.write("segments/quiet.yaml", QUIET)
    write_journey(shop, "back", f"{ON_QUIET}steps: [{{send: offer, {rule}}}]\n", topic="offers")
    shop.mail("offer")
    shop.apply()
    for number in range(12):
        shop.customer(f"c{number:02}")
        shop.happens("order.completed", f"c{number:02}")
    shop.run()

    shop.clock.move(18 * HOUR)
    shop.run()
    left = len(list(sent(shop)))
    for _ in range(12 * 3):
        shop.later(minutes=10)

    assert (left, len(list(sent(shop)))) == (at_once, in_all)
