"""What an email said is kept, compressed, for whoever reads it in a browser.

Revision ID: copies
Revises: answers_solved
"""

import sqlalchemy as sa
from alembic import op

revision = "copies"
down_revision = "answers_solved"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "mail_outlines",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("outline", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_mail_outlines"),
    )
    op.create_table(
        "mail_copies",
        sa.Column("message_id", ID, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_mail_copies"),
    )


def downgrade() -> None:
    op.drop_table("mail_copies")
    op.drop_table("mail_outlines")
