"""Pauses a provider that takes no mail, so that the queue stays whole, and tries it again in time.

A pause is for all processes. When it ends one of them tries one mail; what comes of it decides for
all.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import uniform
from typing import Literal

from sqlalchemy import Connection

from rekindle.errors import ProviderFault
from rekindle.logs import get_logger
from store.alarms import PROVIDER, clear_alarms, raise_alarm, restate_alarm
from store.providers import (
    ProviderState,
    begin_probe,
    delete_provider_state,
    end_pauses,
    find_provider_state,
    lock_provider_state,
    move_pause,
    save_provider_state,
)

log = get_logger()

PROBE = timedelta(minutes=3)  # longer than any answer takes: after it another process may try
LONGEST_PAUSE = timedelta(minutes=15)
LONGEST_ASKED = timedelta(hours=1)  # a provider may ask for more, and be wrong
SECOND = timedelta(seconds=1)
# hammering with these makes things worse: accounts and addresses are locked for it
FIRST_PAUSE: Mapping[ProviderFault, timedelta] = {
    "connection": 5 * SECOND,
    "server": 5 * SECOND,
    "rate": 5 * SECOND,
    "tls": 60 * SECOND,
    "credentials": 60 * SECOND,
    "quota": 60 * SECOND,
    "sender": 60 * SECOND,
}
SHARE = 4  # a pause is a quarter of how long it has lasted: each is longer than the one before
SAID: Mapping[ProviderFault, str] = {
    "connection": "it cannot be reached, or hangs up",
    "server": "it is in trouble itself",
    "rate": "it takes no more at this rate",
    "tls": "no encrypted connection",
    "credentials": "it does not accept our credentials",
    "quota": "the account's limit is used up",
    "sender": "it does not accept us as a sender",
}
ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>@]+")

Gate = Literal["open", "probe", "paused"]


@dataclass(frozen=True)
class Outage:
    """Why a provider took nothing, whichever mail was tried."""

    fault: ProviderFault
    reason: str
    retry_after: timedelta | None = None


def ask_gate(tx: Connection, provider: str, now: datetime) -> Gate:
    """Whether mails may be claimed: all, one to try, or none."""
    if find_provider_state(tx, provider) is None:
        return "open"
    return "probe" if begin_probe(tx, provider, now, now + PROBE) else "paused"


def end_probe(tx: Connection, provider: str, now: datetime) -> None:
    """There was nothing to try it with: the next mail is."""
    move_pause(tx, provider, now)


def pause_provider(
    tx: Connection,
    provider: str,
    outage: Outage,
    now: datetime,
    *,
    is_probe: bool,
    settings_digest: str | None = None,
) -> None:
    """Let nobody claim mails for a while, the longer the longer it lasts, and raise the alarm."""
    before = lock_provider_state(tx, provider)
    since = before.since if before else now
    until = now + pause_for(outage, now - since)
    if before and not is_probe:  # others were sending when it began
        until = max(until, before.paused_until)
    reason = ADDRESS.sub("…", outage.reason)
    failures = before.failures + 1 if before else 1
    state = ProviderState(provider, outage.fault, reason, since, until, failures, settings_digest)
    save_provider_state(tx, state)
    words = f"{say_outage(state)} {say_next_try(state)}"
    raise_alarm(tx, PROVIDER, provider, words, now)
    restate_alarm(tx, PROVIDER, provider, words)
    log.warning(
        "provider.paused",
        provider=provider,
        fault=outage.fault,
        reason=reason,
        seconds=round((until - now) / SECOND),
    )


def say_outage(state: ProviderState) -> str:
    """Why a provider takes nothing, in words."""
    return (
        f"{state.provider} takes no email since {state.since:%Y-%m-%d %H:%M} UTC "
        f"({SAID[state.fault]}): {state.reason}"
    )


def say_next_try(state: ProviderState) -> str:
    """Until when what is due waits, and what to do about it."""
    return (
        f"What is due waits until {state.paused_until:%Y-%m-%d %H:%M:%S} UTC, then one email is "
        "tried by itself; 'rekindle doctor --repair' has it tried at once."
    )


def try_at_once(tx: Connection, now: datetime) -> int:
    """End every pause: the next email is tried now. Returns how many there were."""
    standing = end_pauses(tx, now)
    for state in standing:
        words = f"{say_outage(state)} The next email is tried at once."
        restate_alarm(tx, PROVIDER, state.provider, words)
        log.info("provider.pause_ended", provider=state.provider)
    return len(standing)


def forget_other_settings(tx: Connection, provider: str, digest: str | None, now: datetime) -> None:
    """What a provider did not take with other settings says nothing of these."""
    state = find_provider_state(tx, provider)
    known = state and state.settings_digest
    if known and digest and known != digest:
        resume_provider(tx, provider, now)


def resume_provider(tx: Connection, provider: str, now: datetime) -> None:
    """It answered: all is well again."""
    if delete_provider_state(tx, provider):
        clear_alarms(tx, PROVIDER, [provider], now)
        log.info("provider.resumed", provider=provider)


def pause_for(outage: Outage, lasted: timedelta) -> timedelta:
    """How long to leave a provider alone that has taken nothing for so long.

    No two installations keep step with each other.
    """
    if outage.retry_after is not None:
        asked = min(max(outage.retry_after, SECOND), LONGEST_ASKED)
        return asked + uniform(0, 0.5) * SECOND
    pause = min(max(lasted / SHARE, FIRST_PAUSE[outage.fault]), LONGEST_PAUSE)
    return pause * uniform(1, 1.1)
