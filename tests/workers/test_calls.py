"""Calls out: each once, a few at a time to each receiver, and none that waits for another."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from rekindle.clock import RunningClock
from rekindle.errors import ProviderUnavailable, StoreUnavailable
from rekindle.lane import Lane
from rekindle.services import NoWake
from store.effects import claim_effects, list_claims, list_receivers
from store.erasing import erase_customer
from store.receivers import Receiver, load_receivers
from store.records import CustomerId
from store.tables import customers, effects
from tests.hooks import BUSY, OK, Hook, drip_body, drip_slowly, hang, say
from tests.shop import SETTINGS, Shop, with_webhook
from workers import calls, notices
from workers.call_results import Call
from workers.calls import CallLane, Limits
from workers.lease import worker_name
from workers.schedule import work_off

QUICK = Limits(grace_seconds=0.1, renew_seconds=0.05, look_seconds=0.05)
PATIENCE_SECONDS = 10
JOURNEY = """
journey: {name}
topic: service
start: [{{event: {event}}}]
holdout: none
because: a test
steps: [{{webhook: "{url}"}}]
"""


@pytest.fixture(autouse=True)
def seconds(shop: Shop) -> None:
    shop.write("rekindle.yaml", with_webhook(SETTINGS, "secret: whsec_c2VjcmV0, timeout: 1 second"))


def want(shop: Shop, hook: Hook, number: int, name: str = "care") -> None:
    """So many webhooks to `hook` are due, none of them made."""
    event = f"{name}.wanted"
    shop.write(f"journeys/{name}.yaml", JOURNEY.format(name=name, url=hook.url, event=event))
    shop.apply()
    for one in range(number):
        shop.customer(f"{name}{one}")
        shop.happens(event, f"{name}{one}")
    work_off(shop.services)


def statuses(shop: Shop) -> list[tuple[str, int]]:
    with shop.services.store.read() as connection:
        query = select(effects.c.status, effects.c.attempts).order_by(effects.c.id)
        return [(row.status, row.attempts) for row in connection.execute(query)]


@contextmanager
def running(shop: Shop, *lanes: CallLane) -> Iterator[None]:
    """The lanes at work on a clock that runs."""
    shop.services.clock = RunningClock.started_at(shop.clock.now())
    for lane in lanes:
        lane.start()
        lane.wake()
    try:
        yield
    finally:
        for lane in lanes:
            lane.stop(PATIENCE_SECONDS)


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(PATIENCE_SECONDS * 100):
        if is_so():
            return
        time.sleep(0.01)
    pytest.fail("it never came to that")


def test_a_slow_receiver_gets_each_call_once_whoever_else_looks_for_work(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LEASE", timedelta(seconds=1.5))
    shop.write("rekindle.yaml", SETTINGS)  # fifteen seconds
    with Hook(say(OK, after=2.5)) as hook:
        want(shop, hook, 6)
        lanes = [CallLane(shop.services, Lane.WEBHOOKS, QUICK) for _ in range(2)]
        with running(shop, *lanes):
            while len(done(shop)) < 6:
                for lane in lanes:
                    lane.wake()
                time.sleep(0.1)

        assert sorted(hook.ids.values()) == [1] * 6
    assert statuses(shop) == [("done", 1)] * 6


def test_lanes_of_one_process_never_hold_the_same_claim(shop: Shop) -> None:
    lanes = [CallLane(shop.services, Lane.WEBHOOKS, QUICK) for _ in range(2)]
    with Hook(hang) as first, Hook(hang) as second, running(shop, *lanes):
        want(shop, first, QUICK.a_receiver, "first")
        lanes[0].wake()
        wait_until(lambda: first.calls == QUICK.a_receiver)
        want(shop, second, QUICK.a_receiver, "second")
        lanes[1].wake()
        wait_until(lambda: second.calls == QUICK.a_receiver)

        with shop.services.store.read() as connection:
            claims = list_claims(connection)
        by_lane = [{call.claim for call in lane._running.values()} for lane in lanes]
        assert by_lane[0].isdisjoint(by_lane[1])
        assert set(claims.values()) == by_lane[0] | by_lane[1]


def done(shop: Shop) -> list[tuple[str, int]]:
    return [one for one in statuses(shop) if one[0] == "done"]


def test_a_receiver_is_called_a_few_times_at_once_and_another_need_not_wait(shop: Shop) -> None:
    with Hook(hang) as slow, Hook(say(OK)) as quick:
        want(shop, slow, 20, "slow")
        want(shop, quick, 20, "quick")
        lane = CallLane(shop.services, Lane.WEBHOOKS, QUICK)
        with running(shop, lane):
            wait_until(lambda: len(done(shop)) == 20)
            assert slow.calls == slow.most_at_once == QUICK.a_receiver
        assert quick.most_at_once <= QUICK.a_receiver


@pytest.mark.parametrize("answer", [hang, drip_slowly], ids=["hangs", "drips"])
def test_a_call_has_a_deadline_as_a_whole(shop: Shop, answer: Callable[..., None]) -> None:
    with Hook(answer) as hook:
        want(shop, hook, 1)
        began = time.monotonic()

        shop.run()

        assert 0.9 < time.monotonic() - began < PATIENCE_SECONDS
    assert statuses(shop) == [("due", 1)]
    [receiver] = failing(shop)
    assert "did not answer" in receiver.error


def test_of_an_answer_no_more_than_its_status_is_waited_for(shop: Shop) -> None:
    with Hook(drip_body) as hook:
        want(shop, hook, 1)
        shop.run()

    assert statuses(shop) == [("done", 1)]


def test_a_receiver_that_fails_is_left_alone_and_what_waits_for_it_is_charged_nothing(
    shop: Shop,
) -> None:
    with Hook(say(BUSY)) as hook:
        want(shop, hook, 30)

        shop.run()
        first = hook.calls
        shop.run()
        assert hook.calls == first <= 2 * Limits().a_receiver
        shop.later(minutes=1)
        assert hook.calls == first + 1  # one call shows that it still fails
        tried = [attempts for _, attempts in statuses(shop)]
        assert (sum(tried), max(tried)) == (hook.calls, 1)
        [receiver] = failing(shop)
        assert receiver.resting_until is not None
        assert receiver.resting_until - shop.clock.now() > timedelta(minutes=1)

        hook.answer = say(OK)
        shop.later(minutes=6)

    assert [status for status, _ in statuses(shop)] == ["done"] * 30
    assert failing(shop) == []


def failing(shop: Shop) -> list[Receiver]:
    with shop.services.store.read() as connection:
        return load_receivers(connection)


def test_a_receiver_says_itself_for_how_long_it_is_left_alone(shop: Shop) -> None:
    later = BUSY.replace(b"Content-Length", b"Retry-After: 3600\r\nContent-Length")
    with Hook(say(later)) as hook:
        want(shop, hook, 1)
        shop.run()
        shop.later(minutes=59)
        assert hook.calls == 1
        shop.later(minutes=2)
        assert hook.calls == 2


def test_an_answer_about_one_call_holds_up_no_other(shop: Shop) -> None:
    with Hook(say(BUSY.replace(b"503", b"404"))) as hook:
        want(shop, hook, 12)
        shop.run()

        assert hook.calls == 12
    assert failing(shop) == []


def test_a_result_is_written_only_where_the_claim_is_still_ours(shop: Shop) -> None:
    """Its process was asleep for so long that another took the call over."""
    with Hook(hang) as hook:
        want(shop, hook, 1)
        lane = CallLane(shop.services, Lane.WEBHOOKS, QUICK)
        with running(shop, lane):
            wait_until(lambda: hook.calls == 1)
            with shop.services.store.begin() as tx:
                tx.execute(update(effects).values(claimed_by="elsewhere/1/1#1"))
            wait_until(lambda: failing(shop) != [])

        assert statuses(shop) == [("due", 0)]


def test_who_was_erased_meanwhile_stays_erased(shop: Shop) -> None:
    with Hook(say(OK, after=0.3)) as hook:
        want(shop, hook, 1)
        lane = CallLane(shop.services, Lane.WEBHOOKS, QUICK)
        with running(shop, lane):
            wait_until(lambda: hook.calls == 1)
            with shop.services.store.begin() as tx:
                [id_] = tx.scalars(select(customers.c.id).where(customers.c.id > 0))
                erase_customer(tx, CustomerId(id_), shop.clock.now())

    assert statuses(shop) == [("failed", 0)]


def test_a_call_that_was_put_to_sleep_before_it_began_is_let_go(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hook(say(OK)) as hook:
        want(shop, hook, 1)
        monkeypatch.setattr(Call, "age", 40.0)
        lane = CallLane(shop.services, Lane.WEBHOOKS, Limits(abandon_seconds=60))
        lane._has_news = True
        lane._round(shop.clock.now())
        [outcome] = [lane._news.get(timeout=PATIENCE_SECONDS)]
        assert outcome is not None
        assert not outcome.is_begun

        lane._note(outcome)
        lane._stopping.set()
        lane._round(shop.clock.now())

        assert hook.calls == 0
    assert statuses(shop) == [("due", 0)]


def test_what_a_process_left_behind_is_called_again_under_the_same_id(shop: Shop) -> None:
    with Hook(say(OK)) as hook:
        want(shop, hook, 3)
        gone = worker_name().rpartition("/")[0] + "/0"
        with shop.services.store.begin() as tx:
            until = shop.clock.now() + timedelta(minutes=1)
            [one] = claim_effects(tx, "webhook", hook.name, shop.clock.now(), 1, f"{gone}#7", until)

        shop.run()

        assert sorted(hook.ids.values()) == [1, 1, 1]
        assert f"effect_{one.id}" in hook.ids
    assert statuses(shop) == [("done", 1)] * 3


def test_what_a_living_process_holds_is_left_to_it(shop: Shop) -> None:
    with Hook(say(OK)) as hook:
        want(shop, hook, 1)
        with shop.services.store.begin() as tx:
            until = shop.clock.now() + timedelta(minutes=1)
            claim_effects(
                tx, "webhook", hook.name, shop.clock.now(), 1, f"{worker_name()}#7", until
            )

        shop.run()
        assert hook.calls == 0
        shop.later(minutes=1)
        assert hook.calls == 1


def test_results_outlive_a_database_that_is_away(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away = threading.Event()
    begin = shop.services.store.begin

    @contextmanager
    def begin_unless_away() -> Iterator[object]:
        if is_away.is_set():
            raise StoreUnavailable("the database does not answer.")
        with begin() as tx:
            yield tx

    monkeypatch.setattr(shop.services.store, "begin", begin_unless_away)
    with Hook(say(OK, after=0.3)) as hook:
        want(shop, hook, 4)
        lane = CallLane(shop.services, Lane.WEBHOOKS, QUICK)
        with running(shop, lane):
            wait_until(lambda: hook.calls == 4)
            is_away.set()
            wait_until(lambda: bool(lane._unsettled) and hook.at_once == 0)
            is_away.clear()
            wait_until(lambda: len(done(shop)) == 4)

        assert sorted(hook.ids.values()) == [1] * 4


def test_what_an_earlier_version_wrote_down_has_a_receiver_too(shop: Shop) -> None:
    with Hook(say(OK)) as hook:
        want(shop, hook, 3)
        with shop.services.store.begin() as tx:
            tx.execute(update(effects).values(receiver=None, made_at=None))
        shop.run()

    assert statuses(shop) == [("done", 1)] * 3


def test_receivers_are_found_however_much_waits_for_them(shop: Shop) -> None:
    with ExitStack() as hooks:
        opened = [hooks.enter_context(Hook(say(OK))) for _ in range(5)]
        for number, hook in enumerate(opened):
            want(shop, hook, number + 1, f"j{number}")
        with shop.services.store.read() as connection:
            found = list_receivers(connection, "webhook")
            assert list_receivers(connection, "notify") == []
        assert found == sorted(hook.name for hook in opened)


# --- notices through a service whose own plugin decides for how long it waits


class Pigeon:
    """A notification service that takes its time."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.may_go = threading.Event()
        self.fails = False

    def tell(self, _target: str, text: str, _reach: object) -> None:
        self.told.append(text)
        self.may_go.wait(PATIENCE_SECONDS)
        if self.fails:
            raise ProviderUnavailable("the notification service did not take the notice.")


