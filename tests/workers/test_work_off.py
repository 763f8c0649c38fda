"""A worker that is woken does all that its work sets off, and is not woken for what it will see."""

from dramatiq.brokers.stub import StubBroker

from store.tables import messages
from tests.shop import Shop
from workers.actors import QUEUE, Actors
from workers.brokers import open_broker
from workers.counts import Counts
from workers.schedule import look, work_off

WELCOME = """
journey: welcome
topic: service
start:
  - event: account.created
steps:
  - send: welcome
  - wait: 1 day
"""


def test_one_wake_turns_an_event_into_a_mail_and_leaves_nothing_due(shop: Shop) -> None:
    welcoming(shop)
    shop.happens("account.created", "ana")

    work_off(shop.services, shop.process.pool)

    assert len(shop.mails("ana@example.com")) == 1
    with shop.services.store.read() as connection:
        assert not look(connection, shop.clock.now()).is_any


def test_what_another_worker_holds_is_left_to_it(shop: Shop) -> None:
    welcoming(shop)
    shop.happens("account.created", "ana")
    shop.process.run_until_idle()
    with shop.services.store.begin() as tx:
        held = {"due_at": shop.clock.now(), "status": "queued", "claimed_by": "elsewhere/1/1"}
        tx.execute(messages.update().values(held))

    work_off(shop.services, shop.process.pool)

    assert len(shop.mails("ana@example.com")) == 1


def test_what_was_looked_at_is_no_part_of_what_a_run_came_to() -> None:
    assert "looked_at" not in Counts(looked_at=3).as_document()


def test_nobody_is_woken_twice_for_what_the_first_has_yet_to_look_at() -> None:
    broker = open_broker(None)
    assert isinstance(broker, StubBroker)
    broker.declare_queue(QUEUE)
    wake = Actors(broker)

    for _ in range(3):
        wake.changed()

    assert broker.queues[QUEUE].qsize() == 1


def welcoming(shop: Shop) -> None:
    shop.write("journeys/welcome.yaml", WELCOME)
    shop.mail("welcome")
    shop.apply()
    shop.customer("ana")
