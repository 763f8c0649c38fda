"""How everything ended for everybody in a shop, but for the instants at which it did."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from store.memberships import load_members
from store.tables import customers, decisions, enrollments, messages
from tests.shop import Shop

Rows = tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class End:
    """What became of one customer."""

    enrollments: Rows  # journey, what started it, how it ended
    decisions: Rows  # journey, step, what was decided and why
    messages: Rows  # template, status, why
    emails: tuple[tuple[str, str], ...]  # to whom, about what


def ends_of(shop: Shop) -> Mapping[str, End]:
    emails: dict[str, list[tuple[str, str]]] = {}
    for mail in shop.mails():
        name = str(mail["To"]).partition("@")[0]
        emails.setdefault(name, []).append((str(mail["To"]), str(mail["Subject"])))
    with shop.services.store.read() as connection:
        everybody = connection.execute(select(customers.c.id, customers.c.external_id)).all()
        return {
            name: End(*_rows(connection, id_), tuple(sorted(emails.get(name, []))))
            for id_, name in everybody
        }


def members_of(shop: Shop, segment: str) -> list[str]:
    with shop.services.store.read() as connection:
        return sorted(load_members(connection, segment))


def _rows(connection: Connection, id_: int) -> tuple[Rows, Rows, Rows]:
    own = enrollments.c
    trips = select(own.journey, own.cause, own.ended).where(own.customer_id == id_)
    decided = (
        select(own.journey, decisions.c.step, decisions.c.decision)
        .join(enrollments, own.id == decisions.c.enrollment_id)
        .where(own.customer_id == id_)
    )
    sent = select(messages.c.template, messages.c.status, messages.c.reason).where(
        messages.c.customer_id == id_
    )
    return _found(connection, trips), _found(connection, decided), _found(connection, sent)


def _found(connection: Connection, query: object) -> Rows:
    rows = connection.execute(query)  # type: ignore[call-overload]
    return tuple(sorted((tuple(row) for row in rows), key=repr))
