"""May this message go to this customer now? Allowed, held until, or refused because."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from journeys.definition import SERVICE, Again
from journeys.timing import quiet_until
from rekindle.durations import write_duration
from rekindle.settings import Cap, Settings

HELD_AT_MOST = timedelta(days=1)  # a mail that lost against a cap waits a day, then is refused
UNHAPPY_AT_MOST = timedelta(days=7)  # an offer to an unhappy customer waits a week, then is refused
SUPPORT_AT_MOST = timedelta(days=7)  # so does what would bring a busy support more work
ASK_AGAIN_AFTER = timedelta(hours=6)
ASK_SOON = timedelta(minutes=30)
OPENS = ("ticket.opened", "ticket.reopened", "ticket.unsolved")
CLOSES = ("ticket.solved", "ticket.closed")
# Why a mail is held whose cause ends for many at once: they are let go evenly, not in one burst.
PAUSED = "the journey is paused"
RETIMED = "put off after an outage"
BUSY = "support has"
ONE_OCCASION = timedelta(days=1)
COPY = "another customer has this address"
SECOND = "another customer with this address goes first"
ON_HOLD = "nothing leaves at the moment"
PACED = "paced: "  # and then what paces it: it has its place


@dataclass(frozen=True)
class Allowed:
    """Send it."""


@dataclass(frozen=True)
class Held:
    """Not now; ask again at `until`. With `paced_at` it has its place there."""

    until: datetime
    reason: str
    paced_at: datetime | None = None


@dataclass(frozen=True)
class Refused:
    """Never."""

    reason: str


Verdict = Allowed | Held | Refused


@dataclass(frozen=True)
class Asked:
    """Everything the permission of one message depends on."""

    topic: str
    queued_at: datetime
    zone: ZoneInfo
    survey: str | None = None
    address: str = ""  # empty: the customer gave none, or what they gave names no mailbox
    suppressed: str | None = None  # why its address must not be mailed
    consent: str = "unknown"
    refused_by_mailbox: bool = False  # somebody said no to the topic by an email sent there
    sent: Sequence[tuple[datetime, str]] = ()  # newest first: mails of the last weeks, with topic
    rivals: Sequence[str] = ()  # topics of mails that want to leave too and go before this one
    invited_at: datetime | None = None  # the last invitation to any survey
    unhappy: bool = False  # an unsolved ticket or a bad answer that nobody has made good
    open_tickets: int = 0  # of all customers
    ended: str | None = None  # how its enrollment was left, finishing aside
    is_paused: bool = False  # its journey
    is_on_hold: bool = False  # everything is
    is_wanted: bool = True  # what its step's `only_if` says now
    is_approved: bool = False  # a person said yes to it
    is_copy: bool = False  # another customer at this mailbox got this very email
    is_second: bool = False  # another is to get it, unless theirs is refused or cancelled


def ask(asked: Asked, settings: Settings, now: datetime) -> Verdict:
    """The verdict on one message; the first rule that objects gives the reason."""
    return (
        _never(asked, settings)
        or (Held(now, ON_HOLD) if asked.is_on_hold else None)  # due at once when that is over
        or (Held(now + ASK_AGAIN_AFTER, PAUSED) if asked.is_paused else None)
        or (_rest(asked, settings, now) if asked.survey else None)
        or (Held(now + ASK_SOON, SECOND) if asked.is_second else None)
        or _not_now(asked, settings, now)
        or Allowed()
    )


class Stay(Protocol):
    """When somebody was in a journey."""

    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...


def is_same_occasion(again: Again, one: Stay, other: Stay) -> bool:
    """Whether two customers with one mailbox are in a journey for the same occasion: a single
    customer would not have started twice. What begins within a day always is, since a journey that
    only sends is over at once.
    """
    first, second = (one, other) if one.started_at <= other.started_at else (other, one)
    apart = second.started_at - first.started_at
    match again.rule:
        case "never":
            return True
        case "after":
            assert again.after is not None
            return apart < max(again.after, ONE_OCCASION)
        case "after_exit" | "always":
            return (
                apart < ONE_OCCASION or first.ended_at is None or second.started_at < first.ended_at
            )


def heeds_caps(topic: str, settings: Settings) -> bool:
    """Whether mails on a topic wait for caps: all do but `service`, unless it says otherwise."""
    said = settings.topics[topic].caps if topic in settings.topics else None
    return topic != SERVICE if said is None else said


def _heeds_quiet_hours(topic: str, settings: Settings) -> bool:
    said = settings.topics[topic].quiet_hours if topic in settings.topics else None
    return topic != SERVICE if said is None else said


def _never(asked: Asked, settings: Settings) -> Verdict | None:
    if asked.ended is not None:
        return Refused(f"the enrollment was left: {asked.ended}")
    if not asked.is_wanted:
        return Refused("only_if does not hold any more")
    if not asked.address:
        return Refused("no usable address")
    if asked.suppressed is not None:
        return Refused(f"suppressed: {asked.suppressed}")
    return (
        _without_consent(asked, settings)
        or _without_approval(asked, settings)
        or (Refused(COPY) if asked.is_copy else None)
    )


def _without_consent(asked: Asked, settings: Settings) -> Verdict | None:
    if asked.consent == "denied":
        return Refused(f"said no to {asked.topic}")
    if asked.refused_by_mailbox:
        return Refused(f"this mailbox said no to {asked.topic}")
    if asked.topic == SERVICE:
        return None
    topic = settings.topics.get(asked.topic)
    is_assumed = topic is not None and topic.consent == "assumed"
    if asked.consent != "granted" and not is_assumed:
        return Refused(f"has not said yes to {asked.topic}")
    return None


def _without_approval(asked: Asked, settings: Settings) -> Verdict | None:
    topic = settings.topics.get(asked.topic)
    if topic is not None and topic.sensitive and not asked.is_approved:
        return Refused(f"{asked.topic} is sensitive, and nobody has approved it")
    return None


def _rest(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    if asked.invited_at is None or now >= asked.invited_at + settings.survey_rest:
        return None
    return Refused(
        f"was asked on {asked.invited_at:%Y-%m-%d}; rests {write_duration(settings.survey_rest)}"
    )


def _not_now(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    is_service = asked.topic == SERVICE
    return (
        (_over_cap(asked, settings, now) if heeds_caps(asked.topic, settings) else None)
        or (_quiet(asked, settings, now) if _heeds_quiet_hours(asked.topic, settings) else None)
        or (None if is_service else _unhappy(asked, settings, now))
        or (None if is_service else _busy(asked, settings, now))
    )


def _over_cap(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    for name in ("all", asked.topic):
        if (cap := settings.caps.get(name)) is not None:
            sent = [at for at, topic in asked.sent if name in ("all", topic)]
            rivals = sum(name in ("all", topic) for topic in asked.rivals)
            if verdict := _over(cap, name, sent, rivals, asked, now):
                return verdict
    return None


def _over(
    cap: Cap, name: str, sent: Sequence[datetime], rivals: int, asked: Asked, now: datetime
) -> Verdict | None:
    """Over one cap, or at its brim while others go first; (now - within, now] counts."""
    counted = [at for at in sent if at > now - cap.within]
    if len(counted) + rivals < cap.count:
        return None
    limit = f"'{name}': {cap.count} per {write_duration(cap.within)}"
    if len(counted) < cap.count:
        reason = f"gives way to a mail that goes first, by priority or age, under the cap {limit}"
        frees_at = now + ASK_SOON
    else:
        frees_at = (counted[cap.count - 1] if cap.count else now) + cap.within
        reason = f"over the cap {limit}"
    gives_up_at = asked.queued_at + HELD_AT_MOST
    return Refused(reason) if now >= gives_up_at else Held(min(frees_at, gives_up_at), reason)


def _unhappy(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    if not asked.unhappy or asked.survey or settings.unhappy == "ignore":
        return None
    if now >= asked.queued_at + UNHAPPY_AT_MOST:
        return Refused("unhappy now, for a week")
    return Held(now + ASK_AGAIN_AFTER, "unhappy now: an unsolved ticket or a bad answer")


def _busy(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    if settings.support is None or asked.open_tickets <= settings.support.open_tickets:
        return None
    reason = f"{BUSY} more open tickets than {settings.support.open_tickets}"
    if now >= asked.queued_at + SUPPORT_AT_MOST:
        return Refused(f"{reason}, for a week")
    return Held(now + ASK_SOON, reason)


def _quiet(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    until = quiet_until(now, settings.quiet_hours, asked.zone)
    return Held(until, "quiet hours where the customer lives") if until else None
