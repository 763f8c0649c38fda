"""Calls out are claimed by whom they go to, and lanes tell how they are.

Revision ID: lanes
Revises: mailbox_consents
"""

import sqlalchemy as sa
from alembic import op

revision = "lanes"
down_revision = "mailbox_consents"
branch_labels = None
depends_on = None

INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC


def _index(name: str, columns: list[str], where: str) -> None:
    rows = sa.text(where)
    op.create_index(name, "effects", columns, sqlite_where=rows, postgresql_where=rows)


def upgrade() -> None:
    op.add_column("effects", sa.Column("receiver", sa.Text()))
    op.add_column("effects", sa.Column("made_at", INSTANT))
    op.add_column("effects", sa.Column("claimed_by", sa.Text()))
    _index("ix_effects_kind_due_at", ["kind", "due_at"], "due_at IS NOT NULL")
    _index("ix_effects_receiver_due_at", ["kind", "receiver", "due_at"], "due_at IS NOT NULL")
    _index("ix_effects_claimed", ["id"], "claimed_by IS NOT NULL")
    op.create_table(
        "receivers",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", INSTANT, nullable=False),
        sa.Column("resting_until", INSTANT),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "receiver", name="pk_receivers"),
    )
    op.create_table(
        "lanes",
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("busy", sa.Integer(), nullable=False),
        sa.Column("busy_since", INSTANT),
        sa.Column("busy_with", sa.Text(), nullable=False),
        sa.Column("progress_at", INSTANT),
        sa.Column("said_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("holder", "lane", name="pk_lanes"),
    )


def downgrade() -> None:
    op.drop_table("lanes")
    op.drop_table("receivers")
    op.drop_index("ix_effects_claimed", "effects")
    op.drop_index("ix_effects_receiver_due_at", "effects")
    op.drop_index("ix_effects_kind_due_at", "effects")
    op.drop_column("effects", "claimed_by")
    op.drop_column("effects", "made_at")
    op.drop_column("effects", "receiver")
