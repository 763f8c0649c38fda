"""Every table, as SQLAlchemy Core. Migrations add up to exactly this; a test proves it.
Long because the whole schema reads best in one place.

Instants are whole microseconds since 1970 in UTC, so that comparisons and sums mean the same on
every database. Histories (traits, consents, suppressions, definitions, priors) only grow; each row
says when it became known.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)  # what is known by then is all that is committed
MICROSECOND = timedelta(microseconds=1)
# keys as they are: SQLite before 3.45 does not find one that was written with escapes
write_json = json.JSONEncoder(ensure_ascii=False).encode


def microseconds(instant: datetime) -> int:
    """`instant` as stored. Raises TypeError for a naive datetime."""
    return (instant - EPOCH) // MICROSECOND


def instant_of(stored: int) -> datetime:
    """The instant that is stored as so many microseconds."""
    return EPOCH + MICROSECOND * stored


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime in Python, whole microseconds since 1970 in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else instant_of(int(value))


Id = BigInteger().with_variant(Integer, "sqlite")
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# --- who
# -------------------------------------------------------------------------------------------

customers = Table(
    "customers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("external_id", Text, unique=True),  # null once erased
    Column("known_at", Instant, nullable=False),
    Column("merged_into", Id),
    Column("erased_at", Instant),
)

identities = Table(
    "identities",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),
    Column("kind", Text, nullable=False),  # email, phone, anonymous, helpdesk, social
    Column("value", Text, nullable=False),
    Column("known_at", Instant, nullable=False),
    UniqueConstraint("kind", "value", "customer_id"),
    Index("ix_identities_customer_id", "customer_id"),
)

traits = Table(
    "traits",
    metadata,
    Column("id", Id, primary_key=True),  # arrival order
    Column("customer_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Json),  # null clears
    Column("occurred_at", Instant, nullable=False),
    Column("known_at", Instant, nullable=False),
    Index("ix_traits_customer_name", "customer_id", "name", "occurred_at"),
    Index("ix_traits_name_occurred_at", "name", "occurred_at"),
)

consents = Table(
    "consents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),
    Column("topic", Text, nullable=False),
    Column("status", Text, nullable=False),  # granted, denied, unknown
    Column("source", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("known_at", Instant, nullable=False),
    Index("ix_consents_customer_topic", "customer_id", "topic"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", Text, nullable=False),  # canonical, or its fingerprint
    Column("reason", Text, nullable=False),  # hard_bounce, complaint, person, import
    Column("detail", Text, nullable=False, default=""),
    Column("known_at", Instant, nullable=False),
    Column("lifted_at", Instant),
    Column("lifted_because", Text),
    Index("ix_suppressions_address", "address"),
)
mailbox_consents = Table(
    "mailbox_consents",  # what was said with a mailbox, for every customer who has it now or later
    metadata,
    Column("id", Id, primary_key=True),
    Column("mailbox", Text, nullable=False),  # canonical address, or its fingerprint
    Column("topic", Text, nullable=False),
    Column("status", Text, nullable=False),  # granted, denied, unknown
    Column("source", Text, nullable=False),  # preferences, person
    Column("reason", Text, nullable=False, default="", server_default=""),
    Column("known_at", Instant, nullable=False),
    Index("ix_mailbox_consents_mailbox", "mailbox", "topic"),
)

# --- what happened
# ---------------------------------------------------------------------------------

event_kinds = Table(
    "event_kinds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),  # lower case, noun.past_participle
    Column("channel", Text, nullable=False),
    Column("actor", Text, nullable=False),  # customer, agent, rekindle
    UniqueConstraint("name", "channel", "actor"),
)

POSTGRESQL_ONLY = {"dialect": "postgresql"}

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),  # arrival order
    Column("customer_id", Id, nullable=False),  # 0 while parked: see parked_events
    Column("kind_id", Integer, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("known_at", Instant, nullable=False),
    Column("message_id", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("original_name", Text),  # only where it differs from the kind's
    Column("properties", Json, nullable=False),
    Index("ix_events_customer_kind", "customer_id", "kind_id", "occurred_at", "known_at"),
    Index("ix_events_kind_occurred_at", "kind_id", "occurred_at"),
    # PostgreSQL reads what a whole range of customers did; SQLite looks each one up faster
    Index(
        "ix_events_kind_customer",
        "kind_id",
        "customer_id",
        "occurred_at",
        "known_at",
        info=POSTGRESQL_ONLY,
    ).ddl_if(dialect="postgresql"),
    # whether anything at all became known after an instant
    Index("ix_events_known_at", "known_at"),
)

parked_events = Table(
    "parked_events",  # a row for each identity that an event without a customer waits for
    metadata,
    Column("event_id", Id, primary_key=True, autoincrement=False),
    Column("kind", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Index("ix_parked_events_identity", "kind", "value"),
)

pending_changes = Table(
    # what `evaluate` has yet to look at; a row is deleted with the work it caused
    "pending_changes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),
    # null: a customer row or a consent changed, not an event
    Column("event_id", Id),
    # a pass over everybody has looked at this customer since; only starts are left to do
    Column("is_evaluated", Boolean, nullable=False, default=False),
    Index("ix_pending_changes_customer_id", "customer_id"),
)

rejects = Table(
    "rejects",
    metadata,
    Column("id", Id, primary_key=True),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("item", Json),
    Column("received_at", Instant, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("digest", Text, primary_key=True),  # of the file's content and the mapping
    Column("name", Text, nullable=False),
    Column("rows_done", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("finished_at", Instant),
    Column("unusable_addresses", Integer, nullable=False, default=0, server_default="0"),
)

source_states = Table(
    "source_states",  # how far the databases of others have been read
    metadata,
    Column("source", Text, primary_key=True),
    Column("part", Text, primary_key=True),  # customers, events
    Column("cursor", Json),  # the furthest that was stored; null: nothing yet
    Column("digest", Text, nullable=False),  # of the query and its mapping
    Column("begun_at", Instant),  # the latest reading
    Column("caught_up_at", Instant),  # the latest that came to its end; null: none has
    Column("first_caught_up_at", Instant),  # until then what is read is history
    Column("accepted", BigInteger, nullable=False, default=0, server_default="0"),
    Column("rejected", BigInteger, nullable=False, default=0, server_default="0"),
    Column("failed_at", Instant),  # since then it cannot be read
    Column("error", Text),
)

# --- what was written
# ------------------------------------------------------------------------------

definitions = Table(
    "definitions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),  # segment, journey, survey, template, data, settings
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("body", Text),  # the file's text; null: retired
    Column("known_at", Instant, nullable=False),
    UniqueConstraint("kind", "name", "version"),
)

# --- who is where
# ----------------------------------------------------------------------------------

memberships = Table(
    "memberships",  # members, and those who are not but may become so by time alone
    metadata,
    Column("segment", Text, primary_key=True),
    Column("customer_id", Id, primary_key=True, autoincrement=False),
    Column("is_member", Boolean, nullable=False),
    Column("since", Instant),
    Column("next_check_at", Instant),
    Index("ix_memberships_customer_id", "customer_id"),
)
Index(
    "ix_memberships_next_check_at",
    memberships.c.next_check_at,
    sqlite_where=memberships.c.next_check_at.is_not(None),
    postgresql_where=memberships.c.next_check_at.is_not(None),
)

segment_states = Table(
    "segment_states",  # how far the evaluation for everybody has come
    metadata,
    Column("segment", Text, primary_key=True),
    Column("definition_id", Id, nullable=False),
    Column("cause", Text, nullable=False),  # first, definition, refit
    Column("cursor", Id, nullable=False),  # customers up to this id are done
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("refreshed_at", Instant),
    Column("failed_at", Instant),  # since then nobody's answer is known
    Column("error", Text),
)

drift_priors = Table(
    "drift_priors",
    metadata,
    Column("id", Id, primary_key=True),
    Column("clock", Text, nullable=False),  # goal, any
    Column("r", Float, nullable=False),
    Column("alpha", Float, nullable=False),  # days
    Column("a", Float, nullable=False),
    Column("b", Float, nullable=False),
    Column("rho", Float, nullable=False),
    Column("lapse_days", Float, nullable=False),
    Column("horizon_days", Float, nullable=False),
    Column("sample", Integer, nullable=False),  # customers they were learned from; 0: defaults
    Column("known_at", Instant, nullable=False),
    # what the clock counts, and in which zone: rows made by other rules are counted anew
    Column("counted", Text, nullable=False, default=""),
)

drift_recalibrations = Table(
    "drift_recalibrations",  # weights in the log-odds of the risk
    metadata,
    Column("id", Id, primary_key=True),
    Column("clock", Text, nullable=False),
    Column("intercept", Float, nullable=False),
    Column("chance", Float, nullable=False),
    Column("silence", Float, nullable=False),
    Column("count", Float, nullable=False),
    Column("recent", Float, nullable=False),
    Column("other", Float, nullable=False),
    Column("sample", Integer, nullable=False),  # silences learned from; 0: corrects nothing
    Column("off_by", Float, nullable=False),  # foretold less observed, of late
    Column("known_at", Instant, nullable=False),
)

drift_states = Table(
    "drift_states",
    metadata,
    Column("clock", Text, primary_key=True),
    Column("customer_id", Id, primary_key=True, autoincrement=False),
    Column("priors_id", Id, nullable=False),
    Column("n", Integer, nullable=False),  # event days
    Column("first_at", Instant, nullable=False),  # first instant of the day in the brand's zone
    Column("last_at", Instant, nullable=False),
    Column("ee", Float, nullable=False),  # discounted gaps, days
    Column("dec", Float, nullable=False),
    Column("fst", Float, nullable=False),
    Column("cooling_at", Instant, nullable=False),
    Column("drifting_at", Instant, nullable=False),
    Column("dormant_at", Instant, nullable=False),
    Column("lost_at", Instant, nullable=False),
    Column("day_over_at", Instant, nullable=False),  # until then more events change nothing
    Column("wound_at", Instant, nullable=False),  # what was known then is counted
    Column("risk", Float),  # null: first active today
    Column("risk_at", Instant),  # the first instant of the day that it was published for
    Index("ix_drift_states_customer_id", "customer_id"),
    # everybody's are rewritten daily: room for the next version of each row beside it
    postgresql_with={"fillfactor": 50},
)

QUINTILE_FIGURES = ("recency", "frequency", "monetary")

quintiles = Table(
    "quintiles",  # the bounds between fifths of all customers who bought, a version a day
    metadata,
    Column("id", Id, primary_key=True),
    Column("as_of", Instant, nullable=False),  # what was known then is counted
    Column("known_at", Instant, nullable=False),
    Column("customers", Integer, nullable=False),
    # recency in microseconds since 1970, frequency in events, monetary in ten-thousandths
    *(
        Column(f"{figure}_{number}", BigInteger, nullable=False)
        for figure in QUINTILE_FIGURES
        for number in range(1, 5)
    ),
    Index("ix_quintiles_known_at", "known_at"),
)

# --- what happens next
# -----------------------------------------------------------------------------

enrollments = Table(
    "enrollments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("journey", Text, nullable=False),
    Column("version_id", Id, nullable=False),  # definitions.id
    Column("customer_id", Id, nullable=False),
    Column("key", Text, nullable=False),  # the value of `per`, or empty
    Column(
        "occurrence", Text, nullable=False
    ),  # what started it: never started twice by the same thing
    Column("event_id", Id),  # what templates call `event`
    Column("cause", Text, nullable=False),
    Column("is_held_out", Boolean, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("ended", Text),  # finished, goal, exited, merged, failed
    UniqueConstraint("journey", "customer_id", "key", "occurrence"),
    Index("ix_enrollments_customer_id", "customer_id"),
)
Index(
    "uq_enrollments_one_active",
    enrollments.c.journey,
    enrollments.c.customer_id,
    enrollments.c.key,
    unique=True,
    sqlite_where=enrollments.c.ended_at.is_(None),
    postgresql_where=enrollments.c.ended_at.is_(None),
)

step_names = Table(
    "step_names",  # of the steps that anybody ever stood at
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

positions = Table(
    # where each active enrollment stands: narrow, and as wide at one step as at another, because it
    # is written at every step
    "positions",
    metadata,
    Column("enrollment_id", Id, primary_key=True, autoincrement=False),
    Column("step_id", Integer, nullable=False),  # step_names.id
    Column("visit", Integer, nullable=False),
    Column("arrived_at", Instant, nullable=False),
    Column("due_at", Instant),  # null: waits for something that is not time
    Column("enqueued_until", Instant),  # wall time: a broker has it until then
)
Index(
    "ix_positions_due_at",
    positions.c.due_at,
    sqlite_where=positions.c.due_at.is_not(None),
    postgresql_where=positions.c.due_at.is_not(None),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("enrollment_id", Id, nullable=False),
    Column("step", Text, nullable=False),
    Column("visit", Integer, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Index("ix_decisions_enrollment_id", "enrollment_id"),
)

effects = Table(
    "effects",  # what must be done outside and is not a mail to the customer
    metadata,
    Column("id", Id, primary_key=True),
    Column("enrollment_id", Id, nullable=False),
    Column("step", Text, nullable=False),
    Column("visit", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("kind", Text, nullable=False),  # notify, webhook
    Column("payload", Json, nullable=False),
    Column("status", Text, nullable=False),  # due, done, failed
    Column("attempts", Integer, nullable=False, default=0),
    Column("due_at", Instant),  # of a claimed one the end of the claim, unless it is renewed
    Column("error", Text),
    Column("receiver", Text),  # whom it goes to: a host and port, a notification service
    Column("made_at", Instant),
    Column("claimed_by", Text),  # whose call it is, and which of theirs
    UniqueConstraint("enrollment_id", "step", "visit", "ordinal"),
)
Index(
    "ix_effects_due_at",
    effects.c.due_at,
    sqlite_where=effects.c.due_at.is_not(None),
    postgresql_where=effects.c.due_at.is_not(None),
)
Index(
    "ix_effects_kind_due_at",
    effects.c.kind,
    effects.c.due_at,
    sqlite_where=effects.c.due_at.is_not(None),
    postgresql_where=effects.c.due_at.is_not(None),
)
Index(
    "ix_effects_receiver_due_at",
    effects.c.kind,
    effects.c.receiver,
    effects.c.due_at,
    sqlite_where=effects.c.due_at.is_not(None),
    postgresql_where=effects.c.due_at.is_not(None),
)
Index(
    "ix_effects_claimed",
    effects.c.id,
    sqlite_where=effects.c.claimed_by.is_not(None),
    postgresql_where=effects.c.claimed_by.is_not(None),
)

receivers = Table(
    "receivers",  # of webhooks and notices, those that did not take the last one
    metadata,
    Column("kind", Text, primary_key=True),
    Column("receiver", Text, primary_key=True),
    Column("failures", Integer, nullable=False),  # since they last took one
    Column("failing_since", Instant, nullable=False),
    Column("resting_until", Instant),  # nobody calls them before then
    Column("error", Text, nullable=False),
)

web_faults = Table(
    "web_faults",  # sources of which nothing is taken, and pages that break
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("failing_since", Instant, nullable=False),
    Column("failed_at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
)

approvals = Table(
    "approvals",  # what our own people are asked before a journey goes on
    metadata,
    Column("id", Id, primary_key=True),
    Column("enrollment_id", Id, nullable=False),
    Column("step", Text, nullable=False),
    Column("visit", Integer, nullable=False),
    Column("people", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("is_granted", Boolean),  # null: nobody has answered
    Column("answered_by", Text, nullable=False, default=""),
    Column("answered_at", Instant),
    UniqueConstraint("enrollment_id", "step", "visit"),
)
Index(
    "ix_approvals_open",
    approvals.c.until,
    sqlite_where=approvals.c.answered_at.is_(None),
    postgresql_where=approvals.c.answered_at.is_(None),
)

calendars = Table(
    "calendars",  # the starts of journeys that the calendar makes, and how far each has come
    metadata,
    Column("journey", Text, primary_key=True),
    Column("start", Text, primary_key=True),  # the start as written, in one line
    Column("looked_at", Instant, nullable=False),  # everything up to then was started
    Column("due_at", Instant),  # null: never again
    Column("cursor", Id, nullable=False),  # of the turn under way, customers up to this id are done
    Index("ix_calendars_due_at", "due_at"),
)

journey_states = Table(
    "journey_states",  # which version those inside were last brought to, and whether it is stopped
    metadata,
    Column("journey", Text, primary_key=True),
    Column("definition_id", Id, nullable=False),  # of the last version acted upon
    Column("status", Text, nullable=False),  # live, paused, draining, shadow
    Column("backfilled", Boolean, nullable=False),
    Column("stopped_at", Instant),  # by a person or by its own breaker: as if paused
    Column("stopped", Text, nullable=False, default=""),  # why
    Column("resumed_at", Instant),  # when it last stood still until
)

holds = Table(
    "holds",  # while one of them stands, nothing leaves
    metadata,
    Column("id", Id, primary_key=True),
    Column("began_at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released_at", Instant),
)

interventions = Table(
    # what was changed by hand, and how far the engine had looked by then: simulations do it again
    "interventions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),  # applied, stopped, resumed, …
    Column("said", Json, nullable=False),
    Column("known_at", Instant, nullable=False),
    Column("last_event_id", Id, nullable=False),  # the newest event that there was; 0: none
    Column("waiting_event_id", Id),  # the first that nobody had looked at; null: there was none
)

paced = Table(
    "paced",  # how many mails have left, or have their place, at an instant
    metadata,
    Column("scope", Text, primary_key=True),  # provider, domain:NAME, journey:NAME, late
    Column("at", Instant, primary_key=True),
    Column("mails", Integer, nullable=False),
)

# --- what leaves and what comes back
# ---------------------------------------------------------------

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),  # 0: to our own people
    Column("enrollment_id", Id),
    Column("step", Text, nullable=False, default=""),
    Column("visit", Integer, nullable=False, default=1),
    Column("template", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("survey", Text),
    # as it was given, or the fingerprint of an erased mailbox; empty until it leaves
    Column("address", Text, nullable=False, default=""),
    Column("status", Text, nullable=False),
    # queued, held, sending, sent, delivered, bounced, complained, refused, cancelled, uncertain
    Column("reason", Text, nullable=False, default=""),
    Column("payload", Json),  # words that no template has: a notice to our own people
    Column("queued_at", Instant, nullable=False),
    Column("due_at", Instant),  # null: nothing to do any more
    Column("enqueued_until", Instant),  # wall time
    # how often its provider answered about this very mail
    Column("attempts", Integer, nullable=False, default=0),
    Column("claimed_by", Text),  # a lease, different each time: retaken once its process is gone
    Column("claimed_until", Instant),  # the database's time
    Column("handed_over_at", Instant),  # committed before the last byte leaves
    Column("sent_at", Instant),  # the provider took it
    Column("header_id", Text, nullable=False),  # Message-ID, fixed before the first try
    Column("provider_message_id", Text),
    Column("priority", Integer, nullable=False, default=50, server_default="50"),
    Column("paced_at", Instant),  # the instant at which it has its place
    Column("deferred_at", Instant),  # since when its provider puts it off
    Index("ix_messages_customer_id", "customer_id", "sent_at"),
    Index("ix_messages_survey", "survey", "customer_id"),
    UniqueConstraint("enrollment_id", "step", "visit"),
)
Index(
    "ix_messages_due_at",
    messages.c.due_at,
    sqlite_where=messages.c.due_at.is_not(None),
    postgresql_where=messages.c.due_at.is_not(None),
)
Index(
    "ix_messages_claimed",
    messages.c.claimed_by,
    sqlite_where=messages.c.claimed_by.is_not(None),
    postgresql_where=messages.c.claimed_by.is_not(None),
)

provider_states = Table(
    # providers that take no mail at the moment
    "provider_states",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("fault", Text, nullable=False),  # as in rekindle.errors.ProviderFault
    Column("reason", Text, nullable=False),  # in the provider's words
    Column("since", Instant, nullable=False),
    Column("paused_until", Instant, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("settings_digest", Text),  # of the settings with which it took nothing
)

permission_changes = Table(
    # what may have changed the permission of mails that are claimed; the oldest are forgotten
    "permission_changes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("concerns", Id),  # a customer's id; null: everybody
)

stored_mails = Table(
    # service mails as handed over, so that an uncertain one can be sent again byte for byte
    "stored_mails",
    metadata,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("mime", LargeBinary, nullable=False),
)

mail_copies = Table(
    # what an email said, compressed against its outline: to be read in a browser
    "mail_copies",
    metadata,
    Column("message_id", Id, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),  # of the outline
    Column("body", LargeBinary, nullable=False),
    Column("kept_at", Instant, nullable=False),
)

mail_outlines = Table(
    "mail_outlines",  # templates as they were compiled; they name nobody
    metadata,
    Column("digest", Text, primary_key=True),
    Column("outline", LargeBinary, nullable=False),
)

mail_editions = Table(
    "mail_editions",  # where the numbered links of a mail lead, as it was when it was sent
    metadata,
    Column("edition", Text, primary_key=True),
    Column("addresses", Json, nullable=False),  # of link 1, 2, …
)

delivery_events = Table(
    "delivery_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False),
    Column(
        "kind", Text, nullable=False
    ),  # sent, delivered, opened, clicked, bounced, complained, refused, …
    Column("occurred_at", Instant, nullable=False),
    Column("known_at", Instant, nullable=False),
    Column("provider_event_id", Text, unique=True),
    Column("is_machine", Boolean, nullable=False, default=False),
    Column("details", Json, nullable=False),
    Index("ix_delivery_events_message", "message_id", "kind", "occurred_at"),
)

hits = Table(
    "hits",  # raw evidence: every request to a signed link, before anybody judges it
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False),
    Column("link", Text, nullable=False),  # click:3, survey:5, unsubscribe, open, decoy
    Column("method", Text, nullable=False),
    Column("agent", Text, nullable=False, default=""),
    Column("occurred_at", Instant, nullable=False),
    Index("ix_hits_message_id", "message_id", "occurred_at"),
)

answers = Table(
    "answers",  # a row a revision; one current row for each message and survey
    metadata,
    Column("id", Id, primary_key=True),
    Column("survey", Text, nullable=False),
    Column("customer_id", Id, nullable=False),
    Column("message_id", Id, nullable=False),
    Column("enrollment_id", Id),
    Column("key", Text, nullable=False, default=""),
    Column("score", Integer, nullable=False),
    Column("comment", Text, nullable=False, default=""),
    Column("revision", Integer, nullable=False),
    Column("is_current", Boolean, nullable=False),
    Column("is_counted", Boolean, nullable=False),  # False: a machine, not a person
    Column("answered_at", Instant, nullable=False),
    Column("known_at", Instant, nullable=False),
    Column("solved", Text, nullable=False, default="", server_default=""),  # yes, no, or empty
    UniqueConstraint("message_id", "survey", "revision"),
    Index("ix_answers_customer_id", "customer_id"),
    Index("ix_answers_survey", "survey", "answered_at"),
)

ANSWERED, REPORTED = "answer", "delivery_event"

standings = Table(
    "standings",  # later evidence that an answer or a click was a person's after all, or was not
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),  # answer, delivery_event
    Column("subject_id", Id, nullable=False),
    Column("is_counted", Boolean, nullable=False),  # until then it was the reverse
    Column("known_at", Instant, nullable=False),
    Index("ix_standings_subject", "kind", "subject_id"),
)

# --- who may come in
# -------------------------------------------------------------------------------

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),  # write, api
    Column("digest", Text, nullable=False, unique=True),  # SHA-256 of the key
    Column("label", Text, nullable=False, default=""),
    Column("is_browser", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

sessions = Table(
    "sessions",  # browsers that are signed in to the dashboard
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of the token in the browser's cookie
    Column("user_id", Id),  # null: the console, by the one-time link
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_sessions_user_id", "user_id"),
)

used_tokens = Table(
    "used_tokens",  # one-time links that were followed
    metadata,
    Column("digest", Text, primary_key=True),
    Column("used_at", Instant, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Instant, nullable=False),  # wall time
)

lanes = Table(
    "lanes",  # what each running process says of its lanes, again and again
    metadata,
    Column("holder", Text, primary_key=True),  # the process
    Column("lane", Text, primary_key=True),
    Column("threads", Integer, nullable=False),
    Column("busy", Integer, nullable=False),  # of them at work
    Column("busy_since", Instant),  # on the piece that has taken longest so far
    Column("busy_with", Text, nullable=False),
    Column("progress_at", Instant),  # when a piece was last finished
    Column("said_at", Instant, nullable=False),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("cleared_at", Instant),
)

failing_steps = Table(
    "failing_steps",  # of journeys whose mails could not all be written lately
    metadata,
    Column("journey", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("first_customer", Id, nullable=False),  # whose mail failed first
    Column("is_odd_one", Boolean, nullable=False),  # nobody else's has failed
    Column("failed", Integer, nullable=False),  # since `began_at`
    Column("lately_failed", Integer, nullable=False),  # both are halved as they grow,
    Column("lately_written", Integer, nullable=False),  # so that old ones count ever less
    Column("written_since", Integer, nullable=False),  # since the last failure
    Column("began_at", Instant, nullable=False),
    Column("failed_at", Instant, nullable=False),
)
