"""Looks at what changed or became due: drift, segments, starts, and whom to wake. All in sets."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.conditions.base import ConditionBase
from segments.membership import Difference, Trigger, compare
from segments.prepared import parameters, prepare
from segments.subjects import Sort
from store.enrollments import wake_customers
from store.intake import OwnEvent, record_own_events
from store.memberships import claim_due_checks, load_memberships, save_memberships
from store.passes import Because, load_passes
from store.pending import FreshEvent, claim_changes, drop_changes, load_fresh
from store.records import CustomerId, Evaluation
from workers.counts import Counts
from workers.drift import priors_at, refresh_drift
from workers.hearing import News, concerned, heard_by, heard_by_clocks, news_in
from workers.pausing import trip_breakers
from workers.starts import begin, candidates_from

BATCH = 1_000


def evaluate_changes(services: Services, now: datetime) -> Counts:
    """Act on up to a batch of changes, in one transaction."""
    library = services.library()
    with services.store.begin() as tx:
        changes = claim_changes(tx, BATCH)
        if not changes:
            return Counts()
        fresh = load_fresh(tx, changes)
        counts = _look_at(tx, library, news_in(changes, fresh), fresh, now)
        trip_breakers(tx, library, fresh, now)
        started = begin(tx, library, candidates_from(tx, library, fresh, now), now)
        wake_customers(tx, sorted({one.customer_id for one in changes}), now)
        drop_changes(tx, changes)
    return counts + Counts(events=len(changes), started=started)


def _look_at(
    tx: Connection, library: Library, news: News, fresh: Sequence[FreshEvent], now: datetime
) -> Counts:
    """Drift first, since segments read it; each only for those whom the news concerns."""
    if winding := concerned(news, heard_by_clocks(library)):
        refresh_drift(tx, winding, now, library.lexicon, priors_at(tx, now))
    return _evaluate_all(tx, library, news, _triggers(fresh), now)


def evaluate_due(services: Services, now: datetime) -> Counts:
    """Look again at up to a batch of answers that time alone may have changed."""
    library = services.library()
    total = Counts()
    with services.store.begin() as tx:
        due: dict[str, list[CustomerId]] = {}
        checks = claim_due_checks(tx, now, BATCH)
        for check in checks:
            due.setdefault(check.segment, []).append(check.customer_id)
        if due:  # an own event that was dated in the future may have come, and winds the clock anew
            everybody = sorted({id_ for ids in due.values() for id_ in ids})
            refresh_drift(tx, everybody, now, library.lexicon, priors_at(tx, now))
        for segment, ids in due.items():
            total += evaluate_segment(tx, library, segment, ids, now)
    return total + Counts(looked_at=len(checks))


def _triggers(fresh: Sequence[FreshEvent]) -> dict[CustomerId, Trigger]:
    """The last event of each customer among these; they come in event order."""
    return {one.customer_id: Trigger(one.occurred_at, one.received_at) for one in fresh}


def _evaluate_all(
    tx: Connection,
    library: Library,
    news: News,
    triggers: Mapping[CustomerId, Trigger],
    now: datetime,
) -> Counts:
    """Every segment for whom it concerns; those that a pass has yet to reach are left to it."""
    total = Counts()
    for segment, one in load_passes(tx).items():
        if segment not in library.segments:
            continue
        ids = [id_ for id_ in concerned(news, heard_by(library, segment)) if one.covers(id_)]
        if ids:
            total += evaluate_segment(tx, library, segment, ids, now, triggers=triggers)
    return total


def evaluate_segment(
    tx: Connection,
    library: Library,
    segment: str,
    ids: Collection[CustomerId],
    now: datetime,
    *,
    triggers: Mapping[CustomerId, Trigger] | None = None,
    because: Because | None = None,
) -> Counts:
    """One segment for these customers: store the answers, tell who entered and who left."""
    rule = library.segments.get(segment)
    stored = load_memberships(tx, segment, ids)
    evaluated = _evaluations(tx, library, rule.match, ids, now) if rule else _nobody(ids)
    found = compare(segment, stored, evaluated, now, triggers=triggers, because=because)
    save_memberships(tx, found.memberships)
    record_own_events(tx, _told(segment, found, now), now)
    return Counts(entered=len(found.entered), left=len(found.left))


def _evaluations(
    tx: Connection,
    library: Library,
    match: ConditionBase,
    ids: Collection[CustomerId],
    now: datetime,
) -> list[Evaluation]:
    statement = prepare(match, Sort.CUSTOMER, library.lexicon)
    rows = tx.execute(statement, parameters(ids, now))
    return [Evaluation(CustomerId(row.id), bool(row.holds), row.next_check_at) for row in rows]


def _nobody(ids: Collection[CustomerId]) -> list[Evaluation]:
    """A segment that is no more has no members."""
    return [Evaluation(id_, holds=False, next_check_at=None) for id_ in ids]


def _told(segment: str, found: Difference, now: datetime) -> list[OwnEvent]:
    return [
        OwnEvent(
            customer_id=one.customer_id,
            name="segment.entered" if one.has_entered else "segment.left",
            occurred_at=one.at,
            message_id=(
                f"segment:{segment}:{one.customer_id}:{'in' if one.has_entered else 'out'}"
                f":{one.at.isoformat()}:{now.isoformat()}"
            ),
            properties={"segment": segment, "cause": one.cause},
        )
        for one in found.changes
    ]
