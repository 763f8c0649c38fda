"""What fails at the web's own addresses is counted, so that an alarm tells of it.

Revision ID: web_faults
Revises: copies
"""

import sqlalchemy as sa
from alembic import op

revision = "web_faults"
down_revision = "copies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "web_faults",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_web_faults"),
    )


def downgrade() -> None:
    op.drop_table("web_faults")
