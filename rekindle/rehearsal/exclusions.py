"""Why people who are in the segment get no mail: the funnel of a plan, in counts by reason."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from journeys.definition import Journey, OnEnters, OnLeaves
from rekindle.rehearsal.people import Mail, Trip
from rekindle.workspace.library import Library
from store.records import EnrollmentId
from workers.starts import LIVE_CAUSES

HELD_OUT = "held out"
ON_THE_WAY = "no mail within 24 hours"
NO_BACKFILL = "already qualify; only 'backfill: true' starts them"
MAY_NOT = "may not start again, or are in it"
DATE = re.compile(r" on \d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Excluded:
    """Of those who start one journey: how many are mailed, and why the others are not."""

    mailed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)


def why_not_mailed(
    trips: Iterable[Trip], mails: Mapping[EnrollmentId, Sequence[Mail]]
) -> dict[str, Excluded]:
    """For each journey its funnel; somebody with several enrollments counts for each."""
    found: dict[str, Counter[str]] = {}
    for one in trips:
        found.setdefault(one.journey, Counter())[_reason(one, mails.get(one.id, ()))] += 1
    return {
        journey: Excluded(reasons.pop("", 0), dict(sorted(reasons.items())))
        for journey, reasons in found.items()
    }


def _reason(trip: Trip, mails: Sequence[Mail]) -> str:
    """Empty for somebody who gets a mail, else what stands in the way of the last one."""
    if any(mail.is_sent for mail in mails):
        return ""
    if trip.is_held_out:
        return HELD_OUT
    if mails:
        return DATE.sub("", mails[-1].reason) or mails[-1].status
    return f"left: {trip.ended}" if trip.ended not in (None, "finished") else ON_THE_WAY


def why_not_started(
    library: Library,
    told: Sequence[tuple[str, str, str, int]],
    started: Mapping[str, frozenset[int]],
    concerned: Collection[str],
) -> dict[str, dict[str, int]]:
    """For each journey concerned, those whom a change of its segment would have started, and did
    not. Whom another journey did not start is no consequence of what changes.
    """
    found: dict[str, dict[str, int]] = {}
    for name in concerned:
        live, counted = _called(library.journeys[name], told)
        missing = live - started.get(name, frozenset())
        reasons = {MAY_NOT: len(missing), NO_BACKFILL: len(counted - live)}
        found[name] = {reason: count for reason, count in reasons.items() if count}
    return found


def _called(
    journey: Journey, told: Sequence[tuple[str, str, str, int]]
) -> tuple[frozenset[int], frozenset[int]]:
    """Customers whose entering or leaving starts the journey, and those whose would have."""
    wanted = {_wanted(trigger) for trigger in journey.start}
    heard = [(cause, id_) for event, segment, cause, id_ in told if (event, segment) in wanted]
    live = frozenset(id_ for cause, id_ in heard if cause in LIVE_CAUSES or journey.backfill)
    return live, frozenset(id_ for _, id_ in heard)


def segments_of_starts(journey: Journey) -> set[str]:
    """Those that customers start by entering or leaving."""
    return {segment for _, segment in map(_wanted, journey.start)} - {""}


def _wanted(trigger: object) -> tuple[str, str]:
    match trigger:
        case OnEnters(enters=segment):
            return "segment.entered", segment
        case OnLeaves(leaves=segment):
            return "segment.left", segment
        case _:
            return "", ""
