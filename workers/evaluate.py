"""Looks at what changed or became due: drift, segments, starts, and whom to wake. All in sets."""

from collections.abc import Sequence
from datetime import datetime

from rekindle.services import Services
from store.enrollments import wake_customers
from store.pending import claim_changes, drop_changes, load_fresh
from workers.counts import Counts
from workers.starts import begin, candidates_from

BATCH = 1_000


def evaluate_changes(services: Services, now: datetime) -> Counts:
    """Act on up to a batch of changes, in one transaction."""
    library = services.library()
    with services.store.begin() as tx:
        changes = claim_changes(tx, BATCH)
        if not changes:
            return Counts()
        ids = sorted({one.customer_id for one in changes})
        fresh = load_fresh(tx, changes)
        started = begin(tx, library, candidates_from(tx, library, fresh, now), now)
        wake_customers(tx, ids, now)
        drop_changes(tx, changes)
    return Counts(events=len(changes), started=started)


def evaluate_due(services: Services, now: datetime) -> Counts:
    return Counts()


def evaluate_everybody(services: Services, now: datetime) -> Counts:
    return Counts()


def find_unevaluated(services: Services, now: datetime) -> Sequence[str]:
    return ()
