"""Nobody is ever stuck; and were somebody, it would be found and freed."""

import pytest
from sqlalchemy import delete, update

from store.steps import intern_steps
from store.tables import messages, positions
from tests.shop import Shop
from tests.workers.journeys import endings, write_journey
from workers.advance import advance_due
from workers.doctor import examine, repair

STEPS = """
start: [{event: order.completed}]
steps:
  - wait: 2 hours
  - send: thanks
"""


@pytest.fixture
def waiting(shop: Shop) -> Shop:
    write_journey(shop, "care", STEPS)
    shop.mail("thanks")
    shop.apply()
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.run()
    return shop


def kinds(shop: Shop) -> list[str]:
    return [finding.kind for finding in examine(shop.services, shop.clock.now())]


def test_a_healthy_shop_has_no_findings(waiting: Shop) -> None:
    assert kinds(waiting) == []


def test_what_is_long_due_is_told(waiting: Shop) -> None:
    waiting.clock.at = waiting.clock.now().replace(hour=20)

    [finding] = examine(waiting.services, waiting.clock.now())

    assert finding.kind == "late.positions"
    assert finding.in_words().startswith("1 customer in a journey has been due for more than")


def test_somebody_whom_nothing_would_wake_is_found_and_freed(waiting: Shop) -> None:
    with waiting.services.store.begin() as tx:
        tx.execute(update(positions).values(due_at=None))
    before = kinds(waiting)

    freed = repair(waiting.services, waiting.clock.now())
    waiting.later(hours=2)

    assert (before, freed, kinds(waiting)) == (["stuck.idle"], 1, [])
    assert len(waiting.mails("ana")) == 1


def test_a_mail_that_is_never_due_is_found_and_freed(waiting: Shop) -> None:
    waiting.clock.at = waiting.clock.now().replace(hour=12)
    with waiting.services.store.begin() as tx:
        tx.execute(update(positions).values(due_at=waiting.clock.now()))
    advance_due(waiting.services)
    with waiting.services.store.begin() as tx:
        tx.execute(update(messages).values(due_at=None))
    before = kinds(waiting)

    repair(waiting.services, waiting.clock.now())
    waiting.run()

    assert (before, kinds(waiting)) == (["stuck.mails"], [])
    assert len(waiting.mails("ana")) == 1


def test_somebody_who_stands_nowhere_is_let_go(waiting: Shop) -> None:
    with waiting.services.store.begin() as tx:
        tx.execute(delete(positions))
    before = kinds(waiting)

    repair(waiting.services, waiting.clock.now())
    waiting.run()

    assert (before, kinds(waiting), endings(waiting)) == (["stuck.homeless"], [], ["failed"])


def test_somebody_whose_step_is_no_more_has_failed_and_says_so(waiting: Shop) -> None:
    with waiting.services.store.begin() as tx:
        gone = intern_steps(tx, ["gone"])["gone"]
        tx.execute(update(positions).values(step_id=gone, due_at=waiting.clock.now()))

    waiting.run()

    assert endings(waiting) == ["failed"]
