"""`rekindle customer`: the whole picture of one person, merging, suppressing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.app import main
from rekindle.portrait import load_portrait
from tests.shop import LAYOUT, Shop

Run = Callable[..., Any]
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a workspace with two customers; gives the document it printed."""

    def run_it(*words: str, code: int = 0, as_json: bool = True) -> Any:
        given = ["--workspace", str(tmp_path), "--now", "2026-03-02T09:00:00Z"]
        assert main([*words, *given, *(["--json"] if as_json else [])]) == code
        said = capsys.readouterr()
        return json.loads(said.out) if as_json else said.out + said.err

    customers = tmp_path / "customers.csv"
    customers.write_text("customer_id,email\nana,ana@example.com\nold,old@example.com\n")
    orders = tmp_path / "orders.csv"
    orders.write_text("customer_id,event,occurred_at\nold,Order Completed,2026-02-01T00:00:00Z\n")
    run_it("import", str(customers), str(orders))
    return run_it


def test_a_customer_is_shown_in_the_shape_that_scripts_rely_on(run: Run):
    shown = run("customer", "old")

    assert set(shown) >= {
        "id", "traits", "identities", "events", "segments", "drift", "enrollments", "messages",
        "answers",
    }  # fmt: skip
    assert (shown["id"], shown["traits"]) == ("old", {"email": "old@example.com"})
    assert shown["identities"] == [{"kind": "email", "value": "old@example.com"}]
    (event,) = shown["events"]
    assert set(event) == {"name", "channel", "occurred_at", "message_id", "properties"}
    assert (event["name"], event["occurred_at"]) == ("order.completed", "2026-02-01T00:00:00Z")


def test_people_read_a_timeline(run: Run):
    assert "2026-02-01 00:00  order.completed [store]" in run("customer", "old", as_json=False)


def test_a_merge_moves_everything_and_both_ids_lead_to_the_one(run: Run):
    merged = run("customer", "merge", "ana", "old")

    assert merged == {"id": "ana", "merged": ["old"]}
    assert run("customer", "old") == run("customer", "ana")
    assert [event["name"] for event in run("customer", "ana")["events"]] == [
        "order.completed",
        "customer.merged",
    ]


def test_a_suppressed_customer_s_addresses_are_kept_from_mail(run: Run, capsys: Any):
    assert run("customer", "suppress", "ana", "old") == {
        "suppressed": ["ana@example.com", "old@example.com"]
    }

    exported = run("export", "suppressions", as_json=False)
    reasons = [json.loads(line)["reason"] for line in exported.splitlines()]
    assert reasons == ["person", "person"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("nobody",), 1, "no customer has the id 'nobody'"),
        (("merge", "ana", "nobody"), 1, "no customer has the id 'nobody'"),
        (("merge", "ana"), 2, "customer merge ID OTHER"),
        (("erase", "nobody"), 1, "no customer has the id 'nobody'"),
        (("export", "ana", "old"), 2, "customer export ID"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, words: tuple[str, ...], code: int, sentence: str):
    assert sentence in run("customer", *words, code=code)["error"]


def test_the_past_is_shown_as_it_stood(tmp_path: Path, database_url: str):
    shop = Shop(tmp_path, database_url, MONDAY)
    buyers = 'segment: buyers\nmatch: {event: order.completed, within: "2 days"}\n'
    shop.write("segments/buyers.yaml", buyers)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.mail("thanks")
    steps = '[{wait: "1 day"}, {send: thanks}]'
    start = "[{event: order.completed}]"
    shop.write(
        "journeys/care.yaml", f"journey: care\ntopic: service\nstart: {start}\nsteps: {steps}"
    )
    shop.apply()
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.run()
    before = load_portrait(shop.services, "ana")
    shop.later(days=3)
    after = load_portrait(shop.services, "ana")

    shop.clock.move(-timedelta(days=3))
    again = load_portrait(shop.services, "ana")
    shop.close()
    assert (len(after.mails), after.segments, after.trips[0].ended) == (1, [], "finished")
    assert [one[:2] for one in again.segments] == [one[:2] for one in before.segments]
    assert (again.trips, again.mails, again.events) == (before.trips, [], before.events)
