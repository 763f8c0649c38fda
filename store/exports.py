"""Everything stored, noun by noun, a plain object a row; instants stay instants."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, FromClause, Select, case, func, select

from store.customers import ids_of, load_customers, load_traits
from store.records import CustomerId
from store.tables import (
    answers,
    consents,
    customers,
    decisions,
    delivery_events,
    enrollments,
    event_kinds,
    events,
    hits,
    identities,
    mailbox_consents,
    memberships,
    messages,
    rejects,
    suppressions,
    traits,
)

CHUNK_ROWS = 1_000
TRAITS_OF = "traits"  # the key under which a row has its customer's traits
CUSTOMER = customers.c.external_id.label("customer")  # null where nobody is: parked, erased


def export_rows(connection: Connection, noun: str, at: datetime) -> Iterator[dict[str, Any]]:
    """Every row of `noun`, one of `store.nouns`, in the order in which it came to be stored.

    Traits are those in force at `at`. Rows are read as they are asked for.
    """
    if noun == "customers":
        yield from _customers(connection, at)
        return
    streamed = connection.execution_options(yield_per=CHUNK_ROWS)
    for row in streamed.execute(QUERIES[noun]):
        yield dict(row._mapping)


def export_columns(noun: str) -> list[str]:
    """Return the names of what `export_rows` gives of each, in order."""
    if noun == "customers":
        return ["id", TRAITS_OF]
    return [str(column.key) for column in QUERIES[noun].selected_columns]


def with_traits(
    connection: Connection,
    rows: Iterable[Mapping[str, Any]],
    names: Collection[str],
    at: datetime,
    column: str = "customer",
) -> Iterator[dict[str, Any]]:
    """Return the rows, each with those traits in force at `at` of the customer whose external id
    stands in `column`; nobody has none.
    """
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK_ROWS)):
        ids = ids_of(connection, {row[column] for row in chunk if row.get(column)})
        tops = {top for name in names for top in (name, name.partition(".")[0])}
        told = load_traits(connection, set(ids.values()), at, names=tops, known_by=at)
        chosen = {
            id_: choose_traits(told.get(customer, {}), names) for id_, customer in ids.items()
        }
        for row in chunk:
            yield {**row, TRAITS_OF: chosen.get(row.get(column) or "", {})}


def choose_traits(told: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the traits called so, what lies within others by dots included."""
    found = {name: _at(told, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _at(told: Mapping[str, Any], name: str) -> Any:
    if name in told:
        return told[name]
    top, _, rest = name.partition(".")
    inside = told.get(top)
    return _at(inside, rest) if rest and isinstance(inside, Mapping) else None


def export_person(
    connection: Connection, customer_id: CustomerId, addresses: Sequence[str], at: datetime
) -> dict[str, Any]:
    """Everything stored of one customer, by noun, with every version of every trait."""
    customer = load_customers(connection, [customer_id], at, known_by=at)[customer_id]
    person: dict[str, Any] = {"id": customer.external_id, "traits": customer.traits}
    for noun, query in QUERIES.items():
        if noun == "suppressions":
            query = query.where(suppressions.c.address.in_(addresses))
        elif noun == "mailbox_consents":
            query = query.where(mailbox_consents.c.mailbox.in_(addresses))
        elif noun in ("customers", "rejects"):
            continue
        else:
            query = query.where(customers.c.id == customer_id)
        person[noun] = _rows(connection, query)
    person["trait_history"] = _rows(connection, TRAITS.where(traits.c.customer_id == customer_id))
    person["hits"] = _rows(connection, HITS.where(messages.c.customer_id == customer_id))
    return person


def _rows(connection: Connection, query: Select[Any]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in connection.execute(query)]


def _customers(connection: Connection, at: datetime) -> Iterator[dict[str, Any]]:
    last = 0
    while ids := _next_customers(connection, last, at):
        for customer in load_customers(connection, ids, at, known_by=at).values():
            yield {"id": customer.external_id or None, "traits": customer.traits}
        last = ids[-1]


def _next_customers(connection: Connection, last: int, at: datetime) -> list[CustomerId]:
    query = (
        select(customers.c.id)
        .where(customers.c.id > last, customers.c.merged_into.is_(None))
        .where(customers.c.known_at <= at)
        .order_by(customers.c.id)
        .limit(CHUNK_ROWS)
    )
    return [CustomerId(number) for number in connection.scalars(query)]


def _of_customer(table: FromClause, *columns: Any) -> Select[Any]:
    """Rows with their customer's external id, in order of arrival."""
    return (
        select(CUSTOMER, *columns)
        .select_from(table)
        .outerjoin(customers, customers.c.id == table.c.customer_id)
    )


def _of_enrollment(table: FromClause, *columns: Any) -> Select[Any]:
    return (
        select(CUSTOMER, enrollments.c.journey, enrollments.c.key, *columns)
        .select_from(table)
        .join(enrollments, enrollments.c.id == table.c.enrollment_id)
        .outerjoin(customers, customers.c.id == enrollments.c.customer_id)
    )


MESSAGE_STATUS = case(
    (messages.c.status == "sending", "queued"),  # a lease is nobody else's business
    else_=messages.c.status,
)
MESSAGE_AT = func.coalesce(
    messages.c.sent_at,
    messages.c.handed_over_at,
    messages.c.queued_at,
    type_=events.c.known_at.type,
)

QUERIES: Mapping[str, Select[Any]] = {
    "events": _of_customer(
        events,
        event_kinds.c.name,
        event_kinds.c.channel,
        events.c.occurred_at,
        events.c.message_id,
        events.c.properties,
        events.c.source,
        event_kinds.c.actor,
        events.c.original_name,
        events.c.known_at,
    )
    .join(event_kinds, event_kinds.c.id == events.c.kind_id)
    .order_by(events.c.id),
    "customers": select(customers),
    "identities": _of_customer(
        identities, identities.c.kind, identities.c.value, identities.c.known_at
    ).order_by(identities.c.id),
    "messages": _of_customer(
        messages,
        messages.c.id,
        messages.c.address.label("to"),
        messages.c.template,
        MESSAGE_STATUS.label("status"),
        messages.c.reason,
        MESSAGE_AT.label("at"),
        messages.c.topic,
        messages.c.survey,
        messages.c.step,
        messages.c.visit,
        messages.c.header_id,
        enrollments.c.journey,
        enrollments.c.key,
    )
    .outerjoin(enrollments, enrollments.c.id == messages.c.enrollment_id)
    .order_by(messages.c.id),
    "delivery_events": select(
        CUSTOMER,
        delivery_events.c.message_id.label("message"),
        delivery_events.c.kind,
        delivery_events.c.occurred_at,
        delivery_events.c.is_machine,
        delivery_events.c.details,
    )
    .join_from(delivery_events, messages, messages.c.id == delivery_events.c.message_id)
    .outerjoin(customers, customers.c.id == messages.c.customer_id)
    .order_by(delivery_events.c.id),
    "answers": _of_customer(
        answers,
        answers.c.survey,
        answers.c.score,
        answers.c.comment,
        answers.c.solved,
        answers.c.message_id.label("message"),
        answers.c.key,
        answers.c.answered_at,
        answers.c.revision,
        answers.c.is_current,
        answers.c.is_counted,
    ).order_by(answers.c.id),
    "decisions": _of_enrollment(
        decisions,
        decisions.c.enrollment_id.label("enrollment"),
        decisions.c.step,
        decisions.c.visit,
        decisions.c.decision,
        decisions.c.reason,
        decisions.c.due_at,
        decisions.c.decided_at,
    ).order_by(decisions.c.id),
    "enrollments": _of_customer(
        enrollments,
        enrollments.c.id,
        enrollments.c.journey,
        enrollments.c.key,
        enrollments.c.started_at.label("entered_at"),
        enrollments.c.ended_at,
        enrollments.c.ended,
        enrollments.c.is_held_out,
        enrollments.c.cause,
    ).order_by(enrollments.c.id),
    "memberships": _of_customer(
        memberships,
        memberships.c.segment,
        memberships.c.since,
        memberships.c.next_check_at,
    )
    .where(memberships.c.is_member)
    .order_by(memberships.c.segment, memberships.c.customer_id),
    "suppressions": select(
        suppressions.c.address,
        suppressions.c.reason,
        suppressions.c.detail,
        suppressions.c.known_at,
        suppressions.c.lifted_at,
        suppressions.c.lifted_because,
    ).order_by(suppressions.c.id),
    "mailbox_consents": select(
        mailbox_consents.c.mailbox,
        mailbox_consents.c.topic,
        mailbox_consents.c.status,
        mailbox_consents.c.source,
        mailbox_consents.c.reason,
        mailbox_consents.c.known_at,
    ).order_by(mailbox_consents.c.id),
    "consents": _of_customer(
        consents,
        consents.c.topic,
        consents.c.status,
        consents.c.source,
        consents.c.occurred_at,
        consents.c.known_at,
    ).order_by(consents.c.id),
    "rejects": select(
        rejects.c.source, rejects.c.reason, rejects.c.received_at, rejects.c.item
    ).order_by(rejects.c.id),
}

# of one person only
TRAITS = select(traits.c.name, traits.c.value, traits.c.occurred_at, traits.c.known_at).order_by(
    traits.c.id
)
HITS = (
    select(
        hits.c.message_id.label("message"),
        hits.c.link,
        hits.c.method,
        hits.c.agent,
        hits.c.occurred_at,
    )
    .join(messages, messages.c.id == hits.c.message_id)
    .order_by(hits.c.id)
)
