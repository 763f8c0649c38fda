"""Whoever runs the engine now and then gets what an engine that had run all the time has sent.

So it is with `rekindle run --until-idle`, for every way to pace and to hold emails, but for what
would be more in any one stretch of time than the pace allows.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from rekindle.approving import answer_some
from rekindle.cli.app import main
from store.holds import begin_hold, end_hold
from store.tables import approvals, messages
from tests.shop import LAYOUT, SETTINGS, Shop
from tests.workers.journeys import write_journey
from workers.pausing import resume_journey, stop_journey
from workers.schedule import next_due_at

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CUSTOMERS = 12
LAST = 40  # hours
BUYING = "start: [{event: order.completed}]\nagain: always\nholdout: none\nbecause: a test\n"
AT_ONCE = "steps:\n  - send: offer\n"
LATER = "steps:\n  - wait: 3 hours\n  - send: offer\n"
ASKED = "steps:\n  - approve: leads\n    message: May we?\n    up_to: 3 days\n  - send: offer\n"

Act = Callable[[Shop], None]
Left = Mapping[datetime, Sequence[datetime]]  # what had left by then


def orders(shop: Shop) -> None:
    shop.customer("other")
    for number in range(CUSTOMERS):
        shop.customer(f"c{number}", email=f"c{number}@{'one' if number % 3 else 'two'}.example")
        shop.happens("order.completed", f"c{number}")


def in_transaction(does: Callable[..., object], *said: object) -> Act:
    def act(shop: Shop) -> None:
        with shop.services.store.begin() as tx:
            does(tx, *said, shop.clock.now())

    return act


def stops(shop: Shop) -> None:
    library = shop.services.library()
    with shop.services.store.begin() as tx:
        stop_journey(tx, library, "offers", "a look", shop.clock.now())


def resumes(shop: Shop) -> None:
    library = shop.services.library()
    with shop.services.store.begin() as tx:
        resume_journey(tx, library, "offers", shop.clock.now())


def applies(status: str) -> Act:
    def act(shop: Shop) -> None:
        write_journey(shop, "offers", f"status: {status}\n{BUYING}{LATER}", topic="offers")
        shop.apply()

    return act


def says_yes(shop: Shop) -> None:
    with shop.services.store.read() as connection:
        ids = list(connection.scalars(select(approvals.c.id)))
    answer_some(shop.services, ids, is_granted=True, by="lea")


def ticket(event: str) -> Act:
    return lambda shop: shop.happens(f"ticket.{event}", "other", ticket_id="T-1")


@dataclass(frozen=True)
class Case:
    """What paces or holds the offers of a journey, and what happens at which hour."""

    settings: str = ""
    steps: str = LATER
    journey: str = ""
    acts: Sequence[tuple[float, Act]] = ((0, orders),)
    caps: Sequence[tuple[int, timedelta]] = ()  # on all that leave
    looks: Sequence[float] = ()  # hours at which somebody runs the engine, beside random ones
    first: Sequence[float] = ()  # hours at which somebody always does
    never: Sequence[tuple[float, float]] = ()  # hours between which nobody does

    def is_asleep(self, hour: float) -> bool:
        return any(begins <= hour <= ends for begins, ends in self.never)


CASES = {
    "nothing": Case(looks=(10,)),
    "at once": Case(steps=AT_ONCE, looks=(2, 3)),
    "late": Case("pace: {late: 4 per hour}\n", caps=[(4, HOUR)], looks=(10, 11.5, 12)),
    "provider": Case("pace: {provider: 4 per hour}\n", caps=[(4, HOUR)], looks=(3.2, 4.3, 7)),
    "provider a day": Case("pace: {provider: 7 per day}\n", caps=[(7, 24 * HOUR)], looks=(3.2, 30)),
    "domain": Case("pace: {domain: 9 per 2 hours}\n", looks=(3.2, 4.3, 8)),
    "journey": Case(journey="pace: 5 per 3 hours\n", caps=[(5, 3 * HOUR)], looks=(3.1, 6.5, 10)),
    "quiet hours": Case("quiet_hours: 11:00-08:00\n", looks=(6, 24.5), never=[(26, 40)]),
    "cap": Case("caps: {offers: 1 per day}\n", steps=AT_ONCE, looks=(0.1, 30)),
    "stopped": Case(acts=[(0, orders), (1, stops), (7, resumes)], first=[0.5], looks=(5, 9)),
    "paused by its file": Case(
        acts=[(0, orders), (1, applies("paused")), (7, applies("live"))], first=[0.5], looks=(5, 9)
    ),
    "support": Case(
        "support: {open_tickets: 0}\n",
        acts=[(0, orders), (0, ticket("opened")), (7.2, ticket("solved"))],
        looks=(3.5, 9),
        never=[(7.2, 7.6)],
    ),
    "approval": Case(steps=ASKED, acts=[(0, orders), (7, says_yes)], looks=(0.1, 9)),
    "hold": Case(
        acts=[
            (0, orders),
            (1, in_transaction(begin_hold, "a look")),
            (7, in_transaction(end_hold)),
        ],
        looks=(4, 9),
    ),
}


def open_shop(folder: Path, url: str, at: datetime, case: Case) -> Shop:
    folder.mkdir()
    shop = Shop(folder, url, at)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    topics = "topics: {offers: {consent: assumed, sensitive: false}}\n"
    shop.write("rekindle.yaml", f"{SETTINGS}{topics}{case.settings}")
    write_journey(shop, "offers", f"{case.journey}{BUYING}{case.steps}", topic="offers")
    shop.mail("offer")
    shop.apply()
    return shop


def sent(shop: Shop) -> list[datetime]:
    query = select(messages.c.sent_at).where(messages.c.sent_at.is_not(None))
    with shop.services.store.read() as connection:
        return sorted(connection.scalars(query.where(messages.c.template == "offer")))


def run_always(shop: Shop, case: Case) -> list[datetime]:
    """Look whenever anything is due; when emails left."""
    begin, todo = shop.clock.at, list(case.acts)
    end = begin + LAST * HOUR
    while shop.clock.at < end:
        while todo and begin + todo[0][0] * HOUR <= shop.clock.at:
            todo.pop(0)[1](shop)
        shop.run()
        with shop.services.store.read() as connection:
            due_at = next_due_at(connection) or end
        due_at = due_at if due_at > shop.clock.at else shop.clock.at + 10 * MINUTE
        next_act = begin + todo[0][0] * HOUR if todo else end
        shop.clock.at = min(due_at, next_act, end)
    return sent(shop)


def run_at(shop: Shop, case: Case, looks: Sequence[float]) -> Left:
    """Look at these hours only, though what people do is done at its own; what has left by each."""
    shop.services.makes_up = True
    looks = [hour for hour in sorted({*case.first, *looks}) if not case.is_asleep(hour)]
    begin, todo = shop.clock.at, list(case.acts)
    left = {}
    for hour in looks:
        while todo and todo[0][0] <= hour:
            shop.clock.at = begin + todo[0][0] * HOUR
            todo.pop(0)[1](shop)
        shop.clock.at = begin + hour * HOUR
        shop.run()
        left[shop.clock.at] = sent(shop)
    return left


@pytest.fixture
def lives(
    fresh_url: Callable[[], str], tmp_path: Path, now: datetime
) -> Iterator[Callable[[Case], Shop]]:
    """Opens another shop with the same customers."""
    opened: list[Shop] = []

    def open_another(case: Case) -> Shop:
        if opened:
            opened[-1].close()
        opened.append(open_shop(tmp_path / f"shop{len(opened)}", fresh_url(), now, case))
        return opened[-1]

    yield open_another
    opened[-1].close()


def check(case: Case, awake: Sequence[datetime], left_by: Left) -> None:
    """As many have left at each look as of somebody awake, or as ever may."""
    for at, left in left_by.items():
        expected = sum(instant <= at for instant in awake)
        lately = [sum(instant > at - within for instant in left) for _, within in case.caps]
        is_full = any(many == cap for many, (cap, _) in zip(lately, case.caps, strict=True))
        assert len(left) <= expected, (list(left_by), at)
        assert len(left) == expected or is_full, (list(left_by), at)


@pytest.mark.parametrize("name", ["late", "provider", "quiet hours", "stopped", "support", "hold"])
def test_what_was_slept_through_is_made_up_for(name, lives):
    case = CASES[name]
    awake = run_always(lives(case), case)

    left_by = run_at(lives(case), case, case.looks)

    assert len(awake) == CUSTOMERS
    check(case, awake, left_by)


@pytest.mark.deep
@pytest.mark.parametrize("name", CASES)
def test_it_is_all_the_same_when_somebody_looks(name, lives):
    case = CASES[name]
    awake = run_always(lives(case), case)
    chance = random.Random(name)
    hours = [number / 10 for number in range(1, 10 * LAST)]

    assert len(awake) == CUSTOMERS
    for looks in [case.looks, *(sorted(chance.sample(hours, 4)) for _ in range(4))]:
        check(case, awake, run_at(lives(case), case, looks))


def test_the_command_makes_up_for_what_was_held_over_night(lives):
    shop = lives(Case("quiet_hours: 11:00-08:00\npace: {late: 20 per hour}\n"))
    orders(shop)
    for hours in (8, 25):  # late already when they are held; and two hours after they might leave
        at = (shop.clock.now() + hours * HOUR).isoformat()
        place = ["--workspace", str(shop.folder), "--database", shop.url]
        assert main(["run", "--until-idle", "--now", at, *place]) == 0

    assert len(sent(shop)) == CUSTOMERS


def test_a_server_lets_what_a_hold_kept_leave_evenly(lives):
    shop = lives(Case("pace: {late: 20 per hour}\n", steps=AT_ONCE))
    in_transaction(begin_hold, "a look")(shop)
    orders(shop)
    shop.run()
    in_transaction(end_hold)(shop)

    left = [len(sent(shop)) for _ in range(3) if shop.later(minutes=3)]

    assert left == [1, 2, 3]
