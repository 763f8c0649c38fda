"""A pause knows the settings with which it began.

Revision ID: pause_settings
Revises: providers_and_claims
"""

import sqlalchemy as sa
from alembic import op

revision = "pause_settings"
down_revision = "providers_and_claims"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("provider_states", sa.Column("settings_digest", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("provider_states", "settings_digest")
