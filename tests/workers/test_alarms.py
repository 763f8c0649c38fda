"""Every alarm has a name, a remedy, a line in the operators' guide, and something to raise it."""

import ast
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert

from store import alarms
from store.alarms import REMEDIES, load_standing
from store.holds import begin_hold, end_hold
from store.lanes import LaneState, save_lanes
from store.receivers import Receiver, save_receivers
from store.tables import delivery_events, lanes, messages, receivers
from store.web_faults import WebFault, end_web_faults, note_web_faults
from tests.shop import Shop
from workers.doctor import examine
from workers.watching import ENOUGH_REPORTS, REPORTED_WITHIN, forget_news, watch_work

ROOT = Path(__file__).parents[2]
# where each is raised by what raises it in earnest
PROVOKED = {
    "segment.failed": "workers/test_refresh.py",
    "segment.stale": "workers/test_refresh.py",
    "clock.ahead": "workers/test_clocks.py",
    "mail.unwritten": "workers/test_unwritten.py",
    "notice.unwritten": "workers/test_steps.py",
    "journey.complaints": "workers/test_breakers.py",
    "journey.stopped": "workers/test_permission.py",
    "mail.given_up": "workers/test_delivering.py",
    "provider.unavailable": "workers/test_delivering.py",
    "effect.failed": "workers/test_steps.py",
    "sending.held": "workers/test_alarms.py",
    "lane.standstill": "workers/test_alarms.py",
    "receiver.failing": "workers/test_alarms.py",
    "reports.missing": "workers/test_alarms.py",
    "webhooks.refused": "web/test_faults.py",
    "page.broken": "web/test_faults.py",
    "disk.full": "security/test_full_disk.py",
    "source.failing": "workers/test_sources.py",
}
NAMES = {
    value: name
    for name, value in vars(alarms).items()
    if isinstance(value, str) and value in REMEDIES
}


