"""An answer keeps whether the customer's problem is solved.

Revision ID: answers_solved
Revises: sessions
"""

import sqlalchemy as sa
from alembic import op

revision = "answers_solved"
down_revision = "sessions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("answers", sa.Column("solved", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("answers", "solved")
