"""What applying the folder would do, counted in people: the engine does it on a scratch copy."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from journeys.changes import find_ambiguous
from rekindle.rehearsal import people
from rekindle.rehearsal.consequences import Ask, Emails, JourneyPlan, Plan, SegmentPlan
from rekindle.rehearsal.exclusions import (
    Outcome,
    outcome_of,
    segments_of_starts,
    why_not_started,
)
from rekindle.rehearsal.people import Members, Sent, Trip
from rekindle.rehearsal.rewordings import find_rewordings
from rekindle.rehearsal.stage import Stage, rehearse
from rekindle.rehearsal.world import World, definitions_in, digest, folder_of
from rekindle.services import Services
from rekindle.workspace.applying import Applied, apply_folder
from rekindle.workspace.library import Library
from store.records import CustomerId, EnrollmentId
from store.tables import enrollments, events

AHEAD = timedelta(hours=24)
EXACT_STOPS = 100  # in a large base so much is due in a day that it is done in stretches
STRETCH = timedelta(minutes=10)
LATE = timedelta(hours=1)  # what stretches can delay at most; its mails are counted too
CHANGED_TEMPLATE = ("template", "changed")
LEFT = ("finished", "goal", "merged")  # ends that no change of a definition brings about


@dataclass(frozen=True)
class Before:
    """The stage just before the folder is applied."""

    library: Library
    active: Mapping[EnrollmentId, Trip]
    last_enrollment: int
    last_event: int
    sent: Mapping[int, Sent]
    definitions: str  # what is in force, as a digest


def make_plan(services: Services) -> Plan:
    """Apply the folder on a scratch copy, let a day pass there, and count.

    Raises NotApplied if the folder has errors and NotFound if there is none.
    """
    now = services.clock.now()
    with rehearse(services) as stage:
        before = _look_before(stage, now)
        applied = apply_folder(stage.store, services.workspace, services.environment, now)
        were_in = _members_before(stage, before.library, now)
        stage.run()
        segments = tuple(_segments(stage, applied, before.library, were_in))
        at_once = _look_at_once(stage, before, now)
        _let_a_day_pass(stage, now)
        return _plan(stage, services, applied, before, segments, at_once, now)


def _let_a_day_pass(stage: Stage, now: datetime) -> None:
    """Up to the daily figures, then on with the new ones."""
    ends_at = now + AHEAD
    is_busy = False
    for until in (stage.next_publication(), ends_at):
        if until <= ends_at and not is_busy:
            is_busy = _pass_until(stage, until)
    if is_busy:
        for _ in stage.jumps(ends_at + LATE, stage.clock.at, STRETCH):
            pass
        stage.run_at(ends_at + LATE)


def _pass_until(stage: Stage, until: datetime) -> bool:
    """Stop at every instant; True if there are too many of them, short of `until`."""
    for stops, _ in enumerate(stage.jumps(until, stage.clock.at), start=1):
        if stops == EXACT_STOPS:
            return True
    stage.run_at(until)
    return False


Movement = Mapping[str, frozenset[int]]  # journey -> customers


@dataclass(frozen=True)
class AtOnce:
    """What the apply itself does, before any time passes."""

    started: frozenset[EnrollmentId]
    start: Movement
    move: Movement
    exit: Movement
    behind: Movement  # inside, on another version than the newest
    told: Sequence[tuple[str, str, str, int]]  # who came into segments, and who left them
    active: Sequence[Trip]  # everybody inside


@dataclass(frozen=True)
class AfterADay:
    """What a day brings, by journey."""

    outcomes: Mapping[str, Outcome]  # of those who started at once
    emails: Mapping[str, Emails]  # of no journey under an empty name
    mailboxes: Mapping[str, tuple[int, int, int]]
    customers: int  # of the shop


def _look_before(stage: Stage, now: datetime) -> Before:
    library = stage.services.library()
    with stage.store.read() as connection:
        return Before(
            library if library.versions else Library(),
            people.load_active(connection),
            people.last_id(connection, enrollments),
            people.last_id(connection, events),
            people.load_sent(connection, now),
            definitions_in(connection),
        )


def _members_before(stage: Stage, before: Library, now: datetime) -> Members:
    """Of the segments whose rule is another now, everybody who was in by the old one."""
    after = stage.services.library()
    changed = [name for name in before.segments if _version(before, name) != _version(after, name)]
    return people.members_by_rule(stage.store, before, changed, now)


def _version(library: Library, segment: str) -> int:
    """The newest version among all that the rule leans on; 0 for no such segment."""
    return max((library.versions[("segment", one)] for one in library.reaches(segment)), default=0)


def _segments(
    stage: Stage, applied: Applied, before: Library, were_in: Members
) -> Iterable[SegmentPlan]:
    after = stage.services.library().segments
    said = {one.name: one.change for one in applied.changes if one.kind == "segment"}
    names = sorted({*before.segments, *after})
    with stage.store.read() as connection:
        are_in = people.stored_members(connection, names)
    for name in names:
        was = were_in.get(name, frozenset()) if name in before.segments else frozenset()
        now_in = are_in[name]
        if name in before.segments and name not in were_in:
            yield SegmentPlan(name, "unchanged", len(now_in))
        else:
            change = said.get(name, "changed")
            yield SegmentPlan(name, change, len(now_in), now_in - was, was - now_in)


def _look_at_once(stage: Stage, before: Before, now: datetime) -> AtOnce:
    with stage.store.read() as connection:
        started = people.load_started_after(connection, before.last_enrollment)
        earlier = people.load_earlier(connection, before.last_enrollment, now)
        told = people.load_told(connection, before.last_event)
        active = people.load_active(connection)
    versions = stage.services.library().versions
    stayed = [(before.active[id_], one) for id_, one in earlier.items() if id_ in before.active]
    moved = [one for was, one in stayed if one.version_id != was.version_id]
    put_out = [one for _, one in stayed if one.ended is not None and one.ended not in LEFT]
    behind = [
        one
        for was, one in stayed
        if one.ended is None
        and one.version_id == was.version_id != versions.get(("journey", one.journey))
    ]
    return AtOnce(
        frozenset(started),
        _by_journey(started.values()),
        _by_journey(moved),
        _by_journey(put_out),
        _by_journey(behind),
        told,
        tuple(active.values()),
    )


def _by_journey(trips: Iterable[Trip]) -> Movement:
    found: dict[str, set[int]] = {}
    for one in trips:
        found.setdefault(one.journey, set()).add(one.customer_id)
    return {journey: frozenset(ids) for journey, ids in found.items()}


def _look_after_a_day(stage: Stage, before: Before, at_once: AtOnce, now: datetime) -> AfterADay:
    with stage.store.read() as connection:
        sent = people.load_sent(connection, now)
        started = people.load_started_after(connection, before.last_enrollment)
        mails = people.load_mails_after(connection, before.last_enrollment)
        customers = people.count_living(connection)
        mailboxes = _mailboxes(connection, at_once.start, now)
    fresh = [one for id_, one in sent.items() if id_ not in before.sent]
    at_start = [started[id_] for id_ in sorted(at_once.started) if id_ in started]
    return AfterADay(
        outcome_of(at_start, mails), _emails(fresh, before, at_once), mailboxes, customers
    )


def _plan(
    stage: Stage,
    services: Services,
    applied: Applied,
    before: Before,
    segments: tuple[SegmentPlan, ...],
    at_once: AtOnce,
    now: datetime,
) -> Plan:
    library, day = stage.services.library(), _look_after_a_day(stage, before, at_once, now)
    said = {one.name: one.change for one in applied.changes if one.kind == "journey"}
    not_started = why_not_started(
        library, at_once.told, at_once.start, _concerned(library, said, segments)
    )
    journeys = tuple(_journeys(before, library, said, not_started, at_once, day))
    reworded = {one.name for one in applied.changes if (one.kind, one.change) == CHANGED_TEMPLATE}
    return Plan(
        at=now,
        changes=applied.changes,
        segments=segments,
        journeys=journeys,
        mails_24h=sum(emails.total for emails in day.emails.values()),
        customers=day.customers,
        is_first=not before.library.versions,
        limits=library.settings.limits,
        asks=_asks(before, library, said),
        world=World(before.definitions, folder_of(services), _touched(segments, journeys)),
        rewordings=find_rewordings(library, reworded, at_once.active),
        mails_of_no_journey=day.emails.get("", Emails()).total,
    )


def _journeys(
    before: Before,
    library: Library,
    said: Mapping[str, str],
    not_started: Mapping[str, Mapping[str, int]],
    at_once: AtOnce,
    day: AfterADay,
) -> Iterable[JourneyPlan]:
    """Also one that was retired long ago: it still emails those who are on their way."""
    none: frozenset[int] = frozenset()
    for name in sorted({*before.library.journeys, *library.journeys, *day.emails} - {""}):
        change = said.get(name, "unchanged" if name in library.journeys else "retired")
        yield JourneyPlan(
            name,
            change,
            at_once.start.get(name, none),
            at_once.move.get(name, none),
            at_once.exit.get(name, none),
            at_once.behind.get(name, none) if name in said else none,
            day.outcomes.get(name, Outcome()),
            not_started.get(name, {}),
            day.emails.get(name, Emails()),
            *day.mailboxes.get(name, ()),
        )


def _emails(fresh: Iterable[Sent], before: Before, at_once: AtOnce) -> dict[str, Emails]:
    """The emails of each journey by who gets them; of no journey under an empty name."""
    found: dict[str, Counter[str]] = {}
    for one in fresh:
        is_inside = one.enrollment_id <= before.last_enrollment
        starts = "to_starting" if one.enrollment_id in at_once.started else "to_later"
        found.setdefault(one.journey, Counter())["to_inside" if is_inside else starts] += 1
    return {journey: Emails(**counts) for journey, counts in found.items()}


def _mailboxes(
    connection: Connection, start: Movement, now: datetime
) -> dict[str, tuple[int, int, int]]:
    """For each journey how many mailboxes those have who start, how many customers share one, and
    how many mailboxes they share.
    """
    mailbox_of = people.load_mailboxes(connection, set().union(*start.values()), now)
    found = {}
    for journey, ids in start.items():
        counts = Counter(mailbox for id_ in ids if (mailbox := mailbox_of.get(CustomerId(id_))))
        shared = [number for number in counts.values() if number > 1]
        found[journey] = len(counts), sum(shared), len(shared)
    return found


def _concerned(
    library: Library, said: Collection[str], segments: Iterable[SegmentPlan]
) -> set[str]:
    """The journeys that are another now, or whose segments are."""
    changed = {one.segment for one in segments if one.change != "unchanged"}
    return {
        name
        for name, journey in library.journeys.items()
        if name in said or changed & segments_of_starts(journey)
    }


def _asks(before: Before, after: Library, said: Mapping[str, str]) -> tuple[Ask, ...]:
    """Only where somebody is inside: nobody else minds which step is which."""
    inhabited = {one.journey for one in before.active.values()}
    return tuple(
        Ask(name, step, after.journeys[name].in_flight == "move")
        for name, change in sorted(said.items())
        if change == "changed" and name in inhabited and name in before.library.journeys
        for step in find_ambiguous(before.library.journeys[name], after.journeys[name])
    )


def _touched(segments: Sequence[SegmentPlan], journeys: Sequence[JourneyPlan]) -> str:
    """The people whom the plan concerns, each by id, as a digest."""
    comers = {one.segment: [sorted(one.enter), sorted(one.leave)] for one in segments}
    movers = {one.journey: [sorted(one.start), sorted(one.move), sorted(one.exit)]
              for one in journeys}  # fmt: skip
    return digest([comers, movers])
