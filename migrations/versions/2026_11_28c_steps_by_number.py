"""Positions name their steps by number: narrow, and as wide at one step as at another.

Revision ID: steps_by_number
Revises: for_postgresql
"""

import sqlalchemy as sa
from alembic import op

revision = "steps_by_number"
down_revision = "for_postgresql"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC
DUE = sa.text("due_at IS NOT NULL")
REST = "visit, arrived_at, due_at, enqueued_until"


def upgrade() -> None:
    op.create_table(
        "step_names",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_step_names"),
        sa.UniqueConstraint("name", name="uq_step_names_name"),
    )
    op.execute("INSERT INTO step_names (name) SELECT DISTINCT step FROM positions ORDER BY step")
    _stand_anew(sa.Column("step_id", sa.Integer(), nullable=False))
    op.execute(
        f"INSERT INTO positions (enrollment_id, step_id, {REST})"
        f" SELECT enrollment_id, id, {REST} FROM stood JOIN step_names ON name = step"
        " ORDER BY enrollment_id"
    )
    op.drop_table("stood")


def downgrade() -> None:
    _stand_anew(sa.Column("step", sa.Text(), nullable=False))
    op.execute(
        f"INSERT INTO positions (enrollment_id, step, {REST})"
        f" SELECT enrollment_id, name, {REST} FROM stood JOIN step_names ON id = step_id"
        " ORDER BY enrollment_id"
    )
    op.drop_table("stood")
    op.drop_table("step_names")


def _stand_anew(step: sa.Column[object]) -> None:
    """Put aside the positions that there are, and make room for them as they shall be."""
    op.execute("CREATE TABLE stood AS SELECT * FROM positions")
    op.drop_table("positions")
    op.create_table(
        "positions",
        sa.Column("enrollment_id", ID, autoincrement=False, nullable=False),
        step,
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("arrived_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("enqueued_until", INSTANT),
        sa.PrimaryKeyConstraint("enrollment_id", name="pk_positions"),
    )
    op.create_index(
        "ix_positions_due_at", "positions", ["due_at"], sqlite_where=DUE, postgresql_where=DUE
    )
