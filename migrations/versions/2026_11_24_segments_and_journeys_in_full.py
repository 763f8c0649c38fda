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
    _make_quintiles()
    _make_journey_tables()
    _know_what_runs()
    _pace_messages()
    _refresh_segments()
    _learn_drift_anew()
    _keep_standings()


def downgrade() -> None:
    _learn_drift_as_before()
    op.drop_index("ix_events_known_at", "events")
    with op.batch_alter_table("segment_states") as states:
        states.drop_column("error")
        states.drop_column("failed_at")
    with op.batch_alter_table("messages") as messages:
        messages.drop_column("paced_at")
        messages.drop_column("priority")
    op.drop_table("pace_slots")
    op.drop_table("journey_states")
    op.drop_table("calendars")
    op.drop_table("approvals")
    op.drop_table("quintiles")
    op.drop_table("standings")


def _make_quintiles() -> None:
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


def _make_journey_tables() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", ID, nullable=False),
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("people", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.Column("is_granted", sa.Boolean()),
        sa.Column("answered_by", sa.Text(), nullable=False),
        sa.Column("answered_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sa.UniqueConstraint(
            "enrollment_id", "step", "visit", name="uq_approvals_enrollment_id_step_visit"
        ),
    )
    op.create_index(
        "ix_approvals_open",
        "approvals",
        ["until"],
        sqlite_where=sa.text("answered_at IS NULL"),
        postgresql_where=sa.text("answered_at IS NULL"),
    )
    op.create_table(
        "calendars",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("start", sa.Text(), nullable=False),
        sa.Column("looked_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("cursor", ID, nullable=False),
        sa.PrimaryKeyConstraint("journey", "start", name="pk_calendars"),
    )
    op.create_index("ix_calendars_due_at", "calendars", ["due_at"])
    op.create_table(
        "journey_states",
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("definition_id", ID, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("backfilled", sa.Boolean(), nullable=False),
        sa.Column("stopped_at", INSTANT),
        sa.Column("stopped", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("journey", name="pk_journey_states"),
    )
    op.create_table(
        "pace_slots",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("begins_at", INSTANT, nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "begins_at", name="pk_pace_slots"),
    )


def _know_what_runs() -> None:
    """What was applied before has been acted upon: nobody is started once more because of it."""
    op.execute(
        "INSERT INTO journey_states (journey, definition_id, status, backfilled, stopped) "
        "SELECT name, max(id), 'live', true, '' FROM definitions WHERE kind = 'journey' "
        "GROUP BY name"
    )


def _pace_messages() -> None:
    priority = sa.Column("priority", sa.Integer(), nullable=False, server_default="50")
    op.add_column("messages", priority)
    op.add_column("messages", sa.Column("paced_at", INSTANT))


def _refresh_segments() -> None:
    op.create_index("ix_events_known_at", "events", ["known_at"])
    op.add_column("segment_states", sa.Column("failed_at", INSTANT))
    op.add_column("segment_states", sa.Column("error", sa.Text()))


def _keep_standings() -> None:
    op.create_table(
        "standings",
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("is_counted", sa.Boolean, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_standings"),
    )
    op.create_index("ix_standings_subject", "standings", ["kind", "subject_id"])


# --- drift ---------------------------------------------------------------------------------------


def _learn_drift_anew() -> None:
    """States are made from the log, so that they may be thrown away and made again."""
    with op.batch_alter_table("drift_priors") as table:
        table.add_column(sa.Column("counted", sa.Text, nullable=False, server_default=""))
    with op.batch_alter_table("drift_priors") as table:
        table.alter_column("counted", server_default=None)
    op.create_table(
        "drift_recalibrations",
        sa.Column("id", ID),
        sa.Column("clock", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.Float, nullable=False)
            for name in ("intercept", "chance", "silence", "count", "recent", "other")
        ),
        sa.Column("sample", sa.Integer, nullable=False),
        sa.Column("off_by", sa.Float, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drift_recalibrations"),
    )
    op.drop_table("drift_states")
    _create_drift_states(
        sa.Column("day_over_at", INSTANT, nullable=False),
        sa.Column("wound_at", INSTANT, nullable=False),
        sa.Column("risk", sa.Float),
        sa.Column("risk_at", INSTANT),
    )


def _learn_drift_as_before() -> None:
    op.drop_table("drift_states")
    _create_drift_states()
    op.drop_table("drift_recalibrations")
    with op.batch_alter_table("drift_priors") as table:
        table.drop_column("counted")


def _create_drift_states(*more: sa.Column[object]) -> None:
    op.create_table(
        "drift_states",
        sa.Column("clock", sa.Text),
        sa.Column("customer_id", ID, autoincrement=False),
        sa.Column("priors_id", ID, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        *(sa.Column(name, INSTANT, nullable=False) for name in ("first_at", "last_at")),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("ee", "dec", "fst")),
        *(
            sa.Column(f"{state}_at", INSTANT, nullable=False)
            for state in ("cooling", "drifting", "dormant", "lost")
        ),
        *more,
        sa.PrimaryKeyConstraint("clock", "customer_id", name="pk_drift_states"),
    )
    op.create_index("ix_drift_states_customer_id", "drift_states", ["customer_id"])
