"""Who entered a segment and who left it: the stored answers against the new ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from store.records import Because, Cause, CustomerId, Evaluation, Membership

LATE = timedelta(hours=1)  # known that long after it occurred, an event is late


@dataclass(frozen=True)
class Trigger:
    """The event that made us look at a customer; of several, the one that occurred last."""

    occurred_at: datetime
    received_at: datetime

    @property
    def is_late(self) -> bool:
        return self.received_at - self.occurred_at > LATE


@dataclass(frozen=True)
class Change:
    """One customer's entering or leaving, and the instant at which it became true."""

    customer_id: CustomerId
    has_entered: bool
    at: datetime
    cause: Cause


@dataclass(frozen=True)
class Difference:
    """What an evaluation changed: whom to tell, and what to store."""

    changes: tuple[Change, ...]
    memberships: tuple[Membership, ...]  # only those that differ from what is stored

    @property
    def entered(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.has_entered)

    @property
    def left(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if not change.has_entered)


def compare(
    segment: str,
    stored: Mapping[CustomerId, Membership],
    evaluated: Iterable[Evaluation],
    now: datetime,
    *,
    triggers: Mapping[CustomerId, Trigger] | None = None,
    because: Because | None = None,
) -> Difference:
    """The difference between what is stored and what was evaluated at `now`.

    `because` is the cause for everybody where not a customer's own doing made us look. Otherwise it
    is the customer's trigger, or time where a check had come. Who is stored but not evaluated is
    left alone.
    """
    changes: list[Change] = []
    memberships: list[Membership] = []
    for found in evaluated:
        before = stored.get(found.customer_id) or _nobody(segment, found.customer_id)
        after = _kept(before, found)
        if before.is_member != found.holds:
            trigger = (triggers or {}).get(found.customer_id)
            change = _change(before, found, now, trigger, because)
            changes.append(change)
            after = Membership(
                segment, found.customer_id, found.holds, change.at, found.next_check_at
            )
        if after != before:
            memberships.append(after)
    return Difference(tuple(changes), tuple(memberships))


def _nobody(segment: str, customer_id: CustomerId) -> Membership:
    return Membership(segment, customer_id, is_member=False, since=None, next_check_at=None)


def _kept(before: Membership, found: Evaluation) -> Membership:
    return Membership(
        before.segment, before.customer_id, before.is_member, before.since, found.next_check_at
    )


def _change(
    before: Membership,
    found: Evaluation,
    now: datetime,
    trigger: Trigger | None,
    because: Because | None,
) -> Change:
    at, cause = _moment(before, now, trigger, because)
    if before.since is not None:
        at = max(at, before.since)  # nobody leaves before they came
    return Change(found.customer_id, found.holds, min(at, now), cause)


def _moment(
    before: Membership,
    now: datetime,
    trigger: Trigger | None,
    because: Because | None,
) -> tuple[datetime, Cause]:
    """When it became true, and why; what we learned late became true for us only now.

    What has no instant of its own, as a row about a customer, we learned late.
    """
    check = before.next_check_at
    looked_for = now if trigger is None else trigger.occurred_at
    if because in (None, "time") and check is not None and check <= looked_for:
        return check, "time"
    if because is not None:
        return now, because
    if trigger is None or trigger.is_late:
        return now, "late"
    return trigger.occurred_at, "event"
