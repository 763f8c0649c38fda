"""Generates what one person does over the year, whether or not anybody writes to them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from rekindle.demo.goods import TROUBLES, fill_basket, look_at
from rekindle.demo.people import YEAR, Person
from store.records import Actor, Identity, IncomingEvent, Trust

FADING = 1.35  # each of the last gaps before leaving is this much longer than the one before
TROUBLE = 0.05  # share of orders that end in a ticket
NEWSLETTERS_EVERY = 14.0  # days, in the former mailing tool


@dataclass(frozen=True)
class Happening:
    """Something that happened on a day of the generated year (a fraction of a day is its time)."""

    day: float
    name: str
    channel: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    actor: Actor = Actor.CUSTOMER


def live(person: Person, seed: int) -> list[Happening]:
    """A year in the life of one customer, in order of time."""
    chance = Random(f"{seed}:life:{person.id}")
    happenings: list[Happening] = []
    for number, day in enumerate(_order_days(person, chance), start=1):
        happenings += _order(person, number, day, chance)
    happenings += _mails(person, chance)
    return sorted((h for h in happenings if h.day < YEAR), key=lambda h: h.day)


def _order_days(person: Person, chance: Random) -> Iterator[float]:
    """The days of the orders: Gamma-distributed gaps, stretched at the end for those who fade."""
    day = person.joins_on if person.joins_on >= 0 else chance.uniform(0, person.order_gap)
    stretch = 1.0
    while person.is_here_on(day) and day < YEAR:
        yield at_daytime(day, chance)
        gap = chance.gammavariate(person.regularity, person.order_gap / person.regularity)
        if person.fades and person.leaves_on is not None and person.leaves_on - day < 90:
            stretch *= FADING
        day += max(gap * stretch, 0.5)


def live_again(person: Person, day: float, seed: int) -> list[Happening]:
    """What somebody who had left does from `day` on, having come back."""
    chance = Random(f"{seed}:again:{person.id}:{int(day)}")
    happenings: list[Happening] = []
    number = 1000 + int(day)  # order numbers that no first life reaches
    while day < YEAR:
        happenings += _order(person, number, day, chance)
        day += max(chance.gammavariate(person.regularity, person.order_gap / person.regularity), 1)
        number += 1
    return sorted((h for h in happenings if h.day < YEAR), key=lambda h: h.day)


def at_daytime(day: float, chance: Random) -> float:
    """The same day, at an hour at which people are awake."""
    return int(day) + chance.triangular(7, 23, 19) / 24


def _order(person: Person, number: int, day: float, chance: Random) -> Iterator[Happening]:
    order = f"{person.id}-{number}"
    for _ in range(_count(person.looks_per_order, chance)):
        looked = day - chance.expovariate(4 / person.order_gap)
        if looked >= max(person.joins_on, 0):
            yield Happening(looked, "page.viewed", "web", look_at(chance))
    basket = {"order_id": order} | fill_basket(chance)
    yield Happening(day, "order.completed", "store", basket)
    if chance.random() < TROUBLE * (2 - person.temper):
        yield from _ticket(f"t-{order}", day + chance.uniform(0.5, 5), person, chance)
    elif chance.random() < 0.03:
        asked = day + chance.uniform(0.1, 3)
        yield Happening(asked, "chat.ended", "chat", {"duration": int(chance.uniform(60, 900))})


def _ticket(ticket: str, day: float, person: Person, chance: Random) -> Iterator[Happening]:
    """A complaint, some words to and fro, its solution and sometimes the same again."""
    subject = {"ticket_id": ticket, "subject": chance.choice(TROUBLES)}
    opened = at_daytime(day, chance)
    yield Happening(opened, "ticket.opened", "ticket", subject | {"status": "open"})
    replied = opened + chance.expovariate(3)
    yield Happening(replied, "ticket.replied", "ticket", subject | {"by": "agent"}, Actor.AGENT)
    solved = replied + chance.expovariate(1)
    yield Happening(solved, "ticket.solved", "ticket", subject | {"status": "solved"}, Actor.AGENT)
    if chance.random() < 0.25 * (1.3 - person.temper):
        reopened = solved + chance.uniform(0.2, 2)
        again = subject | {"status": "open"}
        yield Happening(reopened, "ticket.reopened", "ticket", again)
        solved = reopened + chance.expovariate(0.7)
        done = subject | {"status": "solved"}
        yield Happening(solved, "ticket.solved", "ticket", done, Actor.AGENT)


def _mails(person: Person, chance: Random) -> Iterator[Happening]:
    """What they did with the newsletters of the former mailing tool, as long as they were there."""
    day = max(person.joins_on, 0) + chance.uniform(0, NEWSLETTERS_EVERY)
    while person.is_here_on(day) and day < YEAR:
        if chance.random() < person.opens:
            opened = at_daytime(day, chance)
            mail = {"campaign": f"letter-{int(day // NEWSLETTERS_EVERY)}"}
            yield Happening(opened, "email.opened", "email", mail)
            if chance.random() < person.clicks:
                yield Happening(opened + 0.002, "email.clicked", "email", mail)
        day += NEWSLETTERS_EVERY


def _count(mean: float, chance: Random) -> int:
    """A whole number with that mean."""
    return int(mean) + (chance.random() < mean % 1)


def as_event(
    person: Person,
    happening: Happening,
    ordinal: int,
    year_began_at: datetime,
    *,
    is_history: bool,
) -> IncomingEvent:
    """A happening as the shop's systems would report it; `ordinal` makes its id."""
    return IncomingEvent(
        name=happening.name,
        occurred_at=year_began_at + timedelta(days=happening.day),
        message_id=f"demo-{person.id}-{ordinal}",
        identities=(Identity("external", person.id),),
        channel=happening.channel,
        properties=happening.properties,
        source="demo",
        trust=Trust.FILE if is_history else Trust.SERVER,
        actor=happening.actor,
        is_known_since_occurred=is_history,
    )
