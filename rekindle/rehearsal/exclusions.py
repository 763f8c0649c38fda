"""Why people who are in the segment get no email: the funnel of a plan, in counts by reason."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from journeys.definition import Journey, OnEnters, OnLeaves
from rekindle.rehearsal.people import Mail, Trip
from rekindle.workspace.library import Library
from store.records import EnrollmentId
from workers.starts import LIVE_CAUSES

EMAILED = ""  # no reason why not
HELD_OUT = "held out"
ON_THE_WAY = "no email within 24 hours"
NO_BACKFILL = "already qualify; only 'backfill: true' starts them"
MAY_NOT = "may not start again, or are in it"
DATE = re.compile(r" on \d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Outcome:
    """What a day brings those who start one journey: emailed, or the reason why not."""

    emailed: int = 0  # people; with all of `reasons` these are everybody who starts
    reasons: Mapping[str, int] = field(default_factory=dict)


def outcome_of(
    trips: Iterable[Trip], mails: Mapping[EnrollmentId, Sequence[Mail]]
) -> dict[str, Outcome]:
    """For each journey what becomes of the people on these trips; each of them counts once."""
    theirs: dict[str, dict[int, list[str]]] = {}
    for trip in trips:
        of_journey = theirs.setdefault(trip.journey, {})
        of_journey.setdefault(trip.customer_id, []).append(_reason(trip, mails.get(trip.id, ())))
    return {journey: _outcome(reasons) for journey, reasons in theirs.items()}


def _outcome(reasons_of: Mapping[int, Sequence[str]]) -> Outcome:
    """Of somebody on several trips one email is enough; else the last reason is told."""
    lasting = Counter(
        EMAILED if EMAILED in reasons else reasons[-1] for reasons in reasons_of.values()
    )
    return Outcome(lasting.pop(EMAILED, 0), dict(sorted(lasting.items())))


def _reason(trip: Trip, mails: Sequence[Mail]) -> str:
    """EMAILED, or what stands in the way of the last email."""
    if any(mail.is_sent for mail in mails):
        return EMAILED
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
        start = started.get(name, frozenset())
        reasons = {MAY_NOT: len(live - start), NO_BACKFILL: len(counted - live - start)}
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
