"""Steps whose mails could not be written are counted, so that an alarm tells of them.

Revision ID: failing_steps
Revises: places_by_instant
"""

import sqlalchemy as sa
from alembic import op

revision = "failing_steps"
down_revision = "places_by_instant"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC


def upgrade() -> None:
    op.create_table(
        "failing_steps",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("first_customer", ID, nullable=False),
        sa.Column("is_odd_one", sa.Boolean(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("lately_failed", sa.Integer(), nullable=False),
        sa.Column("lately_written", sa.Integer(), nullable=False),
        sa.Column("written_since", sa.Integer(), nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("journey", "step", name="pk_failing_steps"),
    )


def downgrade() -> None:
    op.drop_table("failing_steps")
