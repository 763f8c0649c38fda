"""What an apply would do, in numbers: the one source of each text, table and document of a plan."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rekindle.rehearsal.exclusions import Outcome
from rekindle.rehearsal.rewordings import Rewording
from rekindle.rehearsal.world import World
from rekindle.settings import Limits
from rekindle.workspace.applying import Change
from rekindle.workspace.files import path_of


@dataclass(frozen=True)
class SegmentPlan:
    """One segment once the folder is applied, and who comes and goes by that."""

    segment: str
    change: str  # new, changed, retired, unchanged
    size: int
    enter: frozenset[int] = frozenset()
    leave: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Emails:
    """The emails of one journey in a day, by who gets them."""

    to_starting: int = 0  # who start at once
    to_inside: int = 0  # who are on their way already
    to_later: int = 0  # who start within the day

    @property
    def total(self) -> int:
        return self.to_starting + self.to_inside + self.to_later


@dataclass(frozen=True)
class JourneyPlan:
    """One journey once the folder is applied: whom it takes at once, and its emails of a day."""

    journey: str
    change: str
    start: frozenset[int] = frozenset()  # customers, those held out included
    move: frozenset[int] = frozenset()  # to the new version
    exit: frozenset[int] = frozenset()
    stay: frozenset[int] = frozenset()  # inside on the version before
    outcome: Outcome = field(default_factory=Outcome)  # of those who start
    not_started: Mapping[str, int] = field(default_factory=dict)  # who would, and why they do not
    emails: Emails = field(default_factory=Emails)
    mailboxes: int = 0  # of those who start
    sharing: int = 0  # how many of them have the same mailbox as another of them
    shared: int = 0  # how many mailboxes those have

    @property
    def mails_24h(self) -> int:
        return self.emails.total

    @property
    def excluded(self) -> Mapping[str, int]:
        """Everybody who gets no email by the reason, those who do not start included."""
        return dict(Counter(self.outcome.reasons) + Counter(self.not_started))


@dataclass(frozen=True)
class Ask:
    """A step whose derived id may mean another one than before: it needs an `id` of its own."""

    journey: str
    step: str
    is_moving: bool  # people inside would be put there

    def __str__(self) -> str:
        return (
            f"{path_of('journey', self.journey)}: there are more or fewer steps like {self.step!r} "
            "than before, so it is not clear which is which. Give each of them an 'id'."
        )


@dataclass(frozen=True)
class Concerned:
    """How many people one thing concerns: `132 start win_back`."""

    people: int = 0
    verb: str = ""
    name: str = ""


@dataclass(frozen=True)
class Plan:
    """The whole consequence of one apply."""

    at: datetime
    changes: tuple[Change, ...]
    segments: tuple[SegmentPlan, ...]
    journeys: tuple[JourneyPlan, ...]
    mails_24h: int
    customers: int  # known now
    is_first: bool  # nothing was ever applied: everybody in a segment is new to it
    limits: Limits
    world: World
    asks: tuple[Ask, ...] = ()
    rewordings: tuple[Rewording, ...] = ()
    mails_of_no_journey: int = 0

    @property
    def largest(self) -> Concerned:
        """The largest number of people that one thing concerns; the limit is about its share.

        The first apply of all fills segments that nobody could be in before; that alone is no
        surprise, so only what journeys do counts.
        """
        found = [
            Concerned(len(whom), verb, one.journey)
            for one in self.journeys
            for verb, whom in (("start", one.start), ("move in", one.move), ("leave", one.exit))
        ]
        if not self.is_first:
            found += [Concerned(len(one.enter), "enter", one.segment) for one in self.segments]
        return max(found, key=lambda one: one.people, default=Concerned())

    @property
    def people(self) -> int:
        return self.largest.people

    @property
    def share(self) -> float:
        """Of all customers, whom the largest change concerns."""
        return self.people / self.customers if self.customers else 0.0

    @property
    def is_small(self) -> bool:
        """Whether so few people and emails are concerned that no share is asked."""
        return max(self.people, self.mails_24h) <= self.limits.floor

    @property
    def is_past_share(self) -> bool:
        return self.share > self.limits.share and not self.is_small

    @property
    def is_past_mails(self) -> bool:
        return self.mails_24h > self.limits.mails_24h

    @property
    def needed(self) -> int:
        """The least that `allow` has to be for limits to hold; 0 where they do."""
        if not self.changes:
            return 0
        mails = self.mails_24h if self.is_past_mails else 0
        return max(mails, self.people if self.is_past_share else 0)

    @property
    def is_unclear(self) -> bool:
        """Whether people inside would be moved to a step that may be another than theirs."""
        return any(one.is_moving for one in self.asks)

    def is_within(self, allow: int = 0) -> bool:
        """Whether limits hold; `allow` lifts every one up to that many people and emails.

        Where nothing changes, nothing is set in motion, however many emails leave of themselves.
        """
        return not self.changes or (not self.is_unclear and self.needed <= allow)


def as_document(plan: Plan, *, allow: int = 0) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "segments": [_segment(one) for one in plan.segments],
        "journeys": [_journey(one) for one in plan.journeys],
        "mails_24h": plan.mails_24h,
        "mails_of_no_journey": plan.mails_of_no_journey,
        "rewordings": [
            {"template": one.template, "inside": len(one.inside)} for one in plan.rewordings
        ],
        "customers": plan.customers,
        "people": plan.people,
        "share": plan.share,
        "needs_allow": plan.needed,
        "within_limits": plan.is_within(allow),
        "asks": [
            {"journey": one.journey, "step": one.step, "message": str(one)} for one in plan.asks
        ],
        "changes": [
            {"kind": one.kind, "name": one.name, "change": one.change} for one in plan.changes
        ],
    }


def _segment(one: SegmentPlan) -> dict[str, Any]:
    return {
        "segment": one.segment,
        "change": one.change,
        "size": one.size,
        "enter": len(one.enter),
        "leave": len(one.leave),
    }


def _journey(one: JourneyPlan) -> dict[str, Any]:
    return {
        "journey": one.journey,
        "change": one.change,
        "start": len(one.start),
        "move": len(one.move),
        "exit": len(one.exit),
        "stay": len(one.stay),
        "emailed": one.outcome.emailed,
        "not_emailed": dict(one.outcome.reasons),
        "not_started": dict(one.not_started),
        "mailboxes": one.mailboxes,
        "sharing": one.sharing,
        "mails_24h": one.mails_24h,
        "mails_to": {
            "starting": one.emails.to_starting,
            "inside": one.emails.to_inside,
            "later": one.emails.to_later,
        },
        "excluded": dict(one.excluded),
    }
