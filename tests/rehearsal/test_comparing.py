"""Two versions are compared on one footing: what does not differ in the files differs nowhere."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from rekindle.rehearsal.backtest import Simulation, compare, play_record, simulate
from tests.rehearsal.mutations import live_a_while, open_authored
from tests.rehearsal.test_backtest import (
    WELCOME,
    click,
    decided_again,
    decided_live,
    deployed_at,
    mails,
    two_join,
)
from tests.shop import Shop

BUYERS = """
segment: buyers
match: {event: order.completed, within: 30 days}
"""
THANKS = """
journey: thanks
topic: offers
holdout: none
because: a test
start: [{enters: buyers}]
steps:
  - send: hello
  - wait: 1 day
  - send: story
"""


def compared(shop: Shop, journey: str, begins: datetime, text: str) -> tuple[Simulation, ...]:
    version = ("other.yaml", text.lstrip())
    return compare(shop.services, journey, begins, shop.clock.now(), against=version)


def same(one: Simulation, other: Simulation) -> bool:
    """In everything but the name of the version."""
    return replace(one, version="") == replace(other, version="")


def thanked(shop: Shop, text: str = THANKS) -> None:
    """The segment and the journey are there."""
    for name in ("hello", "offer", "story"):
        shop.mail(name)
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", text)
    shop.apply()
    shop.run()


def test_an_outage_makes_no_difference_between_a_version_and_itself(shop: Shop) -> None:
    two_join(shop)
    shop.apply()
    begins = shop.clock.now()
    shop.happens("customer.joined", "ana")
    shop.run()
    shop.clock.move(timedelta(hours=1))
    shop.happens("customer.joined", "bob")  # and the engine sleeps
    shop.later(hours=30)
    shop.later(days=3)

    ours, theirs = compared(shop, "welcome", begins, WELCOME)

    assert same(ours, theirs)
    assert {trip.entered_at - begins for trip in ours.trips} == {
        timedelta(), timedelta(hours=1)
    }  # fmt: skip


def test_a_note_makes_no_difference_whatever_the_engine_slept_through(shop: Shop) -> None:
    thanked(shop)
    begins = shop.clock.now()
    shop.clock.move(timedelta(hours=2))
    for customer in ("ana", "bob"):
        shop.customer(customer)
    shop.happens("order.completed", "ana")
    shop.later(hours=40)
    shop.happens("order.completed", "bob", ago=timedelta(hours=20))
    shop.later(hours=40)
    shop.later(days=2)

    ours, theirs = compared(shop, "thanks", begins, THANKS + "    note: as before\n")

    assert same(ours, theirs)
    assert len(mails(ours)) == 4


TWO = """
journey: two
topic: offers
holdout: none
because: a test
start: [{event: order.completed}]
steps:
  - send: hello
  - send: story
