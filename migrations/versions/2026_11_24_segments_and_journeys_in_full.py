"""What the whole language of segments and journeys needs.

Revision ID: segments_and_journeys
Revises: first_tables
"""

import sqlalchemy as sa
from alembic import op

revision = "segments_and_journeys"
down_revision = "first_tables"
branch_labels = None
depends_on = None


ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC


def upgrade() -> None:
    """Each part of the product adds its own."""
    op.create_table(
        "quintiles",
        sa.Column("id", ID, nullable=False),
        sa.Column("as_of", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("customers", sa.Integer, nullable=False),
        *(
            sa.Column(f"{figure}_{number}", sa.BigInteger, nullable=False)
            for figure in ("recency", "frequency", "monetary")
            for number in range(1, 5)
        ),
        sa.PrimaryKeyConstraint("id", name="pk_quintiles"),
    )
    op.create_index("ix_quintiles_known_at", "quintiles", ["known_at"])


def downgrade() -> None:
    """The other way round."""
    op.drop_table("quintiles")
