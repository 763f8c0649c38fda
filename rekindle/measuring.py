"""What a journey is worth, from the database: who counts, what became of them, and the verdict.

The unit is a customer's first enrollment since the holdout's share last changed; its outcome counts
once its window has closed.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, case, false, func, literal, select

from journeys.definition import Goal, Journey
from journeys.uplift import Group, Split, Uplift, check_split, measure_uplift
from rekindle.workspace.library import Library
from segments.compile import Scope, Subjects, compile_condition, compile_total
from segments.conditions.acts import Acts
from segments.definition import walk
from segments.instants import instant, length, micros
from store.tables import EPOCH, definitions, enrollments

SMALLEST = 1e-100  # that is squared: PostgreSQL raises where a square is too small for a double


def load_uplift(connection: Connection, library: Library, name: str, now: datetime) -> Uplift:
    """The journey called `name` as one look at `now` shows it."""
    journey = library.journeys[name]
    if journey.goal is None or not 0 < journey.holdout_share < 1:
        return Uplift("no_goal" if journey.goal is None else "no_holdout")
    units = _units(name, _share_since(connection, library, journey))
    split = _load_split(connection, units, journey.holdout_share)
    groups = _load_groups(connection, library, journey, units, now)
    return measure_uplift(groups.get(False, Group()), groups.get(True, Group()), split)


def _share_since(connection: Connection, library: Library, journey: Journey) -> datetime:
    """Since when the share has been what it is."""
    since = EPOCH
    share: float | None = None
    query = (
        select(definitions.c.id, definitions.c.known_at)
        .where(definitions.c.kind == "journey", definitions.c.name == journey.journey)
        .order_by(definitions.c.version)
    )
    for id_, known_at in connection.execute(query):
        version = library.journey_versions.get(id_)
        if version is not None and version.holdout_share != share:
            share, since = version.holdout_share, known_at
    return since


def _units(name: str, since: datetime) -> Select[Any]:
    """The ids of the enrollments that count, one a customer."""
    return (
        select(func.min(enrollments.c.id))
        .where(
            enrollments.c.journey == name,
            enrollments.c.started_at >= since,
            func.coalesce(enrollments.c.ended, "") != "merged",
        )
        .group_by(enrollments.c.customer_id)
    )


def _load_split(connection: Connection, units: Select[Any], expected: float) -> Split:
    held_out = func.count().filter(enrollments.c.is_held_out)
    query = select(func.count(), held_out).where(enrollments.c.id.in_(units))
    customers, of_them = connection.execute(query).one()
    return check_split(customers, of_them, expected)


def _load_groups(
    connection: Connection, library: Library, journey: Journey, units: Select[Any], now: datetime
) -> dict[bool, Group]:
    """Both groups, by whether they are held out, in one statement."""
    assert journey.goal is not None
    subjects = _closed(journey.goal, units, now)
    answer = compile_condition(
        journey.goal.condition,
        subjects,
        library.lexicon,
        scope=Scope.SINCE_START,
        per=journey.per,
    ).subquery()
    has_reached = answer.c.holds | (func.coalesce(enrollments.c.ended, "") == "goal")
    totals = _totals(library, journey, subjects).subquery()
    value = case((has_reached, func.coalesce(totals.c.total, 0.0)), else_=0.0)
    square = case((func.abs(value) > SMALLEST, value * value), else_=0.0)
    query = (
        select(
            enrollments.c.is_held_out,
            func.count(),
            func.count().filter(has_reached),
            func.count().filter(value != 0),
            func.sum(value),
            func.sum(square),
        )
        .join_from(answer, enrollments, enrollments.c.id == answer.c.id)
        .outerjoin(totals, totals.c.id == answer.c.id)
        .group_by(enrollments.c.is_held_out)
    )
    return {bool(row[0]): Group(*row[1:]) for row in connection.execute(query)}


def _closed(goal: Goal, units: Select[Any], now: datetime) -> Subjects:
    """The units whose window has closed, each asked about at its end."""
    closes_at = micros(enrollments.c.started_at) + length(goal.within)
    closed = select(enrollments.c.id).where(enrollments.c.id.in_(units), closes_at <= instant(now))
    return Subjects.enrollments_in(closed, closes_at)


def _totals(library: Library, journey: Journey, subjects: Subjects) -> Select[Any]:
    """What the goal's value adds up to, over the first events that its condition names."""
    goal = journey.goal
    assert goal is not None
    summed = next((one for _, one in walk(goal.condition) if isinstance(one, Acts)), None)
    if goal.value is None or summed is None or goal.is_absence:
        return select(enrollments.c.id, literal(0.0).label("total")).where(false())
    return compile_total(
        summed, goal.value, subjects, library.lexicon, scope=Scope.SINCE_START, per=journey.per
    )
