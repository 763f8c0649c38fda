"""Providers that take no mail are paused, and what changes permission is told to whoever sends.

Revision ID: providers_and_claims
Revises: lanes
"""

import sqlalchemy as sa
from alembic import op

revision = "providers_and_claims"
down_revision = "lanes"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC


def upgrade() -> None:
    op.create_table(
        "provider_states",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("paused_until", INSTANT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_provider_states"),
    )
    op.create_table(
        "permission_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("concerns", ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_permission_changes"),
    )
    op.add_column("messages", sa.Column("deferred_at", INSTANT, nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "deferred_at")
    op.drop_table("permission_changes")
    op.drop_table("provider_states")
