"""What the whole language of segments and journeys needs.

Revision ID: segments_and_journeys
Revises: first_tables
"""

revision = "segments_and_journeys"
down_revision = "first_tables"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""


def downgrade() -> None:
    """Nothing yet."""
