"""What makes PostgreSQL faster: room beside rows of drift, and events by kind and customer.

Everybody's drift is rewritten daily; what stays on its page leaves the indexes alone. A pass over
everybody reads the events of a kind of a whole range of customers.

Revision ID: for_postgresql
Revises: interventions
"""

from alembic import op

revision = "for_postgresql"
down_revision = "interventions"
branch_labels = None
depends_on = None

BY_KIND = ("ix_events_kind_customer", "events")


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE drift_states SET (fillfactor = 50)")
        op.create_index(*BY_KIND, ["kind_id", "customer_id", "occurred_at", "known_at"])


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index(*BY_KIND)
        op.execute("ALTER TABLE drift_states RESET (fillfactor)")
