"""What tests of journeys ask of the database beside the mails that came of them."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import select

from store.customers import find_customer, load_traits
from store.steps import STEP
from store.tables import customers, decisions, enrollments, event_kinds, events, positions
from tests.shop import Shop

Result = TypeVar("Result")


def write_journey(shop: Shop, name: str, rest: str, topic: str = "service") -> None:
    """A journey file of that name; `rest` is everything below its topic."""
    shop.write(f"journeys/{name}.yaml", f"journey: {name}\ntopic: {topic}\n{rest}")


def said(shop: Shop, customer: str) -> list[tuple[str, str]]:
    """Every decision about a customer, in order: the step and what was decided."""
    query = (
        select(decisions.c.step, decisions.c.decision)
        .join(enrollments, enrollments.c.id == decisions.c.enrollment_id)
        .join(customers, customers.c.id == enrollments.c.customer_id)
        .where(customers.c.external_id == customer)
        .order_by(decisions.c.id)
    )
    with shop.services.store.read() as connection:
        return [(row.step, row.decision) for row in connection.execute(query)]


def started(shop: Shop) -> list[tuple[str, str]]:
    """Who was started, in order: the customer and the occurrence."""
    query = (
        select(customers.c.external_id, enrollments.c.occurrence)
        .join(customers, customers.c.id == enrollments.c.customer_id)
        .order_by(enrollments.c.id)
    )
    with shop.services.store.read() as connection:
        return [(row.external_id, row.occurrence) for row in connection.execute(query)]


def endings(shop: Shop) -> list[str | None]:
    """How each enrollment ended, in order; None for one that goes on."""
    with shop.services.store.read() as connection:
        return [
            row.ended
            for row in connection.execute(select(enrollments.c.ended).order_by(enrollments.c.id))
        ]


def places(shop: Shop) -> list[str]:
    """The step of everybody who is inside a journey, in order."""
    with shop.services.store.read() as connection:
        query = (
            select(STEP.label("step")).select_from(positions).order_by(positions.c.enrollment_id)
        )
        return [row.step for row in connection.execute(query)]


def traits_of(shop: Shop, customer: str) -> dict[str, Any]:
    with shop.services.store.read() as connection:
        id_ = find_customer(connection, customer)
        assert id_ is not None
        return dict(load_traits(connection, [id_], shop.clock.now()).get(id_, {}))


def happened(shop: Shop, name: str) -> list[dict[str, Any]]:
    """The properties of every event of that name, in order."""
    query = (
        select(events.c.properties)
        .join(event_kinds, event_kinds.c.id == events.c.kind_id)
        .where(event_kinds.c.name == name)
        .order_by(events.c.id)
    )
    with shop.services.store.read() as connection:
        return [row.properties for row in connection.execute(query)]


def in_transaction(shop: Shop, work: Callable[..., Result], *args: Any, **kw: Any) -> Result:
    """What `work` says, given the transaction in which it does it."""
    with shop.services.store.begin() as tx:
        return work(tx, *args, **kw)
