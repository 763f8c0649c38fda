"""Looks at what changed or became due: drift, segments, starts, and whom to wake. All in sets."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from rekindle.services import Services
from rekindle.workspace.library import Library
from segments.membership import Difference, Trigger, compare
from store.customers import find_living
from store.enrollments import wake_customers
from store.intake import OwnEvent, record_own_events
from store.memberships import DueCheck, claim_due_checks, load_memberships, save_memberships
from store.passes import Pass, load_passes
from store.pending import FreshEvent, claim_changes, drop_changes, load_fresh
from store.records import Because, CustomerId, Evaluation, Membership
from workers.asking import Refused, evaluate_together
from workers.counts import Counts
from workers.drift import priors_at, refresh_drift
from workers.failing import fail_segment
from workers.hearing import News, concerned, heard_by, heard_by_clocks, news_in
from workers.pausing import trip_breakers
from workers.starts import begin, candidates_from

BATCH = 1_000


def evaluate_changes(services: Services) -> Counts:
    """Act on up to a batch of changes, in one transaction."""
    with services.store.begin() as tx:
        changes = claim_changes(tx, BATCH)
        if not changes:
            return Counts()
        passes = load_passes(tx, lock="share")  # held: no pass by a newer rule begins beside us
        library, now = services.library(tx), services.clock.now()
        fresh = load_fresh(tx, changes)
        counts = _look_at(tx, library, passes, news_in(changes, fresh), fresh, now)
        trip_breakers(tx, library, fresh, now)
        started = begin(tx, library, candidates_from(tx, library, fresh, now), now)
        wake_customers(tx, sorted({one.customer_id for one in changes}), now)
        drop_changes(tx, changes)
    return counts + Counts(events=len(changes), started=started)


def _look_at(
    tx: Connection,
    library: Library,
    passes: Mapping[str, Pass],
    news: News,
    fresh: Sequence[FreshEvent],
    now: datetime,
) -> Counts:
    """Drift first, since segments read it; each only for those whom the news concerns."""
    if winding := concerned(news, heard_by_clocks(library)):
        refresh_drift(tx, winding, now, library.lexicon, priors_at(tx, now))
    return _evaluate_all(tx, library, passes, news, _triggers(fresh), now)


def evaluate_due(services: Services) -> Counts:
    """Look again at up to a batch of answers that time alone may have changed."""
    total = Counts()
    with services.store.begin() as tx:
        checks = claim_due_checks(tx, services.clock.now(), BATCH)
        if not checks:
            return total
        passes = load_passes(tx, lock="share")
        library, now = services.library(tx), services.clock.now()
        # an own event that was dated in the future may have come, and winds the clock anew
        everybody = sorted({check.customer_id for check in checks})
        refresh_drift(tx, everybody, now, library.lexicon, priors_at(tx, now))
        for segments, ids in _alike(checks):
            asked = {segment: _due_cause(passes.get(segment)) for segment in segments}
            total += evaluate_segments(tx, library, asked, ids, now)
    return total + Counts(looked_at=len(checks))


def _alike(checks: Sequence[DueCheck]) -> Iterator[tuple[list[str], list[CustomerId]]]:
    """Segments of which the same customers are due, with these."""
    due: dict[str, list[CustomerId]] = {}
    for check in checks:
        due.setdefault(check.segment, []).append(check.customer_id)
    groups: dict[tuple[CustomerId, ...], list[str]] = {}
    for segment, ids in due.items():
        groups.setdefault(tuple(sorted(ids)), []).append(segment)
    for customers, segments in groups.items():
        yield segments, list(customers)


def _due_cause(found: Pass | None) -> Because | None:
    """Time, unless the segment failed: then it was late that we knew."""
    return "late" if found is not None and found.failed_at is not None else None


def _triggers(fresh: Sequence[FreshEvent]) -> dict[CustomerId, Trigger]:
    """The last event of each customer among these; they come in event order."""
    return {one.customer_id: Trigger(one.occurred_at, one.received_at) for one in fresh}


def _evaluate_all(
    tx: Connection,
    library: Library,
    passes: Mapping[str, Pass],
    news: News,
    triggers: Mapping[CustomerId, Trigger],
    now: datetime,
) -> Counts:
    """Every segment for whom it concerns; those that a pass has yet to reach are left to it."""
    groups: dict[tuple[CustomerId, ...], list[str]] = {}
    for segment, one in passes.items():
        if segment in library.segments:
            ids = [id_ for id_ in concerned(news, heard_by(library, segment)) if one.covers(id_)]
            groups.setdefault(tuple(ids), []).append(segment)
    total = Counts()
    for customers, segments in groups.items():
        if customers:
            asked = dict.fromkeys(segments)
            total += evaluate_segments(tx, library, asked, customers, now, triggers=triggers)
    return total


def evaluate_segments(
    tx: Connection,
    library: Library,
    segments: Mapping[str, Because | None],
    ids: Collection[CustomerId],
    now: datetime,
    *,
    triggers: Mapping[CustomerId, Trigger] | None = None,
) -> Counts:
    """These customers in each segment: store the answers, tell who entered and who left.

    The segments come with the cause for everybody, None where each customer has their own. One
    that the database refuses keeps its members and raises an alarm; the others go on.
    """
    answers = evaluate_together(tx, library, sorted(segments), ids, now)
    total = Counts()
    for segment, found in answers.items():
        match found:
            case Refused(reason):
                fail_segment(tx, segment, reason, ids, now)
            case _:
                because = segments[segment]
                total += _keep(tx, segment, ids, found, now, triggers, because)
    return total


def _keep(
    tx: Connection,
    segment: str,
    ids: Collection[CustomerId],
    evaluated: list[Evaluation],
    now: datetime,
    triggers: Mapping[CustomerId, Trigger] | None,
    because: Because | None,
) -> Counts:
    stored = load_memberships(tx, segment, ids)
    evaluated += _out_for_good(tx, stored, evaluated)
    found = compare(segment, stored, evaluated, now, triggers=triggers, because=because)
    save_memberships(tx, found.memberships)
    record_own_events(tx, _told(segment, found, now), now)
    return Counts(entered=len(found.entered), left=len(found.left))


def _out_for_good(
    tx: Connection, stored: Mapping[CustomerId, Membership], evaluated: Sequence[Evaluation]
) -> list[Evaluation]:
    """Who is stored and was not among the answers, unless erased or merged away meanwhile."""
    answered = {one.customer_id for one in evaluated}
    missing = [id_ for id_ in stored if id_ not in answered]
    return _nobody(find_living(tx, missing)) if missing else []


def _nobody(ids: Iterable[CustomerId]) -> list[Evaluation]:
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
