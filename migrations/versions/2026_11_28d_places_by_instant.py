"""What is paced is counted by instants, not by slots of time.

Revision ID: places_by_instant
Revises: steps_by_number
"""

import sqlalchemy as sa
from alembic import op

revision = "places_by_instant"
down_revision = "steps_by_number"
branch_labels = None
depends_on = None

INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC


def upgrade() -> None:
    op.create_table(
        "paced",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "at", name="pk_paced"),
    )
    op.execute(
        "INSERT INTO paced (scope, at, mails) SELECT scope, begins_at, taken FROM pace_slots"
        " WHERE taken > 0"
    )
    op.drop_table("pace_slots")


def downgrade() -> None:
    op.create_table(
        "pace_slots",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("begins_at", INSTANT, nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "begins_at", name="pk_pace_slots"),
    )
    op.execute(
        "INSERT INTO pace_slots (scope, begins_at, taken) SELECT scope, at, mails FROM paced"
    )
    op.drop_table("paced")
