"""Whatever is applied in the middle of a piece of work: it is as if it came before or after it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Connection

from store.definitions import Key, save_definitions
from tests.shop import LAYOUT, SETTINGS, Shop
from tests.workers.meanwhile import Meanwhile
from tests.workers.outcome import End, ends_of, members_of
from workers.advance import advance_due
from workers.calendars import keep_calendars, run_calendars
from workers.changes import follow_versions
from workers.deliver import deliver_due
from workers.evaluate import evaluate_changes, evaluate_due
from workers.passes import evaluate_everybody

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VIP = "segment: vip\nmatch: {{trait: tier, is: {tier}}}\n"
WELCOME = """
journey: welcome
topic: service
start: [{{enters: vip}}]
in_flight: move
moved: {moved}
steps:
- {{send: hello, id: hello}}
- {{wait: 1 day, id: pause}}
- {{send: tips, id: {last}}}
"""
THANKS = """
journey: thanks
topic: service
start: [{event: order.completed}]
steps: [{send: thanks}]
"""
DAILY = """
journey: daily
topic: service
start: [{every: {cron: "0 9 * * *", for: vip, zone: UTC}}]
again: always
steps: [{send: daily}]
"""


def mail(subject: str) -> str:
    return (
        f'{{% extends "layouts/brand" %}}{{% block subject %}}{subject}{{% endblock %}}'
        "{% block body %}<p>Hello</p>{% endblock %}"
    )


RULE: Mapping[Key, str] = {("segment", "vip"): VIP.format(tier="gold")}
OLD: Mapping[Key, str] = {
    **RULE,
    ("settings", "rekindle"): SETTINGS,
    ("template", "layouts/brand"): LAYOUT,
    ("journey", "welcome"): WELCOME.format(last="tips", moved="{}"),
    ("journey", "thanks"): THANKS,
    ("journey", "daily"): DAILY,
    **{("template", name): mail(name) for name in ("hello", "tips", "thanks", "daily")},
}
NEW: Mapping[Key, str | None] = {
    ("segment", "vip"): VIP.format(tier="tin"),
    ("journey", "welcome"): WELCOME.format(last="last", moved="{tips: last}"),
    ("journey", "thanks"): None,
    ("template", "daily"): mail("every day"),
    ("template", "tips"): mail("hints"),
}


def save(shop: Shop, texts: Mapping[Key, str | None]) -> None:
    with shop.services.store.begin() as tx:
        save_definitions(tx, texts, shop.clock.now())


@pytest.mark.parametrize("point", range(4, 28, 4))
def test_a_pass_ends_with_the_rule_whose_number_it_bears(shop: Shop, point: int) -> None:
    save(shop, RULE)
    for tier in ("gold", "tin"):
        shop.customer(tier, tier=tier)

    with Meanwhile(shop, lambda tx: save_definitions(tx, NEW_RULE, shop.at), point) as meanwhile:
        evaluate_everybody(shop.services, shop.at)
    if not meanwhile.is_done:
        save(shop, NEW_RULE)
    shop.later(days=2)

    assert members_of(shop, "vip") == ["tin"]


NEW_RULE: Mapping[Key, str | None] = {("segment", "vip"): VIP.format(tier="tin")}


# --- every unit, at every point ------------------------------------------------------------------

Unit = Callable[[Shop], object]
ROUND: list[Unit] = [
    lambda shop: evaluate_changes(shop.services),
    lambda shop: evaluate_due(shop.services),
    lambda shop: run_calendars(shop.services),
    lambda shop: advance_due(shop.services),
    lambda shop: deliver_due(shop.services, shop.process.pool, shop.clock.now()),
]
UNITS: list[Unit] = [
    lambda shop: evaluate_everybody(shop.services, shop.clock.now()),
    lambda shop: follow_versions(shop.services, shop.clock.now()),
    lambda shop: keep_calendars(shop.services, shop.clock.now()),
    *ROUND,
    *ROUND,
]


@dataclass(frozen=True)
class Run:
    """What came of it, and whether the apply found its point inside the unit."""

    members: list[str]
    ends: Mapping[str, End]
    was_inside: bool


@pytest.mark.deep
def test_an_apply_at_any_point_of_any_work_is_one_before_or_after_it(
    fresh_url: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, now: datetime
) -> None:
    def run(unit: int, point: int) -> Run:
        return play(tmp_path_factory.mktemp("shop"), fresh_url(), now, unit, point)

    between = cache(lambda unit: run(unit, -1))
    for unit in range(len(UNITS)):
        point, is_inside = 0, True
        while is_inside:
            found = run(unit, point)
            allowed = [(between(n).members, between(n).ends) for n in (unit, unit + 1)]
            assert (found.members, found.ends) in allowed, f"unit {unit}, point {point}"
            point, is_inside = point + 1, found.was_inside


def play(folder: Path, url: str, now: datetime, chosen: int, point: int) -> Run:
    """Everything is due at once; `NEW` is applied at this point of this unit, or before it (-1)."""
    shop = start(folder, url, now)
    was_inside = False
    for number, unit in enumerate(UNITS):
        if number != chosen:
            unit(shop)
        elif point < 0:
            save(shop, NEW)
            unit(shop)
        else:
            with Meanwhile(shop, lambda tx: apply_new(tx, shop), point) as meanwhile:
                unit(shop)
            was_inside = meanwhile.is_done
            if not was_inside:
                save(shop, NEW)
    if chosen == len(UNITS):
        save(shop, NEW)
    shop.run()
    for _ in range(2):
        shop.later(days=1)
    found = Run(members_of(shop, "vip"), ends_of(shop), was_inside)
    shop.close()
    return found


def apply_new(tx: Connection, shop: Shop) -> None:
    save_definitions(tx, NEW, shop.clock.now())


def start(folder: Path, url: str, now: datetime) -> Shop:
    """A shop with a pass, news, a turn of the calendar and the end of a wait to do."""
    shop = Shop(folder, url, now - 2 * DAY)
    save(shop, OLD)
    for name in ("gold", "tin", "none"):
        shop.customer(name, tier=name)
    shop.run()
    shop.clock.move(DAY)
    shop.customer("waits", tier="gold")
    shop.run()
    shop.clock.at = now + HOUR
    shop.customer("turns-gold", tier="gold")
    shop.customer("turns-tin", tier="tin")
    shop.happens("order.completed", "orders", number=1)
    return shop
