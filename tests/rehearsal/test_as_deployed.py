"""`simulate` plays what is deployed: before an apply the folder gives what the deployed files give
after it, and both give what the engine does with these files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rekindle.errors import NotFound
from rekindle.rehearsal.backtest import Simulation, compare, play_record, simulate
from rekindle.workspace.applying import NotApplied
from tests.rehearsal.mutations import Author, live_a_while, open_authored
from tests.rehearsal.test_backtest import decided_again, decided_live, deployed_at, mails
from tests.shop import LAYOUT, Shop
from workers.schedule import next_due_at

BEGINS, ENDS = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
BACK = """
journey: back
topic: offers
holdout: none
because: a test
start: [{enters: buyers}]
steps:
  - send: hello
  - wait: 3 days
  - send: story
"""
OTHER = BACK.replace("journey: back", "journey: other").replace("story", "offer")
BUYERS = "segment: buyers\nmatch: {event: order.completed, within: 2 days}\n"
ORDERS = {"ana": [1, 2, 8], "bob": [1], "cem": [0, 5, 12]}  # the days after BEGINS


@contextmanager
def opened(now: datetime) -> Iterator[Shop]:
    with TemporaryDirectory() as room:
        folder = Path(room) / "workspace"
        folder.mkdir()
        shop = Shop(folder, f"sqlite:///{room}/shop.db", now)
        shop.write("templates/layouts/brand.html.j2", LAYOUT)
        for name in ("hello", "story", "offer"):
            shop.mail(name)
        shop.write("segments/buyers.yaml", BUYERS)
        shop.write("journeys/back.yaml", BACK)
        yield shop
        shop.close()


@contextmanager
def with_history() -> Iterator[Shop]:
    """Everything happened long before anything was applied."""
    with opened(NOW) as shop:
        for customer, days in ORDERS.items():
            shop.customer(customer)
            for day in days:
                shop.happened("order.completed", customer, BEGINS + timedelta(days=day, hours=10))
        yield shop


def played(shop: Shop) -> Simulation:
    return simulate(shop.services, "back", BEGINS, ENDS)


def same(one: Simulation, other: Simulation) -> bool:
    """In everything but where the files lie."""
    return replace(one, version="") == replace(other, version="")


def live(shop: Shop) -> None:
    """The same history, lived through by the engine from the beginning of the period on."""
    shop.apply()
    orders = sorted(
        (BEGINS + timedelta(days=day, hours=10), customer)
        for customer, days in ORDERS.items()
        for day in days
    )
    for customer in ORDERS:
        shop.customer(customer)
    shop.run()
    for at, customer in [*orders, (ENDS, "")]:
        pass_until(shop, at)
        if customer:
            shop.happens("order.completed", customer)
        shop.run()


def pass_until(shop: Shop, at: datetime) -> None:
    while True:
        with shop.services.store.read() as connection:
            due_at = next_due_at(connection)
        if due_at is None or due_at >= at:
            shop.clock.at = at
            return
        shop.clock.at = max(due_at, shop.clock.at)
        shop.run()


def test_an_apply_changes_nothing_of_what_the_folder_gave() -> None:
    shorter = BACK.replace("3 days", "1 day")
    with with_history() as shop:
        shop.apply()
        first = played(shop)
        shop.write("journeys/back.yaml", shorter)
        folder = played(shop)
        shop.apply()
        deployed = played(shop)
        ours, theirs = compare(shop.services, "back", BEGINS, ENDS, against=("old.yaml", BACK))

    assert same(folder, deployed)
    assert same(ours, deployed)
    assert same(theirs, first)
    assert first.trips != deployed.trips


TEXTS = st.one_of(
    st.sampled_from(["1 day", "3 days", "5 days"]).map(
        lambda wait: ("journeys/back.yaml", BACK.replace("3 days", wait))
    ),
    st.sampled_from(["story", "offer"]).map(
        lambda mail: ("journeys/back.yaml", BACK.replace("story", mail) + "again: always\n")
    ),
    st.sampled_from(["1 day", "2 days", "30 days"]).map(
        lambda within: ("segments/buyers.yaml", BUYERS.replace("2 days", within))
    ),
    st.sampled_from(["", "caps: {all: 1 per 7 days}\n"]).map(lambda caps: ("rekindle.yaml", caps)),
    st.sampled_from(["Bye", "Hello"]).map(lambda body: ("mail", body)),
    st.just(("journeys/other.yaml", OTHER)),
    st.just(("gone", "journeys/other.yaml")),
    st.just(("apply", "")),
)


def change(shop: Shop, what: str, text: str) -> None:
    """Carry out one of these edits, or an apply an hour later."""
    match what:
        case "apply":
            shop.clock.move(timedelta(hours=1))
            shop.apply()
        case "mail":
            shop.mail("story", text)
        case "gone":
            (shop.folder / text).unlink(missing_ok=True)
        case "rekindle.yaml":
            kept = (shop.folder / what).read_text().split("caps:")[0]
            shop.write(what, kept + text)
        case _:
            shop.write(what, text)


def as_the_engine_does(edits: list[tuple[str, str]]) -> None:
    with with_history() as shop, opened(BEGINS) as engine:
        shop.apply()
        for what, text in edits:
            change(shop, what, text)
            if what != "apply":
                change(engine, what, text)
        folder = played(shop)
        shop.apply()
        deployed = played(shop)
        live(engine)

        assert same(folder, deployed)
        assert decided_again(deployed) == decided_live(engine, "back")


@settings(max_examples=2, derandomize=True)
@given(st.lists(TEXTS, min_size=3, max_size=8))
def test_what_is_deployed_decides_as_the_engine_does_now(edits: list[tuple[str, str]]) -> None:
    as_the_engine_does(edits)


@pytest.mark.deep
@settings(max_examples=40)
@given(st.lists(TEXTS, min_size=1, max_size=10))
def test_any_edits_and_applies_decide_as_the_engine_does_now(edits: list[tuple[str, str]]) -> None:
    as_the_engine_does(edits)


def before_and_after(author: Author, begins: datetime) -> None:
    """Each journey as in the folder, then as deployed."""
    shop, journeys = author.shop, sorted(author.journeys)

    def all_played() -> list[Simulation]:
        now = shop.clock.now()
        return [simulate(shop.services, name, begins, now) for name in journeys]

    folder = all_played()
    try:
        shop.apply()
    except NotApplied:  # a move that leaves somebody no place
        author.move_nobody()
        folder = all_played()
        shop.apply()
    for before, after in zip(folder, all_played(), strict=True):
        assert same(before, after), before.journey


def any_record(folder: Path, url: str, now: datetime, seed: int, edits: int) -> None:
    """A live shop with edits and pauses: an apply is as the folder was, and the record is kept."""
    chance = Random(seed)
    shop, author = open_authored(folder, url, now, chance)
    for _ in range(edits):
        live_a_while(shop, chance, days=2)
        author.edit()
        shop.clock.move(timedelta(minutes=1))
        before_and_after(author, chance.choice([now, shop.clock.now() - timedelta(days=1)]))
        shop.run()
    for journey in sorted(author.journeys):
        begins = deployed_at(shop, journey)
        again = play_record(shop.services, journey, begins, shop.clock.now())
        assert decided_again(again) == decided_live(shop, journey), journey
    shop.close()


@pytest.mark.parametrize("seed", [400])
def test_an_apply_in_a_live_shop_is_as_the_folder_was(
    tmp_path: Path, sqlite_url: str, now: datetime, seed: int
) -> None:
    any_record(tmp_path / "workspace", sqlite_url, now, seed, edits=1)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(410, 416))
def test_every_apply_in_a_live_shop_is_as_the_folder_was(
    tmp_path: Path, database_url: str, now: datetime, seed: int
) -> None:
    any_record(tmp_path / "workspace", database_url, now, seed, edits=2)


def test_a_journey_that_nobody_applied_has_no_record(shop: Shop) -> None:
    with pytest.raises(NotFound, match="there is no record of it"):
        play_record(shop.services, "back", BEGINS, ENDS)


def test_mails_are_counted_in_the_version_that_is_deployed() -> None:
    with with_history() as shop:
        shop.apply()
        shop.write("journeys/back.yaml", BACK.replace("send: story", "send: offer"))
        shop.apply()

        assert {step for _, step in mails(played(shop))} == {"send:hello", "send:offer"}
