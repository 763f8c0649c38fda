"""What was said with a mailbox holds for every customer who has it.

Unsubscribing so far is told of the mailbox to which the customer's emails went at the time.

Revision ID: mailbox_consents
Revises: mailboxes
"""

import sqlalchemy as sa
from alembic import op

from rekindle.addresses import canonical

revision = "mailbox_consents"
down_revision = "mailboxes"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC
SOURCE = "preferences"
CONSENTS = sa.table(
    "consents",
    sa.column("id"),
    sa.column("customer_id"),
    sa.column("topic"),
    sa.column("status"),
    sa.column("source"),
    sa.column("known_at"),
)
MESSAGES = sa.table(
    "messages",
    sa.column("id"),
    sa.column("customer_id"),
    sa.column("address"),
    sa.column("sent_at"),
)


def upgrade() -> None:
    op.add_column("suppressions", sa.Column("lifted_because", sa.Text()))
    table = op.create_table(
        "mailbox_consents",
        sa.Column("id", ID, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mailbox_consents"),
    )
    op.create_index("ix_mailbox_consents_mailbox", "mailbox_consents", ["mailbox", "topic"])
    if rows := _said_so_far(op.get_bind()):
        op.bulk_insert(table, rows)


def downgrade() -> None:
    op.drop_table("mailbox_consents")
    op.drop_column("suppressions", "lifted_because")


def _said_so_far(tx: sa.Connection) -> list[dict[str, object]]:
    """Whoever unsubscribed did so by a link in an email: the latest one until then."""
    latest = (
        sa.select(MESSAGES.c.address)
        .where(
            MESSAGES.c.customer_id == CONSENTS.c.customer_id,
            MESSAGES.c.sent_at <= CONSENTS.c.known_at,
            MESSAGES.c.address != "",
        )
        .order_by(MESSAGES.c.sent_at.desc(), MESSAGES.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        sa.select(latest.label("address"), CONSENTS.c.topic, CONSENTS.c.status, CONSENTS.c.known_at)
        .where(CONSENTS.c.source == SOURCE)
        .order_by(CONSENTS.c.id)
    )
    return [
        {
            "mailbox": mailbox,
            "topic": row.topic,
            "status": row.status,
            "source": SOURCE,
            "reason": "",
            "known_at": row.known_at,
        }
        for row in tx.execute(query)
        if (mailbox := canonical(row.address))
    ]
