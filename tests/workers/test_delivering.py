"""What becomes of mails when a provider, the database or a process fails in the middle."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import count, pairwise

import pytest
from sqlalchemy import update

from adapters.email.base import OutgoingEmail
from rekindle.errors import (
    HandoverUncertain,
    ProviderDeferred,
    ProviderFault,
    ProviderRefused,
    ProviderUnavailable,
    StoreUnavailable,
)
from store.alarms import GIVEN_UP, PROVIDER, load_standing
from store.messages import load_stored
from store.providers import find_provider_state
from store.records import MessageId
from store.suppressions import find_suppressed
from store.tables import messages
from tests.shop import Shop
from tests.workers.journeys import happened
from tests.workers.providers import Act, Scripted, address, connect, crowd, rows, statuses
from workers.channels import ChannelPool
from workers.deliver import deliver_due
from workers.giving_up import retry_given_up
from workers.retake import retake_claims
from workers.sending import UNANSWERED

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def alarms(shop: Shop, kind: str) -> frozenset[str]:
    with shop.services.store.read() as connection:
        return load_standing(connection, kind)


def pause_ends(shop: Shop) -> timedelta | None:
    """How long the provider is still left alone."""
    with shop.services.store.read() as connection:
        state = find_provider_state(connection, "scripted")
    return state.paused_until - shop.clock.now() if state else None


def raising(error: Exception, times: int | None = None) -> Act:
    """Raise so many times, or always."""
    numbers = count(1)

    def act(_email: OutgoingEmail) -> None:
        if times is None or next(numbers) <= times:
            raise error

    return act


# --- faults of the provider


@pytest.mark.parametrize("fault", ["connection", "credentials", "rate", "quota", "server"])
def test_a_provider_that_takes_nothing_is_paused_and_nothing_is_charged_to_the_mails(
    shop: Shop, fault: ProviderFault
) -> None:
    crowd(shop, 5)
    provider = connect(shop, Scripted(raising(ProviderUnavailable("No.", fault=fault), 1)))

    shop.run()
    stood = [(row["status"], row["attempts"], row["claimed_by"]) for row in rows(shop)]
    raised = alarms(shop, PROVIDER)
    shop.later(minutes=2)

    assert stood == [("queued", 0, None)] * 5
    assert raised == {"scripted"}
    assert [email.to for email in provider.taken] == [address(number) for number in range(5)]
    assert alarms(shop, PROVIDER) == frozenset()
    assert {row["attempts"] for row in rows(shop)} == {1}


def test_one_mail_is_tried_when_a_pause_ends_and_the_next_pause_is_longer(shop: Shop) -> None:
    crowd(shop, 5)
    tried: list[str] = []

    def refuse(email: OutgoingEmail) -> None:
        tried.append(email.to)
        raise ProviderUnavailable("Nobody is there.")

    connect(shop, Scripted(refuse, connections=4))
    pauses = []
    for _ in range(30):
        shop.run()
        pause = pause_ends(shop)
        assert pause is not None
        pauses.append(pause)
        shop.clock.move(pause)

    assert len(tried) <= 4 + 29  # the first time as many as there are connections
    assert set(tried[4:]) == {address(0)}
    assert all(after > 0.9 * before for before, after in pairwise(pauses))
    assert 5 * SECOND <= pauses[0] < 10 * SECOND
    assert 15 * MINUTE <= pauses[-1] <= 17 * MINUTE


def test_a_provider_that_takes_so_many_a_minute_gets_them_all_in_as_many_minutes(
    shop: Shop,
) -> None:
    crowd(shop, 60)
    went: Counter[int] = Counter()

    def limit(_email: OutgoingEmail) -> None:
        minute, into = divmod(shop.clock.now() - shop.at, MINUTE)
        if went[minute] == 10:
            raise ProviderUnavailable("429", fault="rate", retry_after=MINUTE - into)
        went[minute] += 1

    provider = connect(shop, Scripted(limit))
    shop.run()
    while (pause := pause_ends(shop)) is not None:
        shop.clock.move(pause)
        shop.run()

    assert [email.to for email in provider.taken] == [address(number) for number in range(60)]
    assert list(went.values()) == [10] * 6
    assert {row["attempts"] for row in rows(shop)} == {1}


@pytest.mark.parametrize("topic", ["service", "offers"])
def test_a_wrong_key_over_a_weekend_loses_nothing(shop: Shop, topic: str) -> None:
    crowd(shop, 3, topic)
    provider = connect(shop, Scripted(raising(ProviderUnavailable("401", fault="credentials"))))
    while shop.clock.now() < shop.at + timedelta(hours=63):
        shop.later(hours=1)
    stood = statuses(shop)

    provider.before = lambda _email: None
    for _ in range(4):  # what is late leaves at its pace
        shop.later(minutes=15)

    assert stood == {"queued": 3}
    assert statuses(shop) == {"sent": 3}


def test_a_server_that_takes_fewer_connections_than_ours_is_used_with_those(shop: Shop) -> None:
    crowd(shop, 12)
    ours, free = threading.local(), threading.Semaphore(2)

    def connect_first(_email: OutgoingEmail) -> None:
        if not getattr(ours, "is_connected", False):
            ours.is_connected = free.acquire(blocking=False)
        if not ours.is_connected:
            raise ProviderUnavailable("421 4.7.0 too many connections", fault="rate")

    provider = connect(shop, Scripted(connect_first, connections=4))
    provider.after = lambda _email: threading.Event().wait(0.01)
    deliver_due(shop.services, shop.process.pool, shop.clock.now())

    assert max(provider.times.values()) == 1
    assert statuses(shop)["sent"] >= 10
    assert alarms(shop, PROVIDER) == frozenset()


# --- answers about one mail


@pytest.mark.parametrize(("topic", "days"), [("service", 1), ("offers", 3)])
def test_a_mail_that_is_put_off_is_given_up_by_its_age_and_can_be_sent_again(
    shop: Shop, topic: str, days: int
) -> None:
    crowd(shop, 2, topic)
    provider = connect(shop, Scripted())

    def defer(email: OutgoingEmail) -> None:
        if email.to == address(0):
            raise ProviderDeferred("450 mailbox busy")

    provider.before = defer
    shop.run()
    for _ in range(24 * days - 1):
        shop.later(hours=1)
    before = statuses(shop)
    shop.later(hours=1)
    after = [(row["status"], row["reason"]) for row in rows(shop)]
    raised = alarms(shop, GIVEN_UP)

    provider.before = lambda _email: None
    again = retry_given_up(shop.services, journey="hello")
    shop.run()

    assert before == {"sent": 1, "queued": 1}
    word = "day" if days == 1 else "days"
    assert after[0] == ("refused", f"gave up after {days} {word}: 450 mailbox busy")
    assert raised == {"hello"}
    assert again == 1
    assert statuses(shop) == {"sent": 2}
    assert alarms(shop, GIVEN_UP) == frozenset()


@pytest.mark.parametrize("is_hard", [True, False])
def test_what_a_server_says_of_a_mailbox_is_a_bounce(shop: Shop, is_hard: bool) -> None:
    crowd(shop, 2)
    refusal = ProviderRefused("550 no", status="5.1.1", is_bounce=True, is_hard=is_hard)
    connect(shop, Scripted(raising(refusal, 1)))

    shop.run()

    assert [row["status"] for row in rows(shop)] == ["bounced", "sent"]
    [told] = happened(shop, "message.bounced")
    assert (told["hard"], told["status"]) == (is_hard, "5.1.1")
    with shop.services.store.read() as connection:
        found = find_suppressed(connection, [address(0)], shop.clock.now())
    assert found == ({address(0): "hard_bounce"} if is_hard else {})


def test_a_mailbox_that_fails_softly_on_three_days_is_mailed_no_more(shop: Shop) -> None:
    crowd(shop, 1)
    refusal = ProviderRefused("552 full", status="5.2.2", is_bounce=True)
    connect(shop, Scripted(raising(refusal)))
    for _ in range(3):
        shop.run()
        with shop.services.store.begin() as tx:  # as if there were another mail the next day
            tx.execute(
                update(messages).values(
                    status="queued", due_at=shop.clock.now(), attempts=messages.c.attempts + 1
                )
            )
        shop.clock.move(timedelta(days=1))

    with shop.services.store.read() as connection:
        assert find_suppressed(connection, [address(0)], shop.clock.now()) == {
            address(0): "soft_bounces"
        }


# --- nobody knows whether it arrived


@pytest.mark.parametrize("ending", ["the line breaks", "the process dies"])
@pytest.mark.parametrize(("topic", "status"), [("service", "sent"), ("offers", "uncertain")])
def test_an_uncertain_mail_is_sent_again_by_one_rule_and_as_it_was(
    shop: Shop, ending: str, topic: str, status: str
) -> None:
    crowd(shop, 1, topic)
    provider = connect(shop, Scripted())
    if ending == "the line breaks":
        provider.after = raising(HandoverUncertain("no answer"), 1)
        shop.run()
    else:
        provider.after = raising(KeyError("a mistake of ours"), 1)
        with pytest.raises(KeyError):
            shop.run()
        with shop.services.store.begin() as tx:
            tx.execute(update(messages).values(claimed_by="x@elsewhere/1/1", claimed_until=shop.at))
    shop.mail("hello", "Something else by now")
    shop.apply()
    shop.later(minutes=5)

    assert statuses(shop) == {status: 1}
    assert len(provider.taken) == (2 if topic == "service" else 1)
    assert len({email.header_id for email in provider.taken}) == 1
    assert len({email.mime for email in provider.taken}) == 1
    with shop.services.store.read() as connection:
        is_kept = bool(load_stored(connection, [MessageId(rows(shop)[0]["id"])]))
    assert is_kept == (topic == "service")


def test_a_server_that_never_answers_makes_few_mails_uncertain(shop: Shop) -> None:
    crowd(shop, 60)
    connect(shop, Scripted(after=raising(HandoverUncertain("no answer")), connections=2))

    for _ in range(10):
        shop.later(seconds=1)

    assert statuses(shop)["uncertain"] <= 4
    assert alarms(shop, PROVIDER) == {"scripted"}


# --- the database, the process and other workers


@contextmanager
def database_away(shop: Shop, times: int) -> Iterator[None]:
    """The next so many transactions fail."""
    begin, numbers = shop.services.store.begin, count(1)

    @contextmanager
    def fail() -> Iterator[object]:
        if next(numbers) <= times:
            raise StoreUnavailable("the database does not answer.")
        with begin() as tx:
            yield tx

    shop.services.store.begin = fail  # type: ignore[method-assign, assignment]
    yield
    shop.services.store.begin = begin  # type: ignore[method-assign]


@pytest.mark.parametrize("times", [1, 4])
def test_one_database_error_loses_nothing_and_what_was_not_begun_is_let_go_at_once(
    shop: Shop, times: int
) -> None:
    crowd(shop, 15, "service")
    provider = connect(shop, Scripted())
    away = ExitStack()

    def fail(email: OutgoingEmail) -> None:
        if email.to == address(7):
            away.enter_context(database_away(shop, times))

    provider.before = fail
    with away:
        deliver_due(shop.services, shop.process.pool, shop.clock.now())
    held = [row["id"] for row in rows(shop) if row["claimed_by"]]
    stood = statuses(shop)
    provider.before = lambda _email: None
    shop.run()

    assert held == []
    assert stood == {"sent": 7, "queued": 8}
    assert provider.times == {address(number): 1 for number in range(15)}
    assert statuses(shop) == {"sent": 15}


def test_told_to_stop_a_worker_finishes_what_it_has_in_hand_and_lets_the_rest_go(
    shop: Shop,
) -> None:
    crowd(shop, 20)
    provider = connect(shop, Scripted())
    pool = shop.process.pool
    provider.after = lambda email: pool.stopping.set() if email.to == address(2) else None

    deliver_due(shop.services, pool, shop.clock.now())

    assert statuses(shop) == {"sent": 3, "queued": 17}
    assert [row for row in rows(shop) if row["claimed_by"]] == []


def test_a_server_that_hangs_keeps_nobody_from_stopping(shop: Shop) -> None:
    crowd(shop, 6)
    hanging = threading.Event()
    provider = connect(
        shop, Scripted(connections=2), settle_every=SECOND / 20, answer_within=SECOND / 5
    )
    pool = shop.process.pool
    provider.after = lambda _email: hanging.wait(20)
    threading.Timer(0.2, pool.stopping.set).start()

    deliver_due(shop.services, pool, shop.clock.now())

    assert statuses(shop) == {"uncertain": 2, "queued": 4}
    assert {row["reason"] for row in rows(shop) if row["status"] == "uncertain"} == {UNANSWERED}
    assert [row for row in rows(shop) if row["claimed_by"]] == []
    hanging.set()


def test_told_to_stop_it_waits_longer_for_answers_than_for_what_has_only_begun(shop: Shop) -> None:
    crowd(shop, 6)
    provider = connect(
        shop, Scripted(connections=2), settle_every=SECOND / 20, stop_within=SECOND / 20
    )
    pool, answering, both_begun = shop.process.pool, threading.Event(), threading.Barrier(2)
    seen: list[Counter[str]] = []

    def take_long(_email: OutgoingEmail) -> None:
        both_begun.wait(20)
        pool.stopping.set()
        answering.wait(20)

    def look() -> None:
        pool.stopping.wait(20)
        threading.Event().wait(0.6)
        seen.append(statuses(shop))
        answering.set()

    provider.after = take_long
    threading.Thread(target=look).start()

    deliver_due(shop.services, pool, shop.clock.now())

    assert seen == [{"sending": 2, "queued": 4}]  # what was not begun is free by then
    assert statuses(shop) == {"sent": 2, "queued": 4}


def test_what_has_begun_and_hangs_when_told_to_stop_is_let_go_and_cannot_leave(shop: Shop) -> None:
    crowd(shop, 4)
    provider = connect(
        shop, Scripted(connections=2), settle_every=SECOND / 20, stop_within=SECOND / 5
    )
    pool, hanging, ended = shop.process.pool, threading.Event(), threading.Event()

    def hang(_email: OutgoingEmail) -> None:
        pool.stopping.set()
        hanging.wait(20)
        ended.set()

    provider.before = hang
    deliver_due(shop.services, pool, shop.clock.now())
    stood = statuses(shop)
    hanging.set()
    ended.wait(5)
    for thread in threading.enumerate():
        if thread.name == "deliver":
            thread.join(5)

    assert stood == statuses(shop) == {"queued": 4}
    assert provider.taken == []


def test_a_claim_is_renewed_while_its_worker_waits_for_a_slow_server(shop: Shop) -> None:
    crowd(shop, 4)
    lease, renew = SECOND / 2, SECOND / 10
    provider = connect(
        shop, Scripted(connections=2), lease=lease, renew_every=renew, settle_every=renew
    )
    provider.after = lambda _email: threading.Event().wait(0.8)
    other = ChannelPool(Scripted())
    done = threading.Event()

    def look_for_the_dead() -> None:
        while not done.wait(0.05):
            retake_claims(shop.services, other, shop.clock.now())

    watching = threading.Thread(target=look_for_the_dead)
    watching.start()
    shop.run()
    done.set()
    watching.join()

    assert provider.times == {address(number): 1 for number in range(4)}
    assert statuses(shop) == {"sent": 4}


def test_what_was_taken_over_is_neither_handed_over_nor_written_by_its_former_worker(
    shop: Shop,
) -> None:
    crowd(shop, 3)
    provider = connect(shop, Scripted())
    heir = ChannelPool(Scripted())

    def lose_it(email: OutgoingEmail) -> None:
        if email.to == address(1):
            with shop.services.store.begin() as tx:
                tx.execute(update(messages).values(claimed_until=shop.at))
            retake_claims(shop.services, heir, shop.clock.now())

    provider.before = lose_it
    deliver_due(shop.services, shop.process.pool, shop.clock.now())
    stood = [(row["status"], row["claimed_by"]) for row in rows(shop)]
    deliver_due(shop.services, heir, shop.clock.now())

    assert [email.to for email in provider.taken] == [address(0)]
    assert stood == [("uncertain", None), ("queued", None), ("queued", None)]
    assert [email.to for email in heir.adapter.taken] == [address(1), address(2)]  # type: ignore[attr-defined]


def test_claims_fit_what_leaves_in_seconds(shop: Shop) -> None:
    crowd(shop, 30)
    provider = connect(shop, Scripted(), aim=SECOND / 10, settle_every=SECOND / 50)
    provider.after = lambda _email: threading.Event().wait(0.06)
    pool = shop.process.pool

    deliver_due(shop.services, pool, shop.clock.now())
    first = statuses(shop)
    deliver_due(shop.services, pool, shop.clock.now())

    assert first["sent"] <= 8
    assert first["sending"] == 0
    assert pool.most <= 4


def test_batches_of_one_process_share_the_connections_that_a_provider_allows(shop: Shop) -> None:
    crowd(shop, 12)
    at_once, most, lock = 0, 0, threading.Lock()

    def count_in(_email: OutgoingEmail) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        threading.Event().wait(0.02)
        with lock:
            at_once -= 1

    provider = connect(shop, Scripted(connections=2))
    provider.after = count_in
    pool = shop.process.pool

    def deliver() -> None:
        while deliver_due(shop.services, pool, shop.clock.now()).sent:
            pass

    workers = [threading.Thread(target=deliver) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert most == 2
    assert provider.times == {address(number): 1 for number in range(12)}
