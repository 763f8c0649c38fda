"""May this message go to this customer now? Allowed, held until, or refused because."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from journeys.definition import SERVICE
from journeys.timing import quiet_until
from rekindle.durations import write_duration
from rekindle.settings import Cap, Settings

HELD_AT_MOST = timedelta(days=1)  # a mail that lost against a cap waits a day, then is refused
UNHAPPY_AT_MOST = timedelta(days=7)  # an offer to an unhappy customer waits a week, then is refused
ASK_AGAIN_AFTER = timedelta(hours=6)


@dataclass(frozen=True)
class Allowed:
    """Send it."""


@dataclass(frozen=True)
class Held:
    """Not now; ask again at `until`."""

    until: datetime
    reason: str


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
    address: str = ""
    suppressed: str | None = None  # why its address must not be mailed
    consent: str = "unknown"
    sent: Sequence[tuple[datetime, str]] = ()  # newest first: mails of the last weeks, with topic
    invited_at: datetime | None = None  # the last invitation to any survey
    unhappy: bool = False  # an unsolved ticket or a bad answer that nobody has made good
    ended: str | None = None  # how its enrollment was left, finishing aside


def ask(asked: Asked, settings: Settings, now: datetime) -> Verdict:
    """The verdict on one message; the first rule that objects gives the reason."""
    return (
        _never(asked, settings)
        or (_rest(asked, settings, now) if asked.survey else None)
        or (None if asked.topic == SERVICE else _not_now(asked, settings, now))
        or Allowed()
    )


def _never(asked: Asked, settings: Settings) -> Verdict | None:
    if asked.ended is not None:
        return Refused(f"the enrollment was left: {asked.ended}")
    if not asked.address:
        return Refused("no address")
    if asked.suppressed is not None:
        return Refused(f"suppressed: {asked.suppressed}")
    if asked.consent == "denied":
        return Refused(f"said no to {asked.topic}")
    if asked.topic == SERVICE:
        return None
    topic = settings.topics.get(asked.topic)
    is_assumed = topic is not None and topic.consent == "assumed"
    if asked.consent != "granted" and not is_assumed:
        return Refused(f"has not said yes to {asked.topic}")
    return None


def _rest(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    if asked.invited_at is None or now >= asked.invited_at + settings.survey_rest:
        return None
    return Refused(
        f"was asked on {asked.invited_at:%Y-%m-%d}; rests {write_duration(settings.survey_rest)}"
    )


def _not_now(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    return _over_cap(asked, settings, now) or _quiet(asked, settings, now) or _unhappy(asked, now)


def _over_cap(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    for name in ("all", asked.topic):
        cap = settings.caps.get(name)
        if cap and (frees_at := _frees_at(cap, asked, name, now)):
            reason = f"over the cap '{name}': {cap.count} per {write_duration(cap.within)}"
            gives_up_at = asked.queued_at + HELD_AT_MOST
            if now >= gives_up_at:
                return Refused(reason)
            return Held(min(frees_at, gives_up_at), reason)
    return None


def _frees_at(cap: Cap, asked: Asked, name: str, now: datetime) -> datetime | None:
    """When the cap lets one more pass, or None where it does now; (now - within, now] counts."""
    counted = [at for at, topic in asked.sent if at > now - cap.within and name in ("all", topic)]
    if len(counted) < cap.count:
        return None
    return counted[cap.count - 1] + cap.within if cap.count else now + cap.within


def _unhappy(asked: Asked, now: datetime) -> Verdict | None:
    if not asked.unhappy or asked.survey:
        return None
    if now >= asked.queued_at + UNHAPPY_AT_MOST:
        return Refused("unhappy now, for a week")
    return Held(now + ASK_AGAIN_AFTER, "unhappy now: an unsolved ticket or a bad answer")


def _quiet(asked: Asked, settings: Settings, now: datetime) -> Verdict | None:
    until = quiet_until(now, settings.quiet_hours, asked.zone)
    return Held(until, "quiet hours where the customer lives") if until else None
