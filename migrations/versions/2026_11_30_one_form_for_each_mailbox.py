"""Every stored address in its canonical form; what names no mailbox is listed in `rejects`.

Traits keep what was given. A file's import counts the addresses that could not be used.

Revision ID: mailboxes
Revises: holds
"""

from collections.abc import Iterator
from hashlib import sha256
from time import time_ns

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from rekindle.addresses import EmailAddress, canonical

revision = "mailboxes"
down_revision = "holds"
branch_labels = None
depends_on = None

SOURCE = "migration"
FINGERPRINT = "sha256:"
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
IDENTITIES = sa.table(
    "identities", sa.column("id"), sa.column("customer_id"), sa.column("kind"), sa.column("value")
)
PARKED = sa.table("parked_events", sa.column("event_id"), sa.column("kind"), sa.column("value"))
SUPPRESSIONS = sa.table("suppressions", sa.column("id"), sa.column("address"))
MESSAGES = sa.table("messages", sa.column("id"), sa.column("customer_id"), sa.column("address"))
TRAITS = sa.table("traits", sa.column("name"), sa.column("value", JSON))
REJECTS = sa.table(
    "rejects",
    sa.column("source"),
    sa.column("reason"),
    sa.column("item", JSON),
    sa.column("received_at", INSTANT),
)


def upgrade() -> None:
    op.add_column(
        "imports",
        sa.Column("unusable_addresses", sa.Integer(), nullable=False, server_default="0"),
    )
    tx = op.get_bind()
    _change_fingerprints(tx)
    _list_unusable(tx)
    _change_owned(tx, IDENTITIES, IDENTITIES.c.customer_id)
    _change_owned(tx, PARKED, PARKED.c.event_id)
    for old in _distinct(tx, SUPPRESSIONS.c.address):
        if (new := canonical(old)) not in ("", old):
            same = SUPPRESSIONS.c.address == old
            tx.execute(sa.update(SUPPRESSIONS).where(same).values(address=new))
    for old in _distinct(tx, MESSAGES.c.address, MESSAGES.c.customer_id != 0):
        if (found := EmailAddress.find(old)) and found.deliverable != old:
            same = (MESSAGES.c.address == old) & (MESSAGES.c.customer_id != 0)
            tx.execute(sa.update(MESSAGES).where(same).values(address=found.deliverable))


def downgrade() -> None:
    """The old form is not known any more; whoever reads the canonical one as text is right too."""
    op.get_bind().execute(sa.delete(REJECTS).where(REJECTS.c.source == SOURCE))
    op.drop_column("imports", "unusable_addresses")


def _change_owned(tx: sa.Connection, table: sa.TableClause, owner: sa.ColumnClause[int]) -> None:
    """Of several spellings that one owner has, one row stays."""
    is_email = table.c.kind == "email"
    for old in _distinct(tx, table.c.value, is_email):
        if (new := canonical(old)) not in ("", old):
            other = table.alias()
            owners = sa.select(other.c[owner.name]).where(
                other.c.kind == "email", other.c.value == new
            )
            has_both = is_email & (table.c.value == old) & owner.in_(owners)
            tx.execute(sa.delete(table).where(has_both))
            tx.execute(sa.update(table).where(is_email, table.c.value == old).values(value=new))


def _change_fingerprints(tx: sa.Connection) -> None:
    """An erased address can be found again only where somebody else still has that spelling."""
    spellings = set(_distinct(tx, IDENTITIES.c.value, IDENTITIES.c.kind == "email"))
    given = tx.scalars(sa.select(TRAITS.c.value).where(TRAITS.c.name == "email").distinct())
    spellings |= {value for value in given if isinstance(value, str)}
    for text in spellings:
        old = text.lower()
        if (new := canonical(text)) not in ("", old):
            tx.execute(
                sa.update(SUPPRESSIONS)
                .where(SUPPRESSIONS.c.address == _fingerprint(old))
                .values(address=_fingerprint(new))
            )


def _list_unusable(tx: sa.Connection) -> None:
    """What names no mailbox stays as it is, since nothing is compared with it any more."""
    now = time_ns() // 1_000
    query = sa.select(IDENTITIES.c.value, IDENTITIES.c.customer_id)
    items = [
        {"customer": customer, "email": value}
        for value, customer in tx.execute(query.where(IDENTITIES.c.kind == "email"))
        if not canonical(value)
    ]
    items += [
        {"suppression": value}
        for value in _distinct(tx, SUPPRESSIONS.c.address)
        if not value.startswith(FINGERPRINT) and not canonical(value)
    ]
    reason = "no usable address: it names no mailbox, or more than one"
    rows = [
        {"source": SOURCE, "reason": reason, "item": item, "received_at": now} for item in items
    ]
    if rows:
        tx.execute(sa.insert(REJECTS), rows)


def _distinct(
    tx: sa.Connection, column: sa.ColumnClause[str], *only: sa.ColumnElement[bool]
) -> Iterator[str]:
    yield from tx.scalars(sa.select(column).where(*only).distinct()).all()


def _fingerprint(text: str) -> str:
    return f"{FINGERPRINT}{sha256(text.encode()).hexdigest()}"
