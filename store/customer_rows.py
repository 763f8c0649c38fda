"""Rows of a customers file: what they say is known from the beginning; only news counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from store.customers import ids_of, load_consents, make_customers
from store.knowledge import DENIED, Told
from store.records import CustomerId, IncomingCustomer
from store.tables import EPOCH, consents, traits

SOURCE = "import"


@dataclass
class Files:
    """What earlier rows said; the newest of them stands."""

    traits: dict[tuple[CustomerId, str], Any]
    consents: dict[tuple[CustomerId, str], str]
    standing: Mapping[CustomerId, Mapping[str, str]]  # consents at now, whoever set them
    news: list[Told] = field(default_factory=list)
    changed: int = 0


def make_from_rows(
    tx: Connection, rows: Sequence[IncomingCustomer], now: datetime
) -> tuple[list[Told], int, dict[str, CustomerId]]:
    """The news in `rows`, how many rows bring any, and everybody they speak of.

    Customers that do not exist yet are made.
    """
    wanted = [row.external_id for row in rows]
    unknown = set(wanted) - ids_of(tx, wanted).keys()
    ids = make_customers(tx, dict.fromkeys(wanted, EPOCH))
    files = _load_files(tx, set(ids.values()), now)
    for row in rows:
        _compare(row, ids[row.external_id], files, now, is_new=row.external_id in unknown)
        unknown.discard(row.external_id)
    return files.news, files.changed, ids


def _load_files(tx: Connection, ids: set[CustomerId], now: datetime) -> Files:
    said = tx.execute(
        select(traits)
        .where(traits.c.customer_id.in_(ids), traits.c.occurred_at == EPOCH)
        .order_by(traits.c.id)
    )
    allowed = tx.execute(
        select(consents)
        .where(consents.c.customer_id.in_(ids), consents.c.source == SOURCE)
        .order_by(consents.c.id)
    )
    return Files(
        traits={(row.customer_id, row.name): row.value for row in said},
        consents={(row.customer_id, row.topic): row.status for row in allowed},
        standing=load_consents(tx, ids, now),
    )


def _compare(
    row: IncomingCustomer, customer: CustomerId, files: Files, now: datetime, *, is_new: bool
) -> None:
    said = {k: v for k, v in row.traits.items() if _differs(files.traits, (customer, k), v)}
    asked = {t: s for t, s in row.consents.items() if files.consents.get((customer, t)) != s}
    files.traits |= {(customer, name): value for name, value in said.items()}
    files.consents |= {(customer, topic): status for topic, status in asked.items()}
    files.changed += bool(is_new or said or asked)
    overruled = {t: s for t, s in asked.items() if _must_overrule(files, customer, t, s)}
    first = {t: s for t, s in asked.items() if t not in overruled}
    if is_new or said or first:
        files.news.append(Told(customer, said, first, SOURCE, EPOCH, EPOCH))
    if overruled:
        files.news.append(Told(customer, {}, overruled, SOURCE, now, now))


def _differs(
    known: Mapping[tuple[CustomerId, str], Any], key: tuple[CustomerId, str], value: Any
) -> bool:
    if key not in known:
        return True
    held = known[key]
    return type(held) is not type(value) or bool(held != value)


def _must_overrule(files: Files, customer: CustomerId, topic: str, status: str) -> bool:
    """A no in a file ends a standing yes; all else is older than what people said themselves."""
    standing = files.standing.get(customer, {}).get(topic, DENIED)
    return status == DENIED and standing != DENIED
