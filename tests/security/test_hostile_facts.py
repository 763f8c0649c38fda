"""What is told of a customer costs a bounded time, whatever it says, and holds up nobody else."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from journeys.calendar import find_moment, read_day
from journeys.steps import WaitUntil
from journeys.timing import zone_of
from rekindle.errors import TemplateFailed
from rekindle.locales import digits, direction, fallbacks, is_known, plural
from store.tables import messages
from templates.context import build_context
from templates.facts import LONGEST_FACT, MOST_VALUES, TooLarge, bounded_facts
from templates.render import render_words
from templates.rendering import Budget, Rendering, TooMuch, under_way
from templates.sandbox import HTML, run
from tests.shop import LAYOUT, Shop
from tests.templates.conftest import BRAND, told

SECONDS = 60  # of the processor for all renders together, which take six
HOSTILE_RENDERS = "from tests.security.hostile_renders import main; main()"
MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str, now: datetime) -> Iterator[Shop]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    with closing(Shop(folder, sqlite_url, now)) as opened:
        opened.write("templates/layouts/brand.html.j2", LAYOUT)
        yield opened


def test_no_value_makes_a_filter_an_operator_or_a_method_take_long():
    """In a process of its own that the kernel ends: nothing else could end one call."""
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE_RENDERS, str(SECONDS)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, f"{done.stdout[-300:]}{done.stderr[-2000:]}"
    assert int(done.stdout.splitlines()[-1]) > 2_000


def test_a_mail_over_a_bound_is_refused_with_its_reason_and_the_next_one_leaves(shop: Shop):
    shop.write("journeys/points.yaml", POINTS)
    shop.mail("points", "You have {{ customer.points|plural(other='{n} points') }}.")
    shop.apply()
    for name, points in (("eve", "1e999999"), ("mallory", ["x" * 1_000] * 100), ("ana", 3)):
        shop.customer(name, points=points)
        shop.happens("order.completed", name)

    shop.run()

    with shop.services.store.read() as connection:
        rows = connection.execute(select(messages.c.address, messages.c.reason)).all()
    told_ = {row.address: row.reason for row in rows}
    assert [str(mail["To"]) for mail in shop.mails()] == ["ana@example.com"]
    assert "larger than any that people read" in str(told_["eve@example.com"])
    assert "customer.points is too large for a message" in str(told_["mallory@example.com"])


def test_a_wait_for_a_day_at_the_end_of_the_calendar_holds_up_nobody(shop: Shop):
    shop.write("journeys/renewal.yaml", RENEWAL)
    shop.mail("points")
    shop.apply()
    days = {"eve": "9999-12-31T23:59:59-12:00", "mallory": "0001-01-01", "ana": "2026-03-02"}
    for name, day in days.items():
        shop.customer(name, renewal=day)
        shop.happens("order.completed", name)

    shop.run()

    assert "ana@example.com" in [str(mail["To"]) for mail in shop.mails()]


@pytest.mark.parametrize(
    "value",
    ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "9999-12-31", "0001-01-01",
     "1e999999", "9" * LONGEST_FACT, 10**300, 1e308, -1, {"a": 1}, [1], None, True],
)  # fmt: skip
@pytest.mark.parametrize("shift", [{}, {"before": "300000 days"}, {"after": "300000 days"}])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_no_trait_makes_a_wait_fail(value: object, shift: dict[str, str], zone: str):
    step = WaitUntil.model_validate({"wait_until": {"trait": "x", "at": "09:00", **shift}})

    assert find_moment(step.wait_until, MONDAY, {"x": value}, ZoneInfo(zone)) is None
    assert read_day(value, ZoneInfo(zone)) is None


@pytest.mark.parametrize(
    "tag",
    ["a-" * 30_000, "../../etc/passwd", "-", "_", "x" * 60_000, "\0", "fa-" + "9" * 100, "%s"],
)
def test_no_language_of_a_customer_costs_more_than_a_few_looks(tag: str):
    assert len(fallbacks(tag)) < 20
    assert direction(tag) in ("ltr", "rtl")
    assert plural(3, tag)
    assert len(digits("1", tag)) == 1
    assert is_known(tag) in (True, False)


@pytest.mark.parametrize(
    "name", ["a" * 60_000, "../../etc/passwd", "\0", "/etc/passwd", "a/" * 3_000]
)
def test_a_zone_that_is_none_is_the_brands(name: str):
    assert zone_of(name, ZoneInfo("UTC")) == ZoneInfo("UTC")


@pytest.mark.parametrize(
    "value",
    ["x" * (LONGEST_FACT + 1), list(range(MOST_VALUES + 1)), ["x" * 1_000] * 100, 2**129, [2**129],
     {"a": {"b": ["x" * LONGEST_FACT, "x"]}}, {"x" * (LONGEST_FACT + 1): 1},
     [[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]],
)  # fmt: skip
def test_what_is_too_large_can_be_replaced_and_is_never_written(value: object):
    facts = bounded_facts("event", {"notes": value, "order_id": "o-1"})

    with under_way(Rendering()):
        assert run(HTML.from_string("{{ event.notes|default('-') }}"), {"event": facts}) == "-"
        assert run(HTML.from_string("{{ event.order_id }}"), {"event": facts}) == "o-1"
        for source in ("{{ event.notes }}", "{{ event.notes|length }}", "{{ event.notes[0] }}"):
            with pytest.raises(Exception, match=r"event\.notes is too large for a message"):
                run(HTML.from_string(source), {"event": facts})


def test_what_is_just_small_enough_is_told():
    kept = {
        "notes": "x" * LONGEST_FACT,
        "items": list(range(MOST_VALUES)),
        "n": 2**126,
        "f": 1e308,
    }

    assert bounded_facts("event", kept) == kept


def test_customers_events_and_answers_are_all_bounded():
    large = "x" * (LONGEST_FACT + 1)
    context = build_context(told(traits={"notes": large}), BRAND)

    assert isinstance(context["customer"]["notes"], TooLarge)


def test_what_takes_too_much_of_the_processor_is_refused_by_its_name():
    seconds = count(0, 0.2)
    source = "{% for a in range(900) %}{{ a|abs }}{% endfor %}"

    with pytest.raises(TemplateFailed, match="more than 1 s of the processor's time"):
        render_words(source, {}, stopwatch=lambda: next(seconds))


def test_seconds_count_for_a_whole_mail_and_not_for_each_of_its_parts():
    seconds = count(0, 0.3)
    budget = Budget(stopwatch=lambda: next(seconds))

    for _ in range(3):
        budget.spend(101)
    with pytest.raises(TooMuch):
        budget.spend(101)


POINTS = """
journey: points
topic: service
holdout: none
start: [{event: order.completed}]
steps: [{send: points}]
"""
RENEWAL = """
journey: renewal
topic: service
holdout: none
start: [{event: order.completed}]
steps: [{wait_until: {trait: renewal, before: 3 days}}, {send: points}]
"""
