"""What a rule says in words, what is so of a customer, and what is lacking."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from sqlalchemy import Connection

from rekindle.cli.app import main
from rekindle.looking import Look, explained
from segments.definition import Segment, parse_condition
from store.records import CustomerId
from store.session import Store
from tests.conftest import MONDAY
from tests.segments.history import DAY, HOUR, History
from tests.segments.oracle import World
from tests.segments.rules import NOON, conditions, worlds
from tests.segments.test_oracle import few, lexicon_of, put
from tests.shop import SETTINGS, Shop

SENTENCES = [
    ({"event": "order.completed"}, "order.completed at least once"),
    (
        {"event": ["a.b", "c.d"], "exactly": 0, "within": "30 days"},
        "never a.b or c.d in the last 30 days",
    ),
    (
        {"event": "order.completed", "sum_of": "total", "more_than": 100, "since": "2026-01-01"},
        "the sum of total over order.completed since 2026-01-01 is more than 100",
    ),
    (
        {"event": "order.completed", "where": {"total": {"at_least": 10}}, "between": [2, 5]},
        "order.completed (where total is at least 10) 2 to 5 times",
    ),
    (
        {"channel": "web", "last": {"older_than": "90 days"}},
        "the latest own activity on web was at least 90 days ago",
    ),
    (
        {"event": "ticket.opened", "without_later": ["ticket.closed"], "same": "ticket_id"},
        "ticket.opened with no later ticket.closed of ticket_id at least once",
    ),
    ({"trait": "plan", "in": ["pro", "team"]}, "plan is “pro” or “team”"),
    ({"trait": "renewal", "in_next": "7 days"}, "renewal is in the next 7 days"),
    (
        {"sequence": [{"event": "a.b"}], "then_not": {"event": "c.d", "within": "3 hours"}},
        "a.b and then no c.d within 3 hours",
    ),
    (
        {"trend": {"event": "a.b"}, "over": "30 days", "falls_by": "50%", "from_at_least": 4},
        "a.b fell by 50% or more in the last 30 days against those before (at least 4 then)",
    ),
    ({"journey": "win_back", "status": "never"}, "was never in win_back"),
    ({"message": "any", "opened": True, "at_least": 2}, "any mail opened at least twice"),
    ({"answer": "csat", "at_most": 2, "within": "14 days"},
     "the latest answer to csat is at most 2 in the last 14 days"),
    ({"drift": "lost", "risk": {"at_least": 0.8}},
     "drift is lost with a risk that is at least 0.8"),
    ({"rfm": {"recency": "4..5", "monetary": 5}},
     "recency in fifths 4 to 5 and monetary in fifth 5"),
    ({"all": [{"segment": "x"}, {"any": [{"segment": "y"}, {"not": {"segment": "z"}}]}]},
     "is in x and (is in y or not (is in z))"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "sentence"), SENTENCES)
def test_a_rule_reads_as_a_sentence(written: dict[str, Any], sentence: str):
    assert parse_condition(written).sentence == sentence


def explain(history: History, written: dict[str, Any], customer: int = 1) -> dict[str, Any]:
    history.segments["rule"] = Segment(segment="rule", match=parse_condition(written))
    look = Look(history.tx, history.lexicon, MONDAY)
    return explained(look, "rule", CustomerId(customer))[0]


def test_a_count_says_what_it_is_and_what_is_missing(history: History):
    history.customer(1)
    history.event(1, MONDAY - DAY)
    history.event(1, MONDAY - 40 * DAY)

    found = explain(history, {"event": "order.completed", "at_least": 3, "within": "30 days"})

    assert found["told"] == "1, the latest on 2026-03-01 09:00"
    assert found["lacks"] == "2 more needed"
    assert not found["holds"]


OUTSIDE = [
    {"within": "7 days"},
    {"older_than": "8 days"},
    {"since": "2026-03-01"},
    {"until": "2026-02-01"},
    {"within": "7 days", "where": {"total": 5}},
    {"within": "7 days", "sum_of": "total", "more_than": 0},
]


@pytest.mark.parametrize("when", OUTSIDE)
def test_what_came_outside_the_window_is_told_but_does_not_count(
    history: History, when: dict[str, Any]
):
    history.customer(1)
    history.event(1, MONDAY - 7 * DAY, properties={"total": 5})
    history.event(1, MONDAY + DAY, properties={"total": 5})

    found = explain(history, {"event": "order.completed", **when})

    assert found["told"] == "0, the latest on 2026-02-23 09:00"
    assert found["facts"]["first_at"] == MONDAY - 7 * DAY
    assert not found["holds"]


CART = [{"event": "cart.updated"}]
ORDER = {"event": "order.completed"}


def test_what_broke_a_sequence_is_told(history: History):
    history.customer(1)
    history.event(1, MONDAY - 2 * DAY, "cart.updated")
    history.event(1, MONDAY - DAY)
    history.event(1, MONDAY - HOUR)

    found = explain(history, {"sequence": CART, "then_not": ORDER})
    in_time = explain(history, {"sequence": CART, "then_not": {**ORDER, "within": "1 day"}})
    too_late = explain(history, {"sequence": CART, "then_not": {**ORDER, "within": "3 hours"}})

    told = "1 of 1 steps, the latest on 2026-02-28 09:00"
    broken = f"{told}, and then order.completed on 2026-03-01 09:00"
    assert (found["told"], found["holds"]) == (broken, False)
    assert found["lacks"] == "needed: the steps once more, and then no order.completed"
    assert (in_time["told"], in_time["holds"]) == (broken, False)
    assert in_time["lacks"].endswith("and then no order.completed within 1 day")
    assert (too_late["told"], too_late["lacks"], too_late["holds"]) == (told, "", True)


def test_a_sequence_that_waits_says_until_when(history: History):
    history.customer(1)
    history.event(1, MONDAY - 2 * DAY, "cart.updated")
    history.event(1, MONDAY - DAY)
    history.event(1, MONDAY - HOUR, "cart.updated")

    found = explain(history, {"sequence": CART, "then_not": {**ORDER, "within": "3 hours"}})
    slow = [{**CART[0], "within": "3 days"}, {"event": "order.completed"}]
    too_slow = explain(
        history, {"sequence": slow, "then_not": {"event": "a.b", "within": "2 days"}}
    )

    assert found["holds"]  # of the earlier cart
    history.event(1, MONDAY - 2 * DAY + HOUR)
    found = explain(history, {"sequence": CART, "then_not": {**ORDER, "within": "3 hours"}})
    assert found["told"] == "1 of 1 steps, the latest on 2026-03-02 08:00"
    assert found["lacks"] == "order.completed must not come until 2026-03-02 11:00"
    assert not too_slow["holds"]
    assert too_slow["lacks"].startswith("the steps took too long; needed: the steps once more")


TRENDS = [
    ({"falls_by": "50%"}, "needed: at most 1 now with 3 before"),
    ({"rises_by": "50%"}, "needed: at least 5 now with 3 before"),
    (
        {"falls_by": "30%", "from_at_least": 4},
        "needed: at most 2 now with 4 before",
    ),
]


@pytest.mark.parametrize(("asked", "lacks"), TRENDS)
def test_a_trend_says_how_many_it_needs(history: History, asked: dict[str, Any], lacks: str):
    history.customer(1)
    for days in (1, 2, 8, 9, 10):
        history.event(1, MONDAY - days * DAY)

    found = explain(history, {"trend": ORDER, "over": "7 days", **asked})

    assert (found["holds"], found["told"]) == (False, "2 now, 3 before")
    assert found["lacks"] == lacks


@pytest.mark.parametrize(
    ("asked", "told", "needed"),
    [
        ({"trait": "home.city", "is": "Bonn"}, '"Ulm"', "is “Bonn”"),
        ({"trait": "home.zip", "exists": True}, "missing", "is known"),
        ({"trait": "age", "between": [18, 30]}, "17", "is from 18 to 30"),
        ({"trait": "plan", "is": "pro"}, "missing", "is “pro”"),
    ],
)
def test_a_trait_says_what_is_asked_of_it(
    history: History, asked: dict[str, Any], told: str, needed: str
):
    history.customer(1)
    history.trait(1, "home", {"city": "Ulm"})
    history.trait(1, "age", 17)

    found = explain(history, asked)

    assert (found["holds"], found["told"]) == (False, told)
    assert found["lacks"] == f"needed: one that {needed}"


def test_fifths_are_told_with_those_that_are_asked(history: History):
    for id_ in range(1, 6):
        history.customer(id_)
    for id_ in range(2, 6):
        history.event(id_, MONDAY - id_ * DAY)
    history.customer(6)
    history.event(6, MONDAY - 9 * DAY)
    history.publish(MONDAY - HOUR)
    asked = {"rfm": {"recency": "4..5", "monetary": 5}}
    needed = "needed: recency in fifths 4 to 5 and monetary in fifth 5"

    nobody = explain(history, asked)
    known = explain(history, asked, customer=6)

    assert (nobody["holds"], nobody["lacks"]) == (False, needed)
    assert nobody["told"].startswith("in no fifth")
    assert (known["holds"], known["lacks"]) == (False, needed)
    assert known["told"].startswith("recency 1, frequency 1, monetary 1, as of 2026-03-02 08:00")


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now: datetime) -> Iterator[Shop]:
    settings = SETTINGS.replace("zone: UTC", "zone: Asia/Riyadh")
    (tmp_path / "rekindle.yaml").write_text(settings, encoding="utf-8")
    made = Shop(tmp_path, database_url, now)
    made.write("segments/buyers.yaml", "segment: buyers\nmatch: {event: order.completed}\n")
    made.apply()
    yield made
    made.close()


def test_text_names_the_zone_of_its_times_and_json_writes_it(shop: Shop, capsys, now: datetime):
    shop.customer("anna")
    shop.happened("order.completed", "anna", now - DAY)
    shop.run()
    asked = ["--workspace", str(shop.folder), "--database", shop.url, "--now", now.isoformat()]
    yesterday = now - DAY

    main([*asked, "segment", "buyers", "--explain", "anna"])
    head, row = capsys.readouterr().out.splitlines()
    main([*asked, "--json", "segment", "buyers", "--explain", "anna"])
    document = json.loads(capsys.readouterr().out)
    main([*asked, "segment", "buyers"])
    shown = capsys.readouterr().out

    assert head == "anna is in buyers (times are UTC):"
    assert row.endswith(f"1, the latest on {yesterday:%Y-%m-%d %H:%M}")
    assert document["conditions"][0]["facts"]["last_at"] == f"{yesterday:%Y-%m-%dT%H:%M:%SZ}"
    assert shown.count("(days are Asia/Riyadh, times are UTC)") == 1


def test_what_is_so_is_told_of_every_kind(history: History):
    history.customer(1)
    history.trait(1, "home", {"city": "Ulm"})
    history.enrollment(1, 1, MONDAY - DAY, ended_at=MONDAY - HOUR, ended="goal")
    history.answer(1, 2, MONDAY - DAY)
    history.event(1, MONDAY - 2 * DAY, "cart.updated")
    cart = [{"event": "cart.updated"}, {"event": "order.completed"}]

    assert explain(history, {"trait": "home.city", "is": "Bonn"})["told"] == '"Ulm"'
    assert explain(history, {"journey": "win_back"})["told"] == "goal on 2026-03-02 08:00"
    assert explain(history, {"answer": "csat"})["told"] == "the latest is 2, of 2026-03-01 09:00"
    assert explain(history, {"message": "any"})["told"] == "0 sent"
    found = explain(history, {"sequence": cart})
    assert (found["told"], found["lacks"]) == (
        "1 of 2 steps, the latest on 2026-02-28 09:00",
        "next needed: order.completed",
    )


def test_a_sum_of_more_than_any_float_is_told(history: History):
    history.customer(1)
    for _ in range(2):
        history.event(1, MONDAY - DAY, properties={"total": 1.7e308})

    found = explain(history, {"event": "order.completed", "sum_of": "total", "at_least": 1})

    assert (found["told"], found["holds"]) == ("2e+100, the latest on 2026-03-01 09:00", True)


def test_nothing_is_told_that_was_not_known_then(history: History):
    history.customer(1)
    history.event(1, MONDAY - DAY, known_at=MONDAY + DAY)
    history.enrollment(1, 1, MONDAY + DAY)
    history.answer(1, 2, MONDAY - DAY, known_at=MONDAY + DAY)

    assert explain(history, {"event": "order.completed"})["told"] == "0, none ever"
    assert explain(history, {"journey": "win_back"})["told"] == "never in it"
    assert explain(history, {"answer": "csat"})["told"] == "never answered"


@few
@given(world=worlds(), written=conditions())
def test_any_rule_can_be_explained(store: Store, world: World, written: dict[str, Any]):
    segments = {"rule": parse_condition(written), **world.segments}

    with store.begin() as tx:
        rehearsal = tx.begin_nested()
        put(tx, world)
        found = _explain(tx, World(**{**vars(world), "segments": segments}))
        rehearsal.rollback()

    assert found[0]["depth"] == 0
    assert all(one["words"] for one in found)
    assert all(not one["lacks"] for one in found if one["holds"])


def _explain(tx: Connection, world: World) -> list[dict[str, Any]]:
    return explained(Look(tx, lexicon_of(world), NOON), "rule", CustomerId(1))


def test_drift_says_from_when_on_a_state_will_hold(history: History):
    history.customer(1)
    days_ahead = (-1, 3, 9, 30)
    history.rhythm(1, "goal", 5, [MONDAY + days * DAY for days in days_ahead])

    row = explain(history, {"drift": "drifting"})

    assert row["lacks"] == "drifting from 2026-03-05 09:00 on if nothing happens"


@pytest.mark.parametrize(
    "written",
    [
        {"event": "order.completed", "last": {"within": "7 days"}},
        {"answer": "csat", "at_most": 2},
        {"journey": "win_back", "status": "goal"},
        {"drift": "lost"},
    ],
)
def test_what_has_no_figure_to_compare_says_what_it_needs(
    history: History, written: dict[str, Any]
):
    history.customer(1)

    row = explain(history, written)

    assert row["lacks"] == f"needed: {parse_condition(written).sentence}"
