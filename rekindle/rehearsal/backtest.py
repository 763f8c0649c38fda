"""What a journey would have decided over a stretch of history: the engine, played forward on it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from rekindle.errors import NotFound
from rekindle.rehearsal.assumed import Assumptions, Rates
from rekindle.rehearsal.courses import Course, Past, Texts, read_past, read_record
from rekindle.rehearsal.knowledge import copy_knowledge
from rekindle.rehearsal.matching import Mails, load_record
from rekindle.rehearsal.owners import find_owners
from rekindle.rehearsal.provider import RecordedProvider
from rekindle.rehearsal.replay import Replay
from rekindle.rehearsal.scratch import empty_scratch, one_snapshot
from rekindle.rehearsal.script import Script
from rekindle.rehearsal.stage import stage_on
from rekindle.services import Services
from rekindle.workspace.applying import NotApplied, texts_of
from rekindle.workspace.folder import load_workspace
from rekindle.workspace.problems import has_errors
from store.definitions import Key
from store.interventions import load_interventions
from store.session import Store
from store.tables import (
    customers,
    decisions,
    enrollments,
    events,
    metadata,
)

MOST_STOPS = 5_000  # instants looked at one by one; more are looked at in stretches
NOTHING_ASSUMED = Rates()
AS_DEPLOYED, IN_FOLDER, AS_RECORDED = "as deployed", "as in the folder", "as recorded"


@dataclass(frozen=True)
class Step:
    """One decision, as a backtest is compared by."""

    step: str
    visit: int
    due_at: datetime
    decision: str
    reason: str
    decided_at: datetime


@dataclass(frozen=True)
class SimulatedTrip:
    """One enrollment of a simulation with its decisions in the period."""

    journey: str
    customer: str
    key: str
    entered_at: datetime
    ended_at: datetime | None
    ended: str | None
    held_out: bool
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Simulation:
    """What one version of a journey did over a period."""

    journey: str
    version: str  # "as deployed", "as in the folder", "as recorded", or a file
    trips: tuple[SimulatedTrip, ...]
    grain: timedelta  # what happened within it was looked at together; nothing: all one by one
    rates: Rates = NOTHING_ASSUMED
    has_pauses: bool = False  # the engine looked when it really did
    is_changed: bool = False  # there is a record of the period, with other texts in force


def simulate(
    services: Services,
    journey: str,
    begins: datetime,
    ends: datetime,
    *,
    rates: Rates = NOTHING_ASSUMED,
) -> Simulation:
    """Play `journey` from `begins` to `ends` with what is deployed now, or as the folder has it
    where it differs. As long as nothing else was in force since the period began, that is what the
    engine did, with the pauses that it made.

    Of mails that were never real so many are opened and clicked as `rates` say.

    Raises NotFound for a journey that neither has, NotApplied for a folder with problems.
    """
    with one_snapshot(services.store) as connection:
        past = read_past(connection, journey, begins, ends)
        folder = _folder_texts(services, past, journey)
        changes = past.changed(folder, services.environment)
        if folder or changes:
            course = past.without_pauses(IN_FOLDER if folder else AS_DEPLOYED, changes)
        else:
            course = past.as_it_was(AS_DEPLOYED, until=services.clock.now())
        return _play(connection, services, journey, course, (begins, ends), rates)


def play_record(services: Services, journey: str, begins: datetime, ends: datetime) -> Simulation:
    """Play `journey` from `begins` to `ends` exactly as the engine did: every version in its time,
    and with the pauses that the engine made. Raises NotFound for a journey that was not live.
    """
    with one_snapshot(services.store) as connection:
        past = read_record(connection, journey, begins, ends)
        course = past.as_it_was(AS_RECORDED, until=services.clock.now())
        return _play(connection, services, journey, course, (begins, ends), NOTHING_ASSUMED)


def compare(
    services: Services,
    journey: str,
    begins: datetime,
    ends: datetime,
    *,
    against: tuple[str, str],
    rates: Rates = NOTHING_ASSUMED,
) -> tuple[Simulation, Simulation]:
    """Play `journey` as it is now, and with `against` (name and text of a file) in its place: on
    the same past, and neither with the pauses that the engine made, so that nothing differs but
    what the texts say. Raises as `simulate` does.
    """
    with one_snapshot(services.store) as connection:
        past = read_past(connection, journey, begins, ends)
        folder = _folder_texts(services, past, journey)
        name, text = against
        ours_is = IN_FOLDER if folder else AS_DEPLOYED
        other = {**folder, ("journey", journey): text}
        courses = (
            past.without_pauses(ours_is, past.changed(folder, services.environment)),
            past.without_pauses(name, past.changed(other, services.environment)),
        )
        ours, theirs = (
            _play(connection, services, journey, course, (begins, ends), rates)
            for course in courses
        )
    return ours, theirs


def _play(
    connection: Connection,
    services: Services,
    journey: str,
    course: Course,
    period: tuple[datetime, datetime],
    rates: Rates,
) -> Simulation:
    begins, ends = period
    with empty_scratch() as scratch:
        scratch.hold_future()
        metadata.create_all(scratch.engine)
        interventions = load_interventions(connection)
        owners = find_owners(interventions)
        copy_knowledge(connection, scratch, interventions, owners, is_recorded=course.is_recorded)
        record, grain = load_record(connection, owners), _grain(connection, course, ends)
        mails = Mails()
        stage = stage_on(scratch, services, course.begins)
        provider = RecordedProvider(
            store=scratch,
            clock=stage.clock,
            record=record,
            mails=mails,
            follows_until=course.follows_until,
        )
        stage.pool.adapter = provider
        replay = Replay(
            stage,
            record,
            mails,
            course.begins,
            course.follows_until,
            course.is_recorded,
            grain,
            Assumptions(rates, record, mails),
        )
        script = Script(connection, course.is_recorded, interventions, owners)
        replay.play(script.read(course.written), ends)
        trips = _load_trips(scratch, journey, begins, ends)
    has_pauses = course.follows_until >= begins
    is_changed = course.is_recorded and not has_pauses
    return Simulation(journey, course.version, trips, grain, rates, has_pauses, is_changed)


def _folder_texts(services: Services, past: Past, journey: str) -> Texts:
    """The folder's files where they differ from what was applied last; nothing if they do not.

    Raises NotFound if neither has the journey.
    """
    workspace = load_workspace(services.workspace, services.environment)
    texts: dict[Key, str | None] = dict(texts_of(workspace))
    has_journeys = any(kind == "journey" for kind, _ in texts)
    if has_journeys and has_errors(workspace.problems):
        raise NotApplied(workspace.problems)
    if ("journey", journey) not in {*texts, *past.latest}:
        raise NotFound(f"no journey is called {journey!r}.")
    if not has_journeys:
        return {}
    gone = {key: None for key, body in past.latest.items() if body is not None}
    return past.differing({**gone, **texts}, services.environment)


def _grain(connection: Connection, course: Course, ends: datetime) -> timedelta:
    """How coarse to look, so that a long period does not take as long as it did."""
    begins = max(course.begins, course.follows_until)
    when = (events.c.known_at > begins, events.c.known_at <= ends, events.c.source != "rekindle")
    count = connection.scalar(select(func.count()).select_from(events).where(*when)) or 0
    return (ends - begins) / MOST_STOPS if count > MOST_STOPS else timedelta()


def _load_trips(
    scratch: Store, journey: str, begins: datetime, ends: datetime
) -> tuple[SimulatedTrip, ...]:
    steps: dict[int, list[Step]] = {}
    with scratch.read() as connection:
        made = (
            select(decisions)
            .where(decisions.c.decided_at >= begins, decisions.c.decided_at <= ends)
            .order_by(decisions.c.id)
        )
        for row in connection.execute(made):
            said = Step(row.step, row.visit, row.due_at, row.decision, row.reason, row.decided_at)
            steps.setdefault(row.enrollment_id, []).append(said)
        trips = (
            select(enrollments, customers.c.external_id)
            .join(customers, customers.c.id == enrollments.c.customer_id)
            .where(enrollments.c.journey == journey)
            .order_by(enrollments.c.started_at, customers.c.external_id, enrollments.c.key)
        )
        return tuple(
            SimulatedTrip(
                row.journey, row.external_id or "", row.key, row.started_at, row.ended_at,
                row.ended, row.is_held_out, tuple(steps.get(row.id, ())),
            )
            for row in connection.execute(trips)
            if row.id in steps or row.started_at >= begins or row.ended_at is None
        )  # fmt: skip
