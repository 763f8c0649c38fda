"""What was done by hand is kept, so that simulations can do it again.

Revision ID: interventions
Revises: segments_and_journeys
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "interventions"
down_revision = "segments_and_journeys"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "interventions",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("said", JSON, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("last_event_id", ID, nullable=False),
        sa.Column("waiting_event_id", ID),
        sa.PrimaryKeyConstraint("id", name="pk_interventions"),
    )


def downgrade() -> None:
    op.drop_table("interventions")