"""


def test_a_cap_that_is_loosened_refuses_nobody_as_the_old_one_did(shop: Shop) -> None:
    for name in ("hello", "story"):
        shop.mail(name)
    shop.write("journeys/two.yaml", TWO)
    settings = (shop.folder / "rekindle.yaml").read_text()
    shop.write("rekindle.yaml", settings + "caps: {all: 1 per 7 days}\n")
    shop.apply()
    begins = shop.clock.now()
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.later(hours=1)
    shop.later(days=3)
    as_it_was = mails(simulate(shop.services, "two", begins, shop.clock.now()))
    shop.write("rekindle.yaml", settings + "caps: {all: 9 per 7 days}\n")

    loosened = simulate(shop.services, "two", begins, shop.clock.now())

    assert (len(as_it_was), len(mails(loosened))) == (1, 2)


def test_a_template_that_is_mended_reaches_those_whom_the_broken_one_did_not(shop: Shop) -> None:
    shop.mail("hello", "{{ event.shoe }}")
    shop.mail("story")
    shop.write("journeys/two.yaml", TWO)
    shop.apply()
    begins = shop.clock.now()
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.later(hours=1)
    shop.mail("hello", "{{ event.shoe | default('') }}")

    mended = simulate(shop.services, "two", begins, shop.clock.now())

    assert [step for _, step in mails(mended)] == ["send:hello", "send:story"]


def test_a_comment_moves_nobody(shop: Shop) -> None:
    text = THANKS.replace("topic: offers", "topic: offers\nin_flight: drain")
    thanked(shop, text)
    shop.customer("ana")
    shop.later(hours=1)
    shop.happens("order.completed", "ana")
    shop.run()
    shop.later(hours=5)
    begins = shop.clock.now()
    shop.later(days=2)

    ours, theirs = compared(shop, "thanks", begins, text + "# as before\n")

    assert same(ours, theirs)
    assert mails(theirs) == [("ana", "send:story")]


def test_one_is_not_the_same_as_true(shop: Shop) -> None:
    text = THANKS.replace("- send: hello", "- {send: hello, only_if: {trait: vip, is: true}}")
    thanked(shop, text)
    begins = shop.clock.now()
    shop.later(hours=1)
    shop.customer("ana", vip=True)
    shop.happens("order.completed", "ana")
    shop.later(days=2)

    ours, other = compared(shop, "thanks", begins, text.replace("is: true", "is: 1"))

    assert ("ana", "send:hello") in mails(ours)
    assert mails(other) == [("ana", "send:story")]


def test_a_segment_that_came_within_the_period_starts_nobody_before_it_came(shop: Shop) -> None:
    two_join(shop)
    shop.apply()
    begins = shop.clock.now()
    shop.later(hours=1)
    shop.happens("order.completed", "ana")
    shop.later(hours=1)
    thanked(shop)
    shop.later(hours=5)
    shop.happens("order.completed", "bob")
    shop.run()
    shop.later(days=1)
    shop.later(days=1)

    ours, theirs = compared(shop, "thanks", begins, THANKS)
    _, shorter = compared(shop, "thanks", begins, THANKS.replace("1 day", "2 hours"))

    assert same(ours, theirs)
    assert decided_again(ours) == decided_live(shop, "thanks")
    assert mails(shorter) == mails(ours) == [("bob", "send:hello"), ("bob", "send:story")]


def test_what_was_edited_within_the_period_is_played_as_it_is_now(shop: Shop) -> None:
    thanked(shop)
    begins = shop.clock.now()
    for customer in ("ana", "bob"):
        shop.customer(customer)
    shop.later(hours=1)
    shop.happens("order.completed", "ana")
    shop.later(days=2)
    edited = THANKS.replace("send: story", "send: offer")
    shop.write("segments/buyers.yaml", BUYERS.replace("30 days", "60 days"))
    thanked(shop, edited)
    shop.later(hours=1)
    shop.happens("order.completed", "bob")
    shop.run()
    shop.later(days=2)

    ours, same_again = compared(shop, "thanks", begins, edited)
    _, earlier = compared(shop, "thanks", begins, THANKS)
    alone = simulate(shop.services, "thanks", begins, shop.clock.now())
    record = play_record(shop.services, "thanks", begins, shop.clock.now())

    assert same(ours, same_again)
    assert same(ours, alone)
    assert later_mails(ours) == [("ana", "send:offer"), ("bob", "send:offer")]
    assert later_mails(earlier) == [("ana", "send:story"), ("bob", "send:story")]
    assert later_mails(record) == [("ana", "send:story"), ("bob", "send:offer")]
    assert decided_again(record) == decided_live(shop, "thanks")


def later_mails(simulation: Simulation) -> list[tuple[str, str]]:
    return [mail for mail in mails(simulation) if "hello" not in mail[1]]


def test_a_segment_edited_within_the_period_is_so_where_another_file_differs(shop: Shop) -> None:
    thanked(shop)
    begins = shop.clock.now()
    shop.customer("ana")
    shop.later(hours=1)
    shop.write("segments/buyers.yaml", BUYERS.replace("order.completed", "order.paid"))
    shop.apply()
    shop.later(hours=1)
    shop.happens("order.paid", "ana")
    shop.later(days=3)
    shop.write("journeys/thanks.yaml", THANKS.replace("1 day", "2 days"))

    edited = simulate(shop.services, "thanks", begins, shop.clock.now())

    assert mails(edited) == [("ana", "send:hello"), ("ana", "send:story")]


def test_late_events_make_no_difference(shop: Shop) -> None:
    two_join(shop)
    text = WELCOME.replace("message: hello, clicked: true", "event: order.completed")
    shop.write("journeys/welcome.yaml", text)
    shop.apply()
    begins = shop.clock.now()
    for customer in ("ana", "bob"):
        shop.happens("customer.joined", customer, ago=timedelta(hours=5))
    shop.later(hours=3)
    click(shop, "ana")
    shop.clock.move(timedelta(days=1))
    shop.happens("order.completed", "ana", ago=timedelta(hours=20))
    shop.later(days=2)
    shop.happens("order.completed", "bob", ago=timedelta(days=2))
    shop.later(days=1)

    ours, theirs = compared(shop, "welcome", begins, text)
    _, other = compared(shop, "welcome", begins, text.replace("send: story", "send: offer"))

    assert same(ours, theirs)
    assert ("bob", "branch.otherwise.send:story") in mails(ours)
    assert ("bob", "branch.otherwise.send:offer") in mails(other)


def test_what_only_another_version_names_is_there_for_it_from_the_beginning(shop: Shop) -> None:
    thanked(shop)
    begins = shop.clock.now()
    shop.customer("ana")
    shop.later(hours=1)
    shop.happens("order.completed", "ana")
    shop.later(days=2)
    shop.mail("sorry")
    shop.apply()
    shop.later(hours=1)

    ours, other = compared(shop, "thanks", begins, THANKS.replace("send: hello", "send: sorry"))

    assert mails(ours) == [("ana", "send:hello"), ("ana", "send:story")]
    assert mails(other) == [("ana", "send:sorry"), ("ana", "send:story")]


def any_life(folder: Path, url: str, now: datetime, seed: int, edits: int) -> None:
    """Live for some days with pauses, late events and edits; then compare all with itself."""
    chance = Random(seed)
    shop, author = open_authored(folder, url, now, chance)
    for _ in range(edits):
        live_a_while(shop, chance, days=2)
        author.edit()
        author.apply()
        shop.run()
    live_a_while(shop, chance, days=2)
    for journey in sorted(author.journeys):
        text = (shop.folder / "journeys" / f"{journey}.yaml").read_text() + "# as before\n"
        for begins in (now, deployed_at(shop, journey), shop.clock.now() - timedelta(days=3)):
            ours, theirs = compared(shop, journey, begins, text)
            assert same(ours, theirs), journey
    shop.close()


@pytest.mark.parametrize("seed", [200, pytest.param(201, marks=pytest.mark.deep)])
def test_any_workspace_compared_with_itself_is_the_same(
    tmp_path: Path, sqlite_url: str, now: datetime, seed: int
) -> None:
    any_life(tmp_path / "workspace", sqlite_url, now, seed, edits=1)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(300, 310))
def test_any_workspace_compared_with_itself_is_the_same_through_many_edits(
    tmp_path: Path, database_url: str, now: datetime, seed: int
) -> None:
    any_life(tmp_path / "workspace", database_url, now, seed, edits=3)
