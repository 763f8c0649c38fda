"""Which lane stands still, and since when: told by whoever is asked, in whichever process."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from rekindle.clock import RunningClock
from rekindle.lane import Lane
from rekindle.lanes import find_standstills, judge
from store.lanes import LaneState, Waiting, load_lanes, save_lanes
from store.tables import messages
from tests.hooks import BUSY, Hook, say
from tests.shop import SETTINGS, Shop, with_webhook
from workers.brokers import open_broker
from workers.doctor import examine
from workers.lanes import Pulse
from workers.providers import Outage, pause_provider
from workers.schedule import work_off

NOW = datetime(2026, 3, 2, 12, 10, tzinfo=UTC)
NOTHING = Waiting(0, None)
WAITING = {
    "customer_id": 0, "template": "notice", "topic": "service", "status": "queued",
    "header_id": "1@shop.test",
}  # fmt: skip


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def state(
    lane: Lane = Lane.EMAILS, busy: int = 0, since: datetime | None = None,
    progress: datetime | None = None,
) -> LaneState:  # fmt: skip
    return LaneState("shop/12/3", lane.value, 4, busy, since, "sending by smtp", progress, NOW)


@pytest.mark.parametrize(
    ("lane", "states", "waiting"),
    [
        (Lane.EMAILS, [], NOTHING),
        (Lane.EMAILS, [], Waiting(80, ago(1))),  # somebody may be starting
        (Lane.EMAILS, [state()], NOTHING),
        (Lane.EMAILS, [state(progress=ago(60))], NOTHING),  # there was nothing to do
        (Lane.EMAILS, [state(progress=ago(0.1))], Waiting(80_000, ago(50))),  # a long queue
        (Lane.EMAILS, [state(progress=ago(50))], Waiting(80, ago(1))),
        (Lane.EMAILS, [state(busy=4, since=ago(1))], Waiting(80, ago(1))),
        (Lane.JOURNEYS, [state(Lane.JOURNEYS, 1, ago(3))], NOTHING),
        (Lane.WEBHOOKS, [state(Lane.WEBHOOKS, 1, ago(19), ago(0.1))], Waiting(3, ago(1))),
    ],
)  # fmt: skip
def test_a_lane_that_moves_or_has_nothing_to_do_is_left_in_peace(
    lane: Lane, states: list[LaneState], waiting: Waiting
) -> None:
    assert judge(lane, states, waiting, NOW) is None


@pytest.mark.parametrize(
    ("lane", "states", "waiting", "said"),
    [
        (
            Lane.EMAILS, [], Waiting(80, ago(6)),
            "no worker serves the lane emails, though 80 are due since 2026-03-02 12:04 UTC.",
        ),
        (
            Lane.EMAILS, [state(progress=ago(6))], Waiting(80, ago(7)),
            "no email has left since 2026-03-02 12:04 UTC, though 80 are due since"
            " 2026-03-02 12:03 UTC.",
        ),
        (
            Lane.WEBHOOKS, [state(Lane.WEBHOOKS)], Waiting(1, ago(6)),
            "no webhook was called since 2026-03-02 12:04 UTC, though 1 is due since"
            " 2026-03-02 12:04 UTC.",
        ),
        (
            Lane.EMAILS, [state(busy=2, since=ago(6)), state(busy=1, since=ago(1))],
            Waiting(80, ago(3)),
            "the lane emails hangs since 2026-03-02 12:04 UTC (sending by smtp; 2 of 4 threads of"
            " process 12 on shop are busy, and 80 wait).",
        ),
        (
            Lane.NOTICES, [state(Lane.NOTICES, 4, ago(6))], NOTHING,
            "the lane notices hangs since 2026-03-02 12:04 UTC (sending by smtp; 4 of 4 threads of"
            " process 12 on shop are busy, and 0 wait).",
        ),
    ],
)  # fmt: skip
def test_a_lane_that_stands_still_is_named(
    lane: Lane, states: list[LaneState], waiting: Waiting, said: str
) -> None:
    standstill = judge(lane, states, waiting, NOW)

    assert standstill is not None
    assert standstill.said == said


def test_a_thread_that_goes_on_with_the_next_piece_does_not_hang() -> None:
    pulse = Pulse()
    with pulse.working(Lane.EMAILS, "sending by smtp"):
        pulse.beat()
        at_work = pulse.state(Lane.EMAILS, 4, NOW)
        elsewhere = pulse.state(Lane.JOURNEYS, 4, NOW)

    after = pulse.state(Lane.EMAILS, 4, NOW)
    assert (at_work.busy, elsewhere.busy, after.busy) == (1, 0, 0)
    assert at_work.progress_at is not None
    assert elsewhere.progress_at is None
    assert (after.busy_since, after.busy_with) == (None, "")


def test_a_process_says_how_its_lanes_are_and_takes_it_back_when_it_ends(shop: Shop) -> None:
    shop.services.clock = RunningClock.started_at(shop.clock.now())
    shop.process.start_workers(open_broker(None), 2, [Lane.JOURNEYS, Lane.WEBHOOKS])
    reporter = shop.process._reporter
    assert reporter is not None
    reporter.say()

    with shop.services.store.read() as connection:
        said = [(one.lane, one.busy) for one in load_lanes(connection)]
    reporter.stop()
    with shop.services.store.read() as connection:
        left = load_lanes(connection)

    assert (said, left) == ([("journeys", 0), ("webhooks", 0)], [])


def test_a_process_that_went_without_a_word_is_missed(shop: Shop) -> None:
    wait_for_a_webhook(shop, "http://127.0.0.1:9/")
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        gone = LaneState("shop/12/3", "webhooks", 4, 0, None, "", None, now)
        save_lanes(tx, [gone])
    with shop.services.store.read() as connection:
        at_once = find_standstills(connection, now)
        later = find_standstills(connection, now + timedelta(minutes=3))

    assert at_once == []
    assert [one.lane for one in later] == [Lane.WEBHOOKS]


def test_emails_that_wait_for_a_paused_provider_are_told_by_its_alarm_alone(shop: Shop) -> None:
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        save_lanes(tx, [LaneState("shop/12/3", "emails", 4, 0, None, "", None, now)])
        tx.execute(insert(messages), [WAITING | {"queued_at": now, "due_at": now}])
    later = now + timedelta(minutes=3)
    with shop.services.store.begin() as tx:
        before = [one.lane for one in find_standstills(tx, later)]
        pause_provider(tx, "outbox", Outage("quota", "used up."), later, is_probe=False)
        while_paused = find_standstills(tx, later)

    assert (before, while_paused) == ([Lane.EMAILS], [])


def test_the_doctor_names_a_receiver_that_fails_and_what_waits_for_it(shop: Shop) -> None:
    with Hook(say(BUSY)) as hook:
        wait_for_a_webhook(shop, hook.url, 5)
        shop.run()

        [found] = examine(shop.services, shop.clock.now())
        name = hook.name

    assert found.kind == "receiver.failing"
    assert found.in_words().startswith(
        f"webhooks to {name} fail since 2026-03-02 09:00 UTC: the webhook was answered with"
        " 503. 5 wait, the next call is at 2026-03-02 09:0"
    )


def wait_for_a_webhook(shop: Shop, url: str, number: int = 1) -> None:
    shop.write("rekindle.yaml", with_webhook(SETTINGS, "secret: whsec_c2VjcmV0"))
    shop.write(
        "journeys/care.yaml",
        "journey: care\ntopic: service\nstart: [{event: order.completed}]\n"
        f"holdout: none\nbecause: a test\nsteps: [{{webhook: '{url}'}}]\n",
    )
    shop.apply()
    for one in range(number):
        shop.customer(f"c{one}")
        shop.happens("order.completed", f"c{one}")
    work_off(shop.services)


def test_a_lane_that_hangs_takes_no_other_down(shop: Shop) -> None:
    """Its threads wait for somebody outside; the pulse of the others goes on."""
    hung, ended = threading.Event(), threading.Event()
    pulse = Pulse()

    def hang() -> None:
        with pulse.working(Lane.EMAILS, "sending by smtp"):
            hung.set()
            ended.wait(10)

    thread = threading.Thread(target=hang)
    thread.start()
    hung.wait(10)
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        save_lanes(tx, [pulse.state(lane, 4, now) for lane in Lane])
    with shop.services.store.begin() as tx:
        later = now + timedelta(minutes=3)
        said = load_lanes(tx)
        save_lanes(tx, [LaneState(**{**vars(one), "said_at": later}) for one in said])
        found = find_standstills(tx, later)
    ended.set()
    thread.join()

    assert [one.lane for one in found] == [Lane.EMAILS]
    assert "hangs since" in found[0].said
