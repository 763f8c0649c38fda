"""Starts that the calendar makes: each customer once a turn, whatever stops or repeats."""

from datetime import timedelta

import pytest

from journeys.permission import Refused
from store.customers import find_customer
from tests.shop import Shop
from tests.workers.journeys import happened, said, started, write_journey
from workers.starts import Wanted, start_by_hand

WEEKLY = """
start:
  - every: {cron: "0 10 * * mon", for: everybody, zone: Europe/Berlin}
again: after exit
steps: [{send: news}]
"""


@pytest.fixture
def weekly(shop: Shop) -> Shop:
    shop.write(
        "segments/everybody.yaml", "segment: everybody\nmatch: {trait: email, exists: true}\n"
    )
    write_journey(shop, "weekly", WEEKLY)
    shop.mail("news")
    shop.customer("ana")
    shop.customer("bo")
    shop.clock.move(timedelta(minutes=1))  # a minute after ten in Berlin: this week's turn is over
    shop.apply()
    shop.run()
    return shop


def test_everybody_in_the_segment_starts_at_each_turn_and_once(weekly: Shop) -> None:
    weekly.later(days=6, hours=23, minutes=59)
    first = started(weekly)
    weekly.run()
    weekly.later(days=7)

    turn, next_turn = "every:2026-03-09T10:00", "every:2026-03-16T10:00"
    assert first == [("ana", turn), ("bo", turn)]
    assert started(weekly) == [*first, ("ana", next_turn), ("bo", next_turn)]


def test_nobody_starts_for_a_turn_before_the_journey_was_applied(weekly: Shop) -> None:
    weekly.later(days=6)

    assert started(weekly) == []


def test_of_the_turns_an_outage_slept_through_the_last_is_made_up_for(weekly: Shop) -> None:
    weekly.later(days=22)

    assert [occurrence for _, occurrence in started(weekly)] == ["every:2026-03-23T10:00"] * 2


def test_a_turn_that_is_made_up_for_is_for_those_who_were_there_then(weekly: Shop) -> None:
    weekly.write("segments/everybody.yaml", "segment: everybody\nmatch: {event: order.completed}\n")
    weekly.apply()
    weekly.happens("order.completed", "ana")
    weekly.run()
    weekly.clock.move(timedelta(days=6))
    weekly.happens("order.completed", "bo")  # which is seen after the turn
    weekly.clock.move(timedelta(days=1, hours=2))
    weekly.customer("cy")
    weekly.happens("order.completed", "cy")  # after the turn

    weekly.run()

    assert [who for who, _ in started(weekly)] == ["ana", "bo"]


BIRTHDAY = """
start: [{on: {trait: birthday, every: year, before: 1 day, at: 09:00}}]
again: always
steps: [{send: news}]
"""


def test_a_birthday_comes_every_year_where_the_customer_lives(shop: Shop) -> None:
    write_journey(shop, "birthday", BIRTHDAY)
    shop.mail("news")
    shop.customer("ana", birthday="1990-03-05", zone="Pacific/Auckland")
    shop.customer("bo", birthday="1991-03-05", zone="America/New_York")
    shop.customer("cy", birthday="tomorrow")
    shop.apply()
    shop.run()

    shop.later(days=2)  # Wednesday, nine in the morning in UTC; ten hours ago it was nine there
    first = started(shop)
    shop.later(hours=5)
    shop.later(days=365)

    assert first == [("ana", "on:birthday:2026-03-05")]
    assert [who for who, _ in started(shop)] == ["ana", "bo", "ana", "bo"]


LATE = "steps: [{send: news, if_late: {after: 12 hours, do: skip}}]"


