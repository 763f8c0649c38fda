"""Drift as rows: what was learned, in versions."""

from datetime import datetime, timedelta

from sqlalchemy import insert, select

from store.drift import (
    has_returning,
    insert_priors,
    load_priors,
)
from store.session import Store
from store.tables import event_kinds, events
from tests.conftest import MONDAY

DAY = timedelta(days=1)
ALL = select(event_kinds.c.id)
PRIORS = {
    "clock": "goal", "r": 0.4, "alpha": 18.0, "a": 0.6, "b": 1.4, "rho": 0.8,
    "lapse_days": 365.0, "horizon_days": 90.0, "sample": 0, "counted": "",
}  # fmt: skip


def happened(store: Store, *times: tuple[int, datetime, datetime]) -> None:
    kind = {"id": 1, "name": "order.completed", "channel": "store", "actor": "customer"}
    rows = [
        {
            "customer_id": customer, "kind_id": 1, "occurred_at": at, "received_at": known_at,
            "known_at": known_at, "message_id": str(number), "source": "test", "properties": {},
        }
        for number, (customer, at, known_at) in enumerate(times)
    ]  # fmt: skip
    with store.begin() as tx:
        tx.execute(insert(event_kinds), [kind])
        tx.execute(insert(events), rows)


def test_somebody_has_returned_once_a_day_lies_between_first_and_last(store: Store):
    happened(store, (1, MONDAY, MONDAY), (1, MONDAY + DAY, MONDAY + DAY), (2, MONDAY, MONDAY))

    with store.read() as connection:
        assert not has_returning(connection, ALL, MONDAY)
        assert has_returning(connection, ALL, MONDAY + DAY)


def test_the_version_in_force_is_the_latest_known_or_else_the_first(store: Store):
    with store.begin() as tx:
        first = insert_priors(tx, PRIORS, MONDAY)
        second = insert_priors(tx, PRIORS, MONDAY + DAY)

        versions = [load_priors(tx, at) for at in (MONDAY - DAY, MONDAY, MONDAY + 2 * DAY)]

    assert [one["goal"].id for one in versions] == [first, first, second]
    assert [one.keys() for one in versions] == [{"goal"}] * 3
