"""The first tables, from who customers are to who may come in.

Revision ID: first_tables
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "first_tables"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger()  # microseconds since 1970 in UTC
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


TABLES = (
    "customers",
    "identities",
    "traits",
    "consents",
    "suppressions",
    "event_kinds",
    "events",
    "parked_events",
    "pending_changes",
    "rejects",
    "imports",
    "definitions",
    "memberships",
    "segment_states",
    "drift_priors",
    "drift_states",
    "enrollments",
    "positions",
    "decisions",
    "effects",
    "messages",
    "stored_mails",
    "mail_editions",
    "delivery_events",
    "hits",
    "answers",
    "access_keys",
    "users",
    "used_tokens",
    "leases",
    "alarms",
)


def upgrade() -> None:
    _create_who()
    _create_what_happened()
    _create_what_was_written()
    _create_who_is_where()
    _create_what_happens_next()
    _create_what_leaves_and_comes_back()
    _create_who_may_come_in()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)


def _create_who() -> None:
    op.create_table(
        "customers",
        sa.Column("id", ID),
        sa.Column("external_id", sa.Text()),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("merged_into", ID),
        sa.Column("erased_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.UniqueConstraint("external_id", name="uq_customers_external_id"),
    )
    op.create_table(
        "identities",
        sa.Column("id", ID),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.UniqueConstraint(
            "kind", "value", "customer_id", name="uq_identities_kind_value_customer_id"
        ),
    )
    op.create_index("ix_identities_customer_id", "identities", ["customer_id"])
    op.create_table(
        "traits",
        sa.Column("id", ID),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", JSON),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_traits"),
    )
    op.create_index("ix_traits_customer_name", "traits", ["customer_id", "name", "occurred_at"])
    op.create_index("ix_traits_name_occurred_at", "traits", ["name", "occurred_at"])
    op.create_table(
        "consents",
        sa.Column("id", ID),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
    )
    op.create_index("ix_consents_customer_topic", "consents", ["customer_id", "topic"])
    op.create_table(
        "suppressions",
        sa.Column("id", ID),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("lifted_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_suppressions"),
    )
    op.create_index("ix_suppressions_address", "suppressions", ["address"])


def _create_what_happened() -> None:
    op.create_table(
        "event_kinds",
        sa.Column("id", sa.Integer()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_kinds"),
        sa.UniqueConstraint("name", "channel", "actor", name="uq_event_kinds_name_channel_actor"),
    )
    op.create_table(
        "events",
        sa.Column("id", ID),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("kind_id", sa.Integer(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("original_name", sa.Text()),
        sa.Column("properties", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("message_id", name="uq_events_message_id"),
    )
    op.create_index(
        "ix_events_customer_kind", "events", ["customer_id", "kind_id", "occurred_at", "known_at"]
    )
    op.create_index("ix_events_kind_occurred_at", "events", ["kind_id", "occurred_at"])
    op.create_table(
        "parked_events",
        sa.Column("event_id", ID, autoincrement=False),
        sa.Column("kind", sa.Text()),
        sa.Column("value", sa.Text()),
        sa.PrimaryKeyConstraint("event_id", "kind", "value", name="pk_parked_events"),
    )
    op.create_index("ix_parked_events_identity", "parked_events", ["kind", "value"])
    op.create_table(
        "pending_changes",
        sa.Column("id", ID),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("event_id", ID),
        sa.Column("is_evaluated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pending_changes"),
    )
    op.create_index("ix_pending_changes_customer_id", "pending_changes", ["customer_id"])
    op.create_table(
        "rejects",
        sa.Column("id", ID),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("item", JSON),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rejects"),
    )
    op.create_table(
        "imports",
        sa.Column("digest", sa.Text()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rows_done", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.PrimaryKeyConstraint("digest", name="pk_imports"),
    )


def _create_what_was_written() -> None:
    op.create_table(
        "definitions",
        sa.Column("id", ID),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.Text()),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_definitions"),
        sa.UniqueConstraint("kind", "name", "version", name="uq_definitions_kind_name_version"),
    )


def _create_who_is_where() -> None:
    op.create_table(
        "memberships",
        sa.Column("segment", sa.Text()),
        sa.Column("customer_id", ID, autoincrement=False),
        sa.Column("is_member", sa.Boolean(), nullable=False),
        sa.Column("since", INSTANT),
        sa.Column("next_check_at", INSTANT),
        sa.PrimaryKeyConstraint("segment", "customer_id", name="pk_memberships"),
    )
    op.create_index("ix_memberships_customer_id", "memberships", ["customer_id"])
    op.create_index(
        "ix_memberships_next_check_at",
        "memberships",
        ["next_check_at"],
        sqlite_where=sa.text("next_check_at IS NOT NULL"),
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
    )
    op.create_table(
        "segment_states",
        sa.Column("segment", sa.Text()),
        sa.Column("definition_id", ID, nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("cursor", ID, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("refreshed_at", INSTANT),
        sa.PrimaryKeyConstraint("segment", name="pk_segment_states"),
    )
    op.create_table(
        "drift_priors",
        sa.Column("id", ID),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("r", sa.Float(), nullable=False),
        sa.Column("alpha", sa.Float(), nullable=False),
        sa.Column("a", sa.Float(), nullable=False),
        sa.Column("b", sa.Float(), nullable=False),
        sa.Column("rho", sa.Float(), nullable=False),
        sa.Column("lapse_days", sa.Float(), nullable=False),
        sa.Column("horizon_days", sa.Float(), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drift_priors"),
    )
    op.create_table(
        "drift_states",
        sa.Column("clock", sa.Text()),
        sa.Column("customer_id", ID, autoincrement=False),
        sa.Column("priors_id", ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("ee", sa.Float(), nullable=False),
        sa.Column("dec", sa.Float(), nullable=False),
        sa.Column("fst", sa.Float(), nullable=False),
        sa.Column("cooling_at", INSTANT, nullable=False),
        sa.Column("drifting_at", INSTANT, nullable=False),
        sa.Column("dormant_at", INSTANT, nullable=False),
        sa.Column("lost_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("clock", "customer_id", name="pk_drift_states"),
    )
    op.create_index("ix_drift_states_customer_id", "drift_states", ["customer_id"])


def _create_what_happens_next() -> None:
    op.create_table(
        "enrollments",
        sa.Column("id", ID),
        sa.Column("journey", sa.Text(), nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Text(), nullable=False),
        sa.Column("event_id", ID),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("is_held_out", sa.Boolean(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("ended", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_enrollments"),
        sa.UniqueConstraint(
            "journey",
            "customer_id",
            "key",
            "occurrence",
            name="uq_enrollments_journey_customer_id_key_occurrence",
        ),
    )
    op.create_index("ix_enrollments_customer_id", "enrollments", ["customer_id"])
    op.create_index(
        "uq_enrollments_one_active",
        "enrollments",
        ["journey", "customer_id", "key"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "positions",
        sa.Column("enrollment_id", ID, autoincrement=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("arrived_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("enqueued_until", INSTANT),
        sa.PrimaryKeyConstraint("enrollment_id", name="pk_positions"),
    )
    op.create_index(
        "ix_positions_due_at",
        "positions",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", ID),
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_enrollment_id", "decisions", ["enrollment_id"])
    op.create_table(
        "effects",
        sa.Column("id", ID),
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_effects"),
        sa.UniqueConstraint(
            "enrollment_id",
            "step",
            "visit",
            "ordinal",
            name="uq_effects_enrollment_id_step_visit_ordinal",
        ),
    )
    op.create_index(
        "ix_effects_due_at",
        "effects",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def _create_what_leaves_and_comes_back() -> None:
    op.create_table(
        "messages",
        sa.Column("id", ID),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("enrollment_id", ID),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("visit", sa.Integer(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("survey", sa.Text()),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("payload", JSON),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("enqueued_until", INSTANT),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("claimed_until", INSTANT),
        sa.Column("handed_over_at", INSTANT),
        sa.Column("sent_at", INSTANT),
        sa.Column("header_id", sa.Text(), nullable=False),
        sa.Column("provider_message_id", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint(
            "enrollment_id", "step", "visit", name="uq_messages_enrollment_id_step_visit"
        ),
    )
    op.create_index(
        "ix_messages_claimed",
        "messages",
        ["claimed_by"],
        sqlite_where=sa.text("claimed_by IS NOT NULL"),
        postgresql_where=sa.text("claimed_by IS NOT NULL"),
    )
    op.create_index("ix_messages_customer_id", "messages", ["customer_id", "sent_at"])
    op.create_index(
        "ix_messages_due_at",
        "messages",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_messages_survey", "messages", ["survey", "customer_id"])
    op.create_table(
        "stored_mails",
        sa.Column("message_id", ID, autoincrement=False),
        sa.Column("mime", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name="pk_stored_mails"),
    )
    op.create_table(
        "mail_editions",
        sa.Column("edition", sa.Text()),
        sa.Column("addresses", JSON, nullable=False),
        sa.PrimaryKeyConstraint("edition", name="pk_mail_editions"),
    )
    op.create_table(
        "delivery_events",
        sa.Column("id", ID),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.Column("provider_event_id", sa.Text()),
        sa.Column("is_machine", sa.Boolean(), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_events"),
        sa.UniqueConstraint("provider_event_id", name="uq_delivery_events_provider_event_id"),
    )
    op.create_index(
        "ix_delivery_events_message", "delivery_events", ["message_id", "kind", "occurred_at"]
    )
    op.create_table(
        "hits",
        sa.Column("id", ID),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hits"),
    )
    op.create_index("ix_hits_message_id", "hits", ["message_id", "occurred_at"])
    op.create_table(
        "answers",
        sa.Column("id", ID),
        sa.Column("survey", sa.Text(), nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("message_id", ID, nullable=False),
        sa.Column("enrollment_id", ID),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.Column("answered_at", INSTANT, nullable=False),
        sa.Column("known_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_answers"),
        sa.UniqueConstraint(
            "message_id", "survey", "revision", name="uq_answers_message_id_survey_revision"
        ),
    )
    op.create_index("ix_answers_customer_id", "answers", ["customer_id"])
    op.create_index("ix_answers_survey", "answers", ["survey", "answered_at"])


def _create_who_may_come_in() -> None:
    op.create_table(
        "access_keys",
        sa.Column("id", ID),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("is_browser", sa.Boolean(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_access_keys"),
        sa.UniqueConstraint("digest", name="uq_access_keys_digest"),
    )
    op.create_table(
        "users",
        sa.Column("id", ID),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
    )
    op.create_table(
        "used_tokens",
        sa.Column("digest", sa.Text()),
        sa.Column("used_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_used_tokens"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text()),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "alarms",
        sa.Column("id", ID),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("raised_at", INSTANT, nullable=False),
        sa.Column("cleared_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
    )
