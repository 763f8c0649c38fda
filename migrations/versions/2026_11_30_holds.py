"""All that leaves can be held, and when a journey was resumed is kept.

Revision ID: holds
Revises: failing_steps
"""

import sqlalchemy as sa
from alembic import op

revision = "holds"
down_revision = "failing_steps"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", ID, nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("released_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.add_column("journey_states", sa.Column("resumed_at", INSTANT))


def downgrade() -> None:
    op.drop_column("journey_states", "resumed_at")
    op.drop_table("holds")
