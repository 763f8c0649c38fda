"""Processes whose clocks differ, or jump from one line to the next, end as with one clock."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, cycle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rekindle.clock import FixedClock
from rekindle.services import NoWake
from store.customers import ids_of, load_consents
from store.intake import record_events
from store.records import Identity, IncomingEvent
from store.tables import EPOCH
from tests.conftest import MONDAY
from tests.shop import LAYOUT, Shop
from tests.workers.journeys import traits_of, write_journey
from tests.workers.outcome import End, ends_of, members_of
from workers.doctor import examine
from workers.schedule import run_until_idle
from workers.watching import watch_clock

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WELCOME = """
start: [{event: order.completed}]
steps:
- branch:
  - when: {trait: tier, is: gold}
    steps: [{send: gold}]
  - otherwise: [{send: plain}]
- {wait: 1 day}
- {send: tips}
"""
OFFER = "start: [{event: cart.abandoned}]\nsteps: [{send: offer}]\n"
GOLD = "segment: gold\nmatch: {trait: tier, is: gold}\n"
BUYERS = "segment: buyers\nmatch: {event: order.completed, within: 30 days}\n"


@dataclass
class SkewedClock:
    """Off by the next of these each time it is looked at."""

    base: FixedClock
    off_by: Iterator[timedelta]

    def now(self) -> datetime:
        return self.base.at + next(self.off_by)

    def wall(self) -> datetime:
        return self.now()


@dataclass(frozen=True)
class Skews:
    """By how many seconds the clocks are off; several: by turns."""

    web: tuple[float, ...] = (0,)
    worker: tuple[float, ...] = (0,)
    command: tuple[float, ...] = (0,)


def clock_of(base: FixedClock, seconds: tuple[float, ...]) -> SkewedClock:
    return SkewedClock(base, cycle([timedelta(seconds=one) for one in seconds]))


@dataclass
class Processes:
    """One web, one worker and the command line, each with its own clock."""

    shop: Shop
    skews: Skews
    numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        base = self.shop.clock
        self.web = clock_of(base, self.skews.web)
        self.shop.services.clock = clock_of(base, self.skews.worker)
        self.command = clock_of(base, self.skews.command)

    def apply(self) -> None:
        self.shop.clock, base = FixedClock(self.command.now()), self.shop.clock
        self.shop.apply()
        self.shop.clock = base

    def post(self, customer: str, *said: IncomingEvent) -> None:
        """One batch, as the web stores it: what bears no time of its own happens as it comes."""
        with self.shop.services.store.begin() as tx:
            now = self.web.now()
            events = [self._from(customer, event, now) for event in said]
            found = self.shop.services.settings
            record_events(tx, events, now=now, settings=found)

    def _from(self, customer: str, event: IncomingEvent, now: datetime) -> IncomingEvent:
        return IncomingEvent(
            event.name,
            now,
            f"m{next(self.numbers)}",
            (Identity("external", customer),),
            traits=event.traits,
            consents=event.consents,
        )

    def run(self) -> None:
        """Until nothing is due: two rounds, as a clock that jumps may find the rest later."""
        for _ in range(2):
            run_until_idle(self.shop.services, self.shop.process.pool)

    def later(self, length: timedelta) -> None:
        self.shop.clock.move(length)
        self.run()


def said(name: str, **told: Mapping[str, object]) -> IncomingEvent:
    return IncomingEvent(name, EPOCH, "", (), **told)  # type: ignore[arg-type]


def is_(name: str, **more: object) -> IncomingEvent:
    consents = more.pop("consents", {})
    traits = {"email": f"{name}@example.com", **more}
    return said("customer.identified", traits=traits, consents=consents)  # type: ignore[arg-type]


def live(folder: Path, url: str, now: datetime, skews: Skews) -> tuple[object, Mapping[str, End]]:
    """Three days of a shop in which what is said just before decides what is done."""
    folder.mkdir()
    shop = Shop(folder, url, now)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    for name in ("gold", "plain", "tips", "offer"):
        shop.mail(name, subject=name)
    shop.write("segments/gold.yaml", GOLD)
    shop.write("segments/buyers.yaml", BUYERS)
    write_journey(shop, "welcome", WELCOME)
    write_journey(shop, "offers", OFFER)
    processes = Processes(shop, skews)
    processes.apply()
    processes.run()
    order, cart = said("order.completed"), said("cart.abandoned")

    processes.post("ana", is_("ana"), order)
    processes.post("ben", is_("ben", tier="gold"), order)
    processes.post("cora", is_("cora", consents={"service": "denied"}), cart)
    processes.post("dan", is_("dan"), cart)
    processes.run()
    processes.later(HOUR)
    processes.post("ana", is_("ana", email="ana@new.example"))
    processes.post("ben", is_("ben", tier="tin"))
    (folder / "journeys" / "offers.yaml").unlink()
    shop.mail("tips", subject="hints")
    processes.apply()
    processes.post("eve", is_("eve"), cart, order)
    processes.run()
    for _ in range(3):
        processes.later(DAY)
    members = members_of(shop, "gold"), members_of(shop, "buyers")
    ends = ends_of(shop)
    shop.close()
    return members, ends


A_DAY = 86_400.0
FEW = [
    Skews(web=(A_DAY, 0)),
    Skews(web=(0.3, -3, 0, 3), worker=(0, 0.01, -0.3), command=(A_DAY,)),
]
MORE = [
    Skews(web=(0.3,)),
    Skews(web=(3,)),
    Skews(web=(A_DAY,)),
    Skews(web=(A_DAY, -A_DAY, 0.3)),
    Skews(worker=(-3,)),
    Skews(worker=(0.3, -3, 3)),
    Skews(command=(-A_DAY,)),
]


@pytest.fixture(scope="session")
def with_one_clock(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """How it ends where all clocks agree."""
    folder = tmp_path_factory.mktemp("one-clock")
    shutil.copyfile(sqlite_template, folder / "rekindle.db")
    return live(folder / "shop", f"sqlite:///{folder / 'rekindle.db'}", MONDAY, Skews())


@pytest.mark.parametrize(
    "skews", [*FEW, *(pytest.param(one, marks=pytest.mark.deep) for one in MORE)], ids=str
)
def test_clocks_that_differ_change_nothing(
    skews: Skews,
    fresh_url: Callable[[], str],
    tmp_path: Path,
    now: datetime,
    with_one_clock: object,
) -> None:
    assert live(tmp_path / "many", fresh_url(), now, skews) == with_one_clock


def skews(*seconds: float) -> st.SearchStrategy[tuple[float, ...]]:
    return st.lists(st.sampled_from(seconds), min_size=1, max_size=4).map(tuple)


@pytest.mark.deep
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    skews=st.builds(
        Skews,
        web=skews(0, 0.3, -0.3, 3, -3, A_DAY, -A_DAY),
        worker=skews(0, 0.3, -0.3, 3, -3),
        command=skews(0, 0.3, -3, A_DAY, -A_DAY),
    )
)
def test_any_clocks_change_nothing(
    skews: Skews,
    fresh_url: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
    with_one_clock: object,
) -> None:
    folder = tmp_path_factory.mktemp("clocks")

    assert live(folder / "many", fresh_url(), MONDAY, skews) == with_one_clock


def test_what_was_said_under_a_clock_a_day_ahead_gives_way_to_what_is_said_now(
    shop: Shop,
) -> None:
    processes = Processes(shop, Skews(web=(A_DAY, 0)))

    processes.post("ana", is_("ana", city="Rome", consents={"news": "granted"}))
    processes.post("ana", is_("ana", city="Oslo", consents={"news": "denied"}))

    for _ in range(2):
        assert (traits_of(shop, "ana")["city"], consents_of(shop, "ana")) == (
            "Oslo",
            {"news": "denied"},
        )
        shop.clock.move(2 * DAY)


def test_what_a_clock_wrote_in_the_future_is_an_alarm_until_then(shop: Shop) -> None:
    shop.services.wake = NoWake()
    Processes(shop, Skews(web=(A_DAY,))).post("ana", is_("ana"))
    now = shop.clock.now()
    examined = [finding.kind for finding in examine(shop.services, now)]

    watch_clock(shop.services, now)
    raised = [finding.kind for finding in examine(shop.services, now)]
    watch_clock(shop.services, now + DAY)

    assert examined == raised == ["alarm.clock.ahead"]
    assert examine(shop.services, now + DAY) == []


def consents_of(shop: Shop, customer: str) -> Mapping[str, str]:
    with shop.services.store.read() as connection:
        id_ = ids_of(connection, [customer])[customer]
        return load_consents(connection, [id_], shop.clock.now())[id_]
