"""Who counts in the comparison with the held-out, and when: on every database."""

from datetime import timedelta

import pytest

from rekindle.measuring import load_uplift
from tests.shop import LAYOUT, Shop

DAY = timedelta(days=1)
GOAL = "goal: {event: order.completed, within: 10 days, value: total}"
HELLO = f"""
journey: hello
topic: offers
start: [{{event: account.opened}}]
again: always
{GOAL}
holdout: %s
steps: [{{wait: 1 day}}, {{send: hello}}]
"""


@pytest.fixture
def shop(tmp_path, database_url, now):
    shop = Shop(tmp_path, database_url, now)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.mail("hello")
    shop.write("journeys/hello.yaml", HELLO % "50%")
    shop.apply()
    shop.run()
    yield shop
    shop.close()


def opened(shop, count, first=0):
    for number in range(first, first + count):
        shop.customer(f"c{number}")
        shop.happens("account.opened", f"c{number}")
    shop.run()


def look(shop):
    services = shop.services
    with services.store.read() as connection:
        return load_uplift(connection, services.library(), "hello", shop.clock.now())


def sums(uplift):
    groups = (uplift.mailed, uplift.held_out)
    return tuple(
        sum(getattr(one, name) for one in groups) for name in ("customers", "reached", "value")
    )


def test_an_outcome_counts_once_the_window_has_closed(shop):
    opened(shop, 3)
    shop.later(days=5)
    before = look(shop)
    shop.later(days=5)

    assert (before.split.customers, sums(before)) == (3, (0, 0, 0))
    assert sums(look(shop))[0] == 3


def test_orders_count_from_the_start_to_the_end_of_the_window_in_both_groups(shop):
    shop.happened("order.completed", "c0", shop.clock.now() - DAY, total=1)
    opened(shop, 40)
    for number in range(40):
        shop.happens("order.completed", f"c{number}", total=20)
    shop.later(days=9)
    for number in range(0, 40, 2):
        shop.happens("order.completed", f"c{number}", total=5)
    shop.later(days=2)
    for number in range(40):
        shop.happens("order.completed", f"c{number}", total=1000)
    shop.later(days=1)

    assert sums(look(shop)) == (40, 40, 40 * 20 + 20 * 5)


@pytest.mark.parametrize(
    ("total", "counted"), [(1.7e308, 1e100), (-1.7e308, -1e100), (1e-200, 1e-200)]
)
def test_no_order_is_too_large_or_too_small_to_be_compared(shop, total, counted):
    opened(shop, 2)
    for _ in range(2):
        shop.happens("order.completed", "c0", total=total)
    shop.later(days=10)

    found = look(shop)

    assert sums(found) == (2, 1, 2 * counted)
    assert sum(one.squares for one in (found.mailed, found.held_out)) == (2 * counted) ** 2


def test_the_groups_are_told_apart(shop):
    opened(shop, 60)
    with shop.services.store.read() as connection:
        held = connection.exec_driver_sql("SELECT sum(CASE WHEN is_held_out THEN 1 ELSE 0 END) "
                                          "FROM enrollments").scalar()  # fmt: skip
    shop.later(days=10)
    found = look(shop)

    assert (found.mailed.customers, found.held_out.customers) == (60 - held, held)
    assert (found.split.held_out, found.split.expected, found.standing) == (held, 0.5, "unclear")


def test_only_the_first_enrollment_of_a_customer_counts(shop):
    opened(shop, 1)
    shop.later(days=2)
    shop.happens("account.opened", "c0")
    shop.run()
    shop.later(days=20)

    assert sums(look(shop))[0] == 1


def test_a_changed_share_begins_the_comparison_anew(shop):
    opened(shop, 2)
    shop.later(days=20)
    shop.write("journeys/hello.yaml", HELLO % "30%")
    shop.apply()
    opened(shop, 3, first=10)
    shop.later(days=1)
    shop.write("journeys/hello.yaml", (HELLO % "30%") + "note: no other share\n")
    shop.apply()
    shop.later(days=20)

    found = look(shop)
    assert (sums(found)[0], found.split.expected) == (3, 0.3)


def test_a_goal_that_is_an_absence_is_reached_by_those_who_did_nothing(shop):
    goal = "goal: {not: {event: ticket.opened}, within: 7 days}"
    shop.write(
        "journeys/hello.yaml",
        (HELLO % "50%").replace(
            "goal: {event: order.completed, within: 10 days, value: total}", goal
        ),
    )
    shop.apply()
    opened(shop, 10)
    for number in range(4):
        shop.happens("ticket.opened", f"c{number}", ticket_id=str(number))
    shop.later(days=8)

    assert sums(look(shop)) == (10, 6, 0)


@pytest.mark.parametrize(
    ("written", "standing"),
    [
        ((HELLO % "50%").replace(GOAL, ""),
         "no_goal"),
        (HELLO % "none\nbecause: small", "no_holdout"),
    ],
)  # fmt: skip
def test_without_goal_or_holdout_there_is_nothing_to_compare(shop, written, standing):
    shop.write("journeys/hello.yaml", written)
    shop.apply()

    assert look(shop).standing == standing