@pytest.mark.parametrize(("hours", "mails"), [(11, 1), (13, 0)])
@pytest.mark.parametrize(
    "start",
    [
        "on: {trait: birthday, every: year, at: 10:00}",
        'every: {cron: "0 10 2 3 *", for: everybody, zone: UTC}',
    ],
)
def test_what_an_outage_slept_through_is_left_out_where_its_first_step_says_so(
    shop: Shop, start: str, hours: int, mails: int
) -> None:
    everybody = "segment: everybody\nmatch: {trait: email, exists: true}\n"
    shop.write("segments/everybody.yaml", everybody)
    write_journey(shop, "yearly", f"start: [{{{start}}}]\nagain: after exit\n{LATE}\n")
    shop.mail("news")
    shop.customer("ana", birthday="1990-03-02")
    shop.apply()
    shop.run()

    shop.later(hours=1 + hours)  # it is nine

    assert ([who for who, _ in started(shop)], len(shop.mails())) == (["ana"], mails)
    assert said(shop, "ana")[0] == ("send:news", "sent" if mails else "skipped")


def test_a_date_is_acted_upon_once_however_often_it_is_looked_at(shop: Shop) -> None:
    dated = "start: [{on: {trait: renewal, at: 09:30}}]\nagain: always\nsteps: [{send: news}]\n"
    write_journey(shop, "renewal", dated)
    shop.mail("news")
    shop.customer("ana", renewal="2026-03-02")
    shop.apply()
    shop.run()

    for _ in range(5):
        shop.later(minutes=20)

    assert started(shop) == [("ana", "on:renewal:2026-03-02")]


BY_HAND = "start: [api]\nper: order_id\nagain: after exit\nsteps: [{send: news}]\n"


@pytest.fixture
def by_hand(shop: Shop) -> Shop:
    write_journey(shop, "care", BY_HAND)
    shop.mail("news", subject="Order {{ event.order_id }}")
    shop.customer("ana")
    shop.apply()
    shop.run()
    return shop


def ask(shop: Shop, request_id: str, who: str = "ana", **properties: str) -> object:
    with shop.services.store.begin() as tx:
        id_ = find_customer(tx, who)
        assert id_ is not None
        wanted = Wanted("care", id_, request_id, properties)
        return start_by_hand(tx, shop.services.library(), wanted, shop.clock.now())


def test_a_start_by_hand_gives_templates_its_properties_and_happens_once(by_hand: Shop) -> None:
    first = ask(by_hand, "r1", order_id="7")
    again = ask(by_hand, "r1", order_id="7")
    by_hand.run()

    assert first == again
    assert [str(mail["Subject"]) for mail in by_hand.mails()] == ["Order 7"]


def test_one_request_for_several_customers_tells_each_their_own(by_hand: Shop) -> None:
    by_hand.customer("bo")

    ask(by_hand, "r1", order_id="7")
    ask(by_hand, "r1", "bo", order_id="8")
    by_hand.run()

    assert [str(mail["Subject"]) for mail in by_hand.mails("bo@")] == ["Order 8"]


def test_a_start_by_hand_that_may_not_be_says_why(by_hand: Shop) -> None:
    assert ask(by_hand, "r1") == Refused(
        "the properties have no 'order_id', which tells its trips apart"
    )


@pytest.mark.parametrize("status", ["paused", "draining"])
def test_a_journey_that_takes_nobody_records_whom_it_refused(by_hand: Shop, status: str) -> None:
    write_journey(by_hand, "care", f"status: {status}\n{BY_HAND}")
    by_hand.apply()

    answer = ask(by_hand, "r1", order_id="7")

    assert answer == Refused(f"the journey is {status}")
    assert [one["reason"] for one in happened(by_hand, "enrollment.refused")] == [
        f"the journey is {status}"
    ]


def test_journeys_that_start_each_other_stop_after_twenty_rounds_a_day(shop: Shop) -> None:
    again = "again: always\nsteps: [{wait: 1 minute}, {emit: ball.thrown}]\n"
    write_journey(shop, "ping", f"start: [{{event: ball.*}}]\n{again}")
    shop.customer("ana")
    shop.apply()
    shop.happens("ball.kicked", "ana")
    shop.run()

    for _ in range(25):
        shop.later(minutes=1)

    assert len(started(shop)) == 20
    assert len(happened(shop, "enrollment.refused")) == 1
