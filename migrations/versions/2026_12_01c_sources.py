"""Databases of others are read from where the last reading ended.

Revision ID: sources
Revises: web_faults
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "sources"
down_revision = "web_faults"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "source_states",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("cursor", JSON),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger()),
        sa.Column("caught_up_at", sa.BigInteger()),
        sa.Column("first_caught_up_at", sa.BigInteger()),
        sa.Column("accepted", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("rejected", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("failed_at", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("source", "part", name="pk_source_states"),
    )


def downgrade() -> None:
    op.drop_table("source_states")
