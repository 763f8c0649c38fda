"""Room beside each row of drift for its next version, on PostgreSQL.

Everybody's drift is rewritten daily; what stays on its page leaves the indexes alone.

Revision ID: room_for_drift
Revises: interventions
"""

from alembic import op

revision = "room_for_drift"
down_revision = "interventions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE drift_states SET (fillfactor = 45)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE drift_states RESET (fillfactor)")
