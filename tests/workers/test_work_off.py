"""A worker that is woken does all that its work sets off in its lane, wakes the other lanes, and is
not woken for what it will see."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from dramatiq import Broker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.stub import StubBroker
from structlog.testing import capture_logs

from rekindle.lane import Lane
from rekindle.services import NoWake
from store.tables import messages
from tests.shop import Shop
from workers import schedule
from workers.actors import QUEUES, Actors, declare_actors
from workers.brokers import open_broker
from workers.counts import Counts
from workers.lanes import Pulse
from workers.schedule import deliver_off, look, work_off

WELCOME = """
journey: welcome
topic: service
start:
  - event: account.created
steps:
  - send: welcome
  - wait: 1 day
"""


class Woken(NoWake):
    """Keeps which lanes were woken."""

    def __init__(self) -> None:
        self.lanes: list[Lane] = []

    def changed(self) -> None:
        self.lanes.append(Lane.JOURNEYS)

    def has_work(self, lane: Lane) -> None:
        self.lanes.append(lane)


def test_one_wake_turns_an_event_into_a_due_email_and_wakes_whoever_sends_it(shop: Shop) -> None:
    welcoming(shop)
    shop.happens("account.created", "ana")
    woken = shop.services.wake = Woken()

    work_off(shop.services)

    assert woken.lanes == [Lane.EMAILS]
    assert due(shop) == (Lane.EMAILS,)
    assert shop.mails() == []


def test_what_was_sent_has_its_customers_go_on(shop: Shop) -> None:
    welcoming(shop)
    shop.happens("account.created", "ana")
    work_off(shop.services)
    woken = shop.services.wake = Woken()

    deliver_off(shop.services, shop.process.pool)

    assert len(shop.mails("ana@example.com")) == 1
    assert woken.lanes == [Lane.JOURNEYS]
    work_off(shop.services)
    assert due(shop) == ()


def test_a_long_turn_ends_before_the_time_limit_and_another_goes_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "TURN_SECONDS", -1.0)
    welcoming(shop)
    shop.happens("account.created", "ana")
    woken = shop.services.wake = Woken()

    work_off(shop.services)
    work_off(shop.services)
    deliver_off(shop.services, shop.process.pool)

    assert woken.lanes.count(Lane.JOURNEYS) >= 2
    assert woken.lanes[-1] == Lane.EMAILS


def test_what_another_worker_holds_is_left_to_it(shop: Shop) -> None:
    welcoming(shop)
    shop.happens("account.created", "ana")
    shop.process.run_until_idle()
    with shop.services.store.begin() as tx:
        held = {"due_at": shop.clock.now(), "status": "queued", "claimed_by": "elsewhere/1/1"}
        tx.execute(messages.update().values(held))

    deliver_off(shop.services, shop.process.pool)

    assert len(shop.mails("ana@example.com")) == 1


def test_what_was_looked_at_is_no_part_of_what_a_run_came_to() -> None:
    assert "looked_at" not in Counts(looked_at=3).as_document()


@pytest.fixture(params=["in memory", "rabbitmq", "redis"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """Each broker, with empty queues."""
    is_here = request.param == "in memory"
    url = None if is_here else request.getfixturevalue(f"{request.param}_url")
    opened = open_broker(url)
    for queue in QUEUES.values():
        opened.declare_queue(queue)
        opened.flush(queue)
    yield opened
    opened.close()


def test_nobody_is_woken_twice_for_what_the_first_has_yet_to_look_at(broker: Broker) -> None:
    wake = Actors(broker)

    for _ in range(3):
        for lane in Lane:
            wake.has_work(lane)
        wait_until_told(broker)

    unread = {lane: count_unread(broker, queue) for lane, queue in QUEUES.items()}
    assert unread == dict.fromkeys(Lane, 1)


def test_a_request_asks_no_broker_elsewhere_before_it_wakes_somebody(broker: Broker) -> None:
    wake = Actors(broker)

    for _ in range(3):
        wake.changed()

    expected = 1 if isinstance(broker, StubBroker) else 3
    for _ in range(100):
        if count_unread(broker, QUEUES[Lane.JOURNEYS]) >= expected:
            break
        time.sleep(0.01)
    assert count_unread(broker, QUEUES[Lane.JOURNEYS]) == expected


@pytest.mark.parametrize(
    ("actor", "arguments", "lanes"),
    [("deliver", ([1, 2],), {Lane.EMAILS}), ("effects", ([],), {Lane.WEBHOOKS, Lane.NOTICES})],
)
def test_what_an_earlier_version_sent_is_passed_on_to_its_lane(
    shop: Shop, actor: str, arguments: tuple[Any, ...], lanes: set[Lane]
) -> None:
    broker = open_broker(None)
    declare_actors(broker, shop.services, shop.process.pool, {}, Pulse())
    shop.services.wake = Actors(broker)

    broker.get_actor(actor).fn(*arguments)

    unread = {lane for lane, queue in QUEUES.items() if count_unread(broker, queue)}
    assert unread == lanes


def wait_until_told(broker: Broker) -> None:
    """RabbitMQ counts what was published a moment later."""
    for _ in range(100 if isinstance(broker, RabbitmqBroker) else 0):
        if all(count_unread(broker, queue) for queue in QUEUES.values()):
            break
        time.sleep(0.01)


def count_unread(broker: Any, queue: str) -> int:
    """Messages that lie in a queue, as its server tells."""
    if isinstance(broker, StubBroker):
        waiting: int = broker.queues[queue].qsize()
        return waiting
    if isinstance(broker, RabbitmqBroker):
        counts: tuple[int, int, int] = broker.get_queue_message_counts(queue)
        return counts[0]
    unread: int = broker.client.llen(f"rekindle:{queue}")
    return unread


def due(shop: Shop) -> tuple[Lane, ...]:
    with shop.services.store.read() as connection:
        return look(connection, shop.clock.now()).lanes


def welcoming(shop: Shop) -> None:
    shop.write("journeys/welcome.yaml", WELCOME)
    shop.mail("welcome")
    shop.apply()
    shop.customer("ana")


NOBODY_KNOWS = [2**62, -1, 0]


@pytest.mark.parametrize(
    ("actor", "arguments"),
    [
        ("advance", (NOBODY_KNOWS,)),
        ("emails", (NOBODY_KNOWS,)),
        ("everybody", ()),
        ("evaluate", ()),
    ],
)
def test_a_message_about_what_is_no_more_is_harmless(
    shop: Shop, actor: str, arguments: tuple[Any, ...]
) -> None:
    broker = open_broker(None)
    declare_actors(broker, shop.services, shop.process.pool, {}, Pulse())

    with capture_logs() as said:
        broker.get_actor(actor).fn(*arguments)

    assert [line for line in said if line["event"] == "work.failed"] == []


@pytest.mark.parametrize("arguments", [(), ([1], "more")])
def test_a_message_that_makes_no_sense_is_told_with_a_reason_and_a_place(
    shop: Shop, arguments: tuple[Any, ...]
) -> None:
    broker = open_broker(None)
    declare_actors(broker, shop.services, shop.process.pool, {}, Pulse())

    with capture_logs() as said:
        broker.get_actor("advance").fn(*arguments)

    failures = [line["reason"] for line in said if line["event"] == "work.failed"]
    assert all(".py:" in reason and not reason.endswith(": ") for reason in failures)
    assert len(failures) == 1
