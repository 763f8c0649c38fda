"""Counts for people to look at: the dashboard's and the reports' questions, each one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    case,
    func,
    or_,
    select,
    type_coerce,
)

from store.records import CustomerId
from store.steps import STEP
from store.tables import (
    alarms,
    answers,
    customers,
    drift_states,
    enrollments,
    identities,
    memberships,
    messages,
    microseconds,
    positions,
)

DRIFT_STATES = ("active", "cooling", "drifting", "dormant", "lost")
DAY_US = 86_400_000_000
TAKEN = ("sent", "delivered", "complained")  # reached a mailbox, as far as anybody told us
CONFIRMED = ("delivered", "complained")


@dataclass(frozen=True)
class JourneyFigures:
    """What became of everybody who ever started; `started` includes the held-out."""

    journey: str
    started: int = 0
    active: int = 0
    finished: int = 0
    goal: int = 0
    exited: int = 0
    merged: int = 0
    failed: int = 0
    held_out: int = 0


@dataclass(frozen=True)
class SurveyFigures:
    """People asked, reached and heard; scores are of current answers that count."""

    survey: str
    invited: int = 0
    delivered: int = 0
    answered: int = 0
    machine_answers: int = 0
    histogram: Mapping[int, int] | None = None


@dataclass(frozen=True)
class Listed:
    """One customer in a list."""

    id: CustomerId
    external_id: str
    state: str | None  # of the goal clock; None: nothing to go by yet
    silent_since: datetime | None


@dataclass(frozen=True)
class Alarm:
    kind: str
    subject: str
    message: str
    raised_at: datetime


def count_customers(connection: Connection) -> int:
    """Everybody who is neither erased nor merged into somebody else."""
    query = select(func.count()).select_from(customers).where(*_alive())
    return connection.execute(query).scalar_one()


def count_drift(connection: Connection, clock: str, at: datetime) -> dict[str, int]:
    """How many customers are in each drift state at `at`, calmest first."""
    state = _state(at).label("state")
    query = select(state, func.count()).where(drift_states.c.clock == clock).group_by(state)
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
    return {name: found.get(name, 0) for name in DRIFT_STATES}


def count_members(connection: Connection) -> dict[str, int]:
    """The size of every segment that was evaluated."""
    query = (
        select(memberships.c.segment, func.count())
        .where(memberships.c.is_member)
        .group_by(memberships.c.segment)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def list_members(
    connection: Connection, segment: str, at: datetime, *, limit_rows: int
) -> list[tuple[Listed, datetime | None]]:
    """The newest members of a segment, each with the instant since when."""
    query = (
        _listing(at)
        .add_columns(memberships.c.since)
        .join(memberships, memberships.c.customer_id == customers.c.id)
        .where(memberships.c.segment == segment, memberships.c.is_member)
        .order_by(memberships.c.since.desc(), customers.c.id)
        .limit(limit_rows)
    )
    return [(_listed(row), row.since) for row in connection.execute(query)]


def search_customers(
    connection: Connection, text: str, at: datetime, *, state: str = "", limit_rows: int
) -> list[Listed]:
    """Customers whose id, address, phone or handle begins with `text`; all of them for no text.

    `state` leaves only those in that drift state of the goal clock.
    """
    query = _listing(at).where(*_alive()).order_by(customers.c.id).limit(limit_rows)
    if state:
        query = query.where(drift_states.c.customer_id.is_not(None), _state(at) == state)
    if text:
        pattern = text.strip()
        theirs = select(identities.c.customer_id).where(
            identities.c.value.istartswith(pattern, autoescape=True)
        )
        is_id = customers.c.external_id.istartswith(pattern, autoescape=True)
        query = query.where(or_(is_id, customers.c.id.in_(theirs)))
    return [_listed(row) for row in connection.execute(query)]


def count_enrollments(connection: Connection) -> dict[str, JourneyFigures]:
    """Every journey that anybody ever started."""
    outcome = func.coalesce(enrollments.c.ended, "active").label("outcome")
    query = select(
        enrollments.c.journey,
        outcome,
        func.count().label("people"),
        func.count().filter(enrollments.c.is_held_out).label("held_out"),
    ).group_by(enrollments.c.journey, outcome)
    counts: dict[str, dict[str, int]] = {}
    for row in connection.execute(query):
        of_journey = counts.setdefault(row.journey, {"started": 0, "held_out": 0})
        of_journey[row.outcome] = row.people
        of_journey["started"] += row.people
        of_journey["held_out"] += row.held_out
    return {name: JourneyFigures(name, **found) for name, found in counts.items()}


def count_positions(connection: Connection, journey: str) -> dict[str, int]:
    """How many people stand at each step of a journey now."""
    query = (
        select(STEP, func.count())
        .select_from(positions)
        .join(enrollments, enrollments.c.id == positions.c.enrollment_id)
        .where(enrollments.c.journey == journey)
        .group_by(positions.c.step_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def count_step_mails(connection: Connection, journey: str) -> dict[str, int]:
    """How many mails each step of a journey has sent."""
    query = (
        select(messages.c.step, func.count())
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .where(enrollments.c.journey == journey, messages.c.sent_at.is_not(None))
        .group_by(messages.c.step)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def count_journey_mails(connection: Connection) -> dict[str, dict[str, int]]:
    """Of every journey, its mails by status."""
    query = (
        select(enrollments.c.journey, messages.c.status, func.count())
        .join(enrollments, enrollments.c.id == messages.c.enrollment_id)
        .group_by(enrollments.c.journey, messages.c.status)
    )
    found: dict[str, dict[str, int]] = {}
    for journey, status, count in connection.execute(query):
        found.setdefault(journey, {})[status] = count
    return found


def count_mails(connection: Connection) -> dict[str, int]:
    """All mails by status."""
    query = select(messages.c.status, func.count()).group_by(messages.c.status)
    return {row[0]: row[1] for row in connection.execute(query)}


def count_sent_by_day(connection: Connection, now: datetime, *, days: int) -> list[int]:
    """Mails sent in each of the last `days` stretches of 24 hours, the latest last."""
    first = now - timedelta(days=days)
    since_us = type_coerce(messages.c.sent_at, BigInteger) - microseconds(first)
    # an instant exactly between two days belongs to the one that ends with it: (t - 24 h, t]
    day = ((since_us - 1) // DAY_US).label("day")
    query = (
        select(day, func.count())
        .where(messages.c.sent_at > first, messages.c.sent_at <= now)
        .group_by(day)
    )
    found = {int(row[0]): row[1] for row in connection.execute(query)}
    return [found.get(number, 0) for number in range(days)]


def count_surveys(connection: Connection) -> dict[str, SurveyFigures]:
    """Every survey that anybody was asked or answered."""
    histograms = _histograms(connection)
    machines = _machine_answers(connection)
    reached = _reached(connection)
    return {
        name: SurveyFigures(
            survey=name,
            histogram=histograms.get(name, {}),
            machine_answers=machines.get(name, 0),
            **reached.get(name, {}),
        )
        for name in sorted({*histograms, *machines, *reached})
    }


def list_alarms(connection: Connection) -> list[Alarm]:
    """What is wrong at present, newest first."""
    query = (
        select(alarms.c.kind, alarms.c.subject, alarms.c.message, alarms.c.raised_at)
        .where(alarms.c.cleared_at.is_(None))
        .order_by(alarms.c.raised_at.desc())
        .limit(20)
    )
    return [Alarm(*row) for row in connection.execute(query)]


def _histograms(connection: Connection) -> dict[str, dict[int, int]]:
    query = (
        select(answers.c.survey, answers.c.score, func.count())
        .where(answers.c.is_current, answers.c.is_counted)
        .group_by(answers.c.survey, answers.c.score)
        .order_by(answers.c.score)
    )
    found: dict[str, dict[int, int]] = {}
    for survey, score, count in connection.execute(query):
        found.setdefault(survey, {})[score] = count
    return found


def _machine_answers(connection: Connection) -> dict[str, int]:
    query = (
        select(answers.c.survey, func.count())
        .where(~answers.c.is_counted)
        .group_by(answers.c.survey)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _reached(connection: Connection) -> dict[str, dict[str, int]]:
    """People, not mails. Where the provider confirms deliveries only those count as delivered."""
    heard = (
        select(answers.c.message_id).where(answers.c.is_current, answers.c.is_counted).distinct()
    )
    has_answered = messages.c.id.in_(heard)
    person = func.distinct(messages.c.customer_id)
    confirmed = or_(messages.c.status.in_(CONFIRMED), has_answered)
    query = (
        select(
            messages.c.survey,
            func.count(person).filter(messages.c.sent_at.is_not(None)).label("invited"),
            func.count(person).filter(messages.c.status.in_(TAKEN)).label("taken"),
            func.count(person).filter(confirmed).label("confirmed"),
            func.count(person).filter(has_answered).label("answered"),
            func.count().filter(messages.c.status.in_(CONFIRMED)).label("confirmations"),
        )
        .where(messages.c.survey.is_not(None))
        .group_by(messages.c.survey)
    )
    return {
        row.survey: {
            "invited": row.invited,
            "delivered": row.confirmed if row.confirmations else row.taken,
            "answered": row.answered,
        }
        for row in connection.execute(query)
    }


def _alive() -> Sequence[Any]:
    return (customers.c.erased_at.is_(None), customers.c.merged_into.is_(None))


def _state(at: datetime) -> Any:
    """The drift state at `at`, from the stored instants of its crossings."""
    return case(
        (drift_states.c.lost_at <= at, "lost"),
        (drift_states.c.dormant_at <= at, "dormant"),
        (drift_states.c.drifting_at <= at, "drifting"),
        (drift_states.c.cooling_at <= at, "cooling"),
        else_="active",
    )


def _listing(at: datetime) -> Select[Any]:
    state = case((drift_states.c.customer_id.is_not(None), _state(at)), else_=None)
    is_theirs = (drift_states.c.customer_id == customers.c.id) & (drift_states.c.clock == "goal")
    return select(
        customers.c.id,
        customers.c.external_id,
        state.label("state"),
        drift_states.c.last_at.label("silent_since"),
    ).outerjoin_from(customers, drift_states, is_theirs)


def _listed(row: Any) -> Listed:
    return Listed(CustomerId(row.id), row.external_id or "", row.state, row.silent_since)
