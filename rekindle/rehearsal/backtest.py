"""What a journey would have decided over a stretch of history: the engine, played forward on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from rekindle.errors import NotFound
from rekindle.rehearsal.assumed import Assumptions, Rates
from rekindle.rehearsal.entries import FIRST, Written
from rekindle.rehearsal.knowledge import copy_knowledge
from rekindle.rehearsal.matching import Mails, load_record
from rekindle.rehearsal.owners import find_owners
from rekindle.rehearsal.provider import RecordedProvider
from rekindle.rehearsal.replay import Replay
from rekindle.rehearsal.scratch import empty_scratch
from rekindle.rehearsal.script import Script, read_definitions
from rekindle.rehearsal.stage import stage_on
from rekindle.services import Services
from rekindle.workspace.applying import NotApplied, texts_of
from rekindle.workspace.folder import load_workspace
from rekindle.workspace.problems import has_errors
from store.definitions import Key
from store.interventions import load_interventions
from store.session import Store
from store.tables import (
    MICROSECOND,
    customers,
    decisions,
    enrollments,
    events,
    metadata,
)

MOST_STOPS = 5_000  # instants looked at one by one; more are looked at in stretches
NOTHING_ASSUMED = Rates()
Texts = Mapping[Key, str | None]


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
    version: str  # "as deployed", "as in the folder", or a file
    trips: tuple[SimulatedTrip, ...]
    grain: timedelta  # what happened within it was looked at together; nothing: all one by one
    rates: Rates = NOTHING_ASSUMED


@dataclass(frozen=True)
class Course:
    """Which versions are played, and whether the record of the live engine leads."""

    version: str
    written: tuple[Written, ...]
    begins: datetime  # the engine wakes
    follows_until: datetime
    is_recorded: bool


def simulate(
    services: Services,
    journey: str,
    begins: datetime,
    ends: datetime,
    *,
    against: tuple[str, str] | None = None,
    rates: Rates = NOTHING_ASSUMED,
) -> Simulation:
    """Play `journey` from `begins` to `ends`: as deployed, or as the folder has it where it
    differs, or with `against` (name and text of a file) in its place.

    Of mails that were never real so many are opened and clicked as `rates` say.

    Raises NotFound for a journey that neither has, NotApplied for a folder with problems.
    """
    with services.store.read() as connection, empty_scratch() as scratch:
        course = _course(connection, services, journey, (begins, ends), against)
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
    return Simulation(journey, course.version, trips, grain, rates)


def _course(
    connection: Connection,
    services: Services,
    journey: str,
    period: tuple[datetime, datetime],
    against: tuple[str, str] | None,
) -> Course:
    begins = period[0]
    history = read_definitions(connection)
    deployed_at = next((one.at for one in history if one.key == ("journey", journey)), None)
    folder = _folder_texts(services, history)
    if deployed_at is None and ("journey", journey) not in folder and against is None:
        raise NotFound(f"no journey is called {journey!r}.")
    is_as_deployed = not folder and against is None
    is_recorded = deployed_at is not None and (
        deployed_at <= begins or (is_as_deployed and _is_mostly_after(deployed_at, period))
    )
    wakes_at = history[0].at if is_recorded else begins
    base = history if is_recorded else [_moved(one, begins) for one in history]
    changed: Texts = folder
    version = "as in the folder" if folder else "as deployed"
    if folder:
        base = [one for one in base if one.at <= begins]
    if against is not None:
        version, text = against
        changed = {**folder, ("journey", journey): text}
        base = [one for one in base if one.at <= begins or one.key != ("journey", journey)]
    latest = max((one.order for one in base if one.at == begins), default=FIRST)
    edits = [Written(begins, latest, key, body) for key, body in changed.items()]
    follows_until = begins - MICROSECOND if changed or not is_recorded else services.clock.now()
    return Course(version, (*base, *edits), wakes_at, follows_until, is_recorded)


def _is_mostly_after(deployed_at: datetime, period: tuple[datetime, datetime]) -> bool:
    """A journey that was live for most of the period is played as it was; one that came at its
    end, or after it, as if it had always been there.
    """
    begins, ends = period
    return deployed_at - begins < ends - deployed_at


def _moved(one: Written, begins: datetime) -> Written:
    """A backtest of what was written later treats its first version as if it had been there."""
    at = one.at if one.at > begins and one.is_edit else min(one.at, begins)
    return replace(one, at=at, order=FIRST)


def _folder_texts(services: Services, history: Sequence[Written]) -> Texts:
    """The folder's files where they differ from what was applied last; nothing if they do not."""
    workspace = load_workspace(services.workspace, services.environment)
    texts: dict[Key, str | None] = dict(texts_of(workspace))
    if not any(kind == "journey" for kind, _ in texts):
        return {}
    if has_errors(workspace.problems):
        raise NotApplied(workspace.problems)
    latest = {one.key: one.body for one in history}
    gone = {key: None for key, body in latest.items() if body is not None and key not in texts}
    differing = {key: body for key, body in texts.items() if latest.get(key) != body}
    return {**differing, **gone}


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
