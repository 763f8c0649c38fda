"""Calls and how they went: what is written of each, and of whoever got it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.clock import seconds_running
from rekindle.errors import ProviderRefused, ProviderUnavailable, RekindleError, TemplateFailed
from rekindle.logs import get_logger
from store.alarms import EFFECT, raise_alarm
from store.effects import NO_ENROLLMENT, DueEffect, finish_effect, let_go
from store.enrollments import find_place
from store.receivers import Receiver, forget_receivers, load_receivers, save_receivers
from workers.notices import Errand
from workers.receivers import fail, pause_after

log = get_logger()

GIVE_UP_AFTER = timedelta(days=3)  # a weekend
MOST_ATTEMPTS = 18  # of those of which nobody knows when they were made: three days as well


@dataclass(frozen=True)
class Call:
    """Something to be done outside, under a claim."""

    effect: DueEffect
    claim: str
    errand: Errand
    seconds: float  # that it may take as a whole
    claimed: float = field(default_factory=seconds_running)

    @property
    def age(self) -> float:
        return seconds_running() - self.claimed


@dataclass(frozen=True)
class Outcome:
    """How a call went; one that was never begun is let go."""

    call: Call
    error: RekindleError | None = None
    is_begun: bool = True


@dataclass
class Book:
    """Writes down how calls went, and how their receivers are."""

    tx: Connection
    kind: str
    now: datetime
    failing: dict[str, Receiver] = field(init=False)
    _changed: set[str] = field(default_factory=set)
    _well: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.failing = {known.name: known for known in load_receivers(self.tx, self.kind)}

    def settle(self, outcome: Outcome) -> None:
        """Write one result, where its claim is still ours."""
        effect, claim = outcome.call.effect, outcome.call.claim
        if not outcome.is_begun:
            let_go(self.tx, effect.id, claim, self.now)
            return
        self._judge(effect.receiver, outcome.error)
        if outcome.error is None:
            finish_effect(self.tx, effect.id, claim, "done")
        elif self._is_final(effect, outcome.error):
            self._give_up(effect, claim, outcome.error)
        else:
            due_at = self.now + pause_after(effect.attempts)
            finish_effect(self.tx, effect.id, claim, "due", error=str(outcome.error), due_at=due_at)
            log.warning("effect.delayed", effect=effect.id, kind=self.kind)

    def tell_late(self, call: Call) -> None:
        """It is still under way, and its receiver is left alone meanwhile."""
        error = ProviderUnavailable(f"no answer within {call.seconds:g} s, and it hangs on.")
        self._judge(call.effect.receiver, error)
        log.warning("effect.hangs", effect=call.effect.id, kind=self.kind)

    def close(self) -> None:
        save_receivers(self.tx, [self.failing[name] for name in sorted(self._changed)])
        forget_receivers(self.tx, self.kind, self._well)

    def _judge(self, receiver: str, error: RekindleError | None) -> None:
        if isinstance(error, ProviderUnavailable):
            known = self.failing.get(receiver)
            self.failing[receiver] = fail(
                known, self.kind, receiver, str(error), self.now, error.retry_after
            )
            self._changed.add(receiver)
            self._well.discard(receiver)
        elif error is None and self.failing.pop(receiver, None) is not None:
            self._changed.discard(receiver)
            self._well.add(receiver)

    def _is_final(self, effect: DueEffect, error: RekindleError) -> bool:
        if isinstance(error, TemplateFailed | ProviderRefused):
            return True
        if effect.made_at is None:
            return effect.attempts + 1 >= MOST_ATTEMPTS
        return self.now - effect.made_at >= GIVE_UP_AFTER

    def _give_up(self, effect: DueEffect, claim: str, error: RekindleError) -> None:
        if not finish_effect(self.tx, effect.id, claim, "failed", error=str(error)):
            return
        if effect.enrollment_id == NO_ENROLLMENT:
            subject, whose = effect.step, "about a stranger"
        else:
            place = find_place(self.tx, effect.enrollment_id)
            subject, whose = f"{place.journey}/{effect.step}", f"of the journey {place.journey}"
        words = f"a {effect.kind} {whose} failed: {error}"
        raise_alarm(self.tx, EFFECT, subject, words, self.now)
        log.error("effect.failed", effect=effect.id, kind=effect.kind)