@pytest.fixture
def pigeon(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Pigeon:
    service = Pigeon()
    monkeypatch.setattr(notices, "give_notice", service.tell)
    monkeypatch.setattr(calls, "NOTICE_SECONDS", 0.2)
    people = SETTINGS.replace('["mailto:leads@example.com"]', '["slack://${LOFT}", "log:"]')
    shop.write("rekindle.yaml", people)
    shop.write(
        "journeys/told.yaml",
        "journey: told\ntopic: service\nstart: [{event: told.wanted}]\n"
        "holdout: none\nbecause: a test\n"
        'steps: [{notify: leads, message: "Hello"}]\n',
    )
    shop.apply()
    shop.customer("ana")
    shop.happens("told.wanted", "ana")
    work_off(shop.services)
    return service


def test_a_notice_that_hangs_is_told_and_is_not_repeated_while_it_may_still_arrive(
    shop: Shop, pigeon: Pigeon
) -> None:
    lane = CallLane(shop.services, Lane.NOTICES, QUICK)
    with running(shop, lane):
        wait_until(lambda: failing(shop) != [])
        lane.wake()
        assert statuses(shop) == [("due", 0), ("done", 1)]  # the one into the log was not held up
        pigeon.may_go.set()
        wait_until(lambda: len(done(shop)) == 2)

    assert pigeon.told == ["Hello"]
    assert failing(shop) == []


def test_one_of_which_there_is_no_hope_is_tried_again(shop: Shop, pigeon: Pigeon) -> None:
    lane = CallLane(
        shop.services, Lane.NOTICES,
        Limits(grace_seconds=0.1, look_seconds=0.05, abandon_seconds=0.5),
    )  # fmt: skip
    with running(shop, lane):
        wait_until(lambda: ("due", 1) in statuses(shop))
        pigeon.may_go.set()
        wait_until(lambda: not lane._abandoned.total())

    assert pigeon.told == ["Hello"]


def test_no_secret_of_a_target_is_in_its_name(shop: Shop, pigeon: Pigeon) -> None:
    with shop.services.store.read() as connection:
        assert list_receivers(connection, "notify") == ["log", "slack"]


def test_an_email_to_our_people_is_sent_without_waiting_for_a_sweep(shop: Shop) -> None:
    woken: list[Lane] = []

    class Woken(NoWake):
        def has_work(self, lane: Lane) -> None:
            woken.append(lane)

    shop.write(
        "journeys/told.yaml",
        "journey: told\ntopic: service\nstart: [{event: told.wanted}]\n"
        "holdout: none\nbecause: a test\n"
        'steps: [{notify: leads, message: "Hello"}]\n',
    )
    shop.apply()
    shop.customer("ana")
    shop.happens("told.wanted", "ana")
    work_off(shop.services)
    shop.services.wake = Woken()
    CallLane(shop.services, Lane.NOTICES).run_until_idle(shop.clock.now())

    assert woken == [Lane.EMAILS]