def raised_in_code() -> Iterator[str]:
    """The names of all alarms that the product raises, as they are written at `raise_alarm`."""
    for file in (*ROOT.glob("store/*.py"), *ROOT.glob("workers/*.py"), *ROOT.glob("web/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "raise_alarm":
                kind = node.args[1]
                assert isinstance(kind, ast.Name), f"{file}: {ast.unparse(kind)}"
                if kind.id != "kind":  # of a table of several, all of them named in it
                    yield getattr(alarms, kind.id)


def test_the_guide_for_operators_lists_the_alarms_of_the_code() -> None:
    guide = (ROOT / "docs/operate.md").read_text("utf-8")
    _, _, part = guide.partition("### Alarms\n")
    listed = re.findall(r"^\| `([a-z_.]+)` \|", part.partition("\n#")[0], re.MULTILINE)

    several = {"lane.standstill", "receiver.failing", "reports.missing", "disk.full"}
    several |= {"webhooks.refused", "page.broken"}
    assert set(listed) == set(REMEDIES) == set(raised_in_code()) | several
    assert len(listed) == len(set(listed))


def test_every_alarm_is_provoked_by_a_test() -> None:
    assert set(PROVOKED) == set(REMEDIES)
    for kind, path in PROVOKED.items():
        text = (ROOT / "tests" / path).read_text("utf-8")
        assert kind in text or re.search(rf"\b{NAMES[kind]}\b", text), (kind, path)


# --- those that only a look raises


def a_lane_nobody_works_in(tx: Connection, now: datetime) -> None:
    save_lanes(tx, [LaneState("shop/12/3", "emails", 4, 0, None, "", None, now)])
    due_at = now - timedelta(minutes=5)
    row = {
        "customer_id": 1, "step": "send", "visit": 1, "template": "thanks", "topic": "offers",
        "address": "", "status": "queued", "reason": "", "payload": {}, "attempts": 0,
        "header_id": "<1@example.com>", "queued_at": due_at, "due_at": due_at,
    }  # fmt: skip
    tx.execute(insert(messages), [row])


def a_receiver_that_fails(tx: Connection, now: datetime) -> None:
    until = now + timedelta(minutes=15)
    save_receivers(tx, [Receiver("webhook", "crm.example.com", 3, now, until, "503")])


def emails_nobody_reports_on(tx: Connection, now: datetime) -> None:
    then = now - REPORTED_WITHIN - timedelta(minutes=1)
    tx.execute(
        insert(delivery_events),
        [
            {"message_id": number, "kind": "sent", "occurred_at": then, "known_at": then,
             "details": {}}
            for number in range(ENOUGH_REPORTS)
        ],
    )  # fmt: skip


def a_report(tx: Connection, now: datetime) -> None:
    row = {"message_id": 1, "kind": "delivered", "occurred_at": now, "known_at": now,
           "provider_event_id": "sg-1", "details": {}}  # fmt: skip
    tx.execute(insert(delivery_events), [row])


def a_source_that_is_refused(tx: Connection, now: datetime) -> None:
    then = now - timedelta(minutes=10)
    note_web_faults(tx, [WebFault("source", "chatwoot", 3, then, now, "no secret is set.")])


def a_page_that_breaks(tx: Connection, now: datetime) -> None:
    note_web_faults(tx, [WebFault("page", "/s", 1, now, now, "KeyError at page.py:1")])


Change = Callable[[Connection, datetime], object]
LOOKED_AT: dict[str, tuple[Change, Change]] = {
    "lane.standstill": (a_lane_nobody_works_in, lambda tx, _: tx.execute(delete(lanes))),
    "receiver.failing": (a_receiver_that_fails, lambda tx, _: tx.execute(delete(receivers))),
    "reports.missing": (emails_nobody_reports_on, a_report),
    "webhooks.refused": (
        a_source_that_is_refused,
        lambda tx, _: end_web_faults(tx, [("source", "chatwoot")]),
    ),
    "page.broken": (a_page_that_breaks, lambda tx, _: end_web_faults(tx, [("page", "/s")])),
}


@pytest.mark.parametrize("kind", LOOKED_AT)
def test_what_a_look_finds_is_raised_once_and_cleared(shop: Shop, kind: str) -> None:
    settings = (shop.folder / "rekindle.yaml").read_text()
    sendgrid = "provider: sendgrid\nsendgrid: {api_key: '${KEY}'}\n"
    shop.write("rekindle.yaml", settings.replace("provider: outbox\n", "") + sendgrid)
    shop.environment["KEY"] = "k"
    shop.apply()
    provoke, mend = LOOKED_AT[kind]
    now = shop.clock.now()

    with shop.services.store.begin() as tx:
        provoke(tx, now)
    for _ in range(2):
        watch_work(shop.services, now)
    raised = standing(shop, kind)
    told = [(one.kind, one.remedy) for one in examine(shop.services, now)]
    with shop.services.store.begin() as tx:
        mend(tx, now)
    watch_work(shop.services, now)

    assert len(raised) == 1
    assert [remedy for _, remedy in told if remedy] == [REMEDIES[kind]]
    assert standing(shop, kind) == frozenset()


def test_a_loss_is_told_for_a_week(shop: Shop) -> None:
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        alarms.raise_alarm(tx, alarms.EFFECT, "care/notify", "it failed", now)

    forget_news(shop.services, now + timedelta(days=6))
    before = len(standing(shop, alarms.EFFECT))
    forget_news(shop.services, now + timedelta(days=8))

    assert (before, len(standing(shop, alarms.EFFECT))) == (1, 0)


def test_a_hold_has_an_alarm_while_it_stands(shop: Shop) -> None:
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        begin_hold(tx, "a restore", now)
    before = len(standing(shop, alarms.HELD))
    with shop.services.store.begin() as tx:
        end_hold(tx, now)

    assert (before, len(standing(shop, alarms.HELD))) == (1, 0)


def standing(shop: Shop, kind: str) -> frozenset[str]:
    with shop.services.store.read() as connection:
        return load_standing(connection, kind)
