"""Providers that take no mail at the moment: why, since when, and when the next one is tried."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select, update

from rekindle.errors import ProviderFault
from store.bulk import read_rows
from store.tables import provider_states
from store.upserts import insert_or_replace

STATES = select(provider_states).order_by(provider_states.c.provider)
STATE = select(provider_states).where(provider_states.c.provider == bindparam("provider"))


@dataclass(frozen=True)
class ProviderState:
    """A provider that takes nothing; one that works has none."""

    provider: str
    fault: ProviderFault
    reason: str
    since: datetime
    paused_until: datetime  # then one mail is tried
    failures: int
    settings_digest: str | None = None  # of those with which it took nothing


def find_provider_state(connection: Connection, provider: str) -> ProviderState | None:
    rows = read_rows(connection, STATE, {"provider": provider})
    return ProviderState(*rows[0]) if rows else None


def load_provider_states(connection: Connection) -> list[ProviderState]:
    return [ProviderState(*row) for row in read_rows(connection, STATES)]


def lock_provider_state(tx: Connection, provider: str) -> ProviderState | None:
    """The same, which nobody else changes in this transaction."""
    row = tx.execute(STATE.with_for_update(), {"provider": provider}).first()
    return ProviderState(*row) if row else None


def save_provider_state(tx: Connection, state: ProviderState) -> None:
    tx.execute(insert_or_replace(tx, provider_states), [vars(state)])


def begin_probe(tx: Connection, provider: str, now: datetime, until: datetime) -> bool:
    """Whether the pause is over and it is on us to try a mail; nobody else does before `until`."""
    taken = tx.execute(
        update(provider_states)
        .where(provider_states.c.provider == provider, provider_states.c.paused_until <= now)
        .values(paused_until=until)
        .returning(provider_states.c.provider)
    )
    return taken.first() is not None


def end_pauses(tx: Connection, now: datetime) -> list[ProviderState]:
    """Have the next email tried at once wherever there is a pause; returns how they stood."""
    standing = [one for one in load_provider_states(tx) if one.paused_until > now]
    for state in standing:
        move_pause(tx, state.provider, now)
    return standing


def move_pause(tx: Connection, provider: str, until: datetime) -> None:
    tx.execute(
        update(provider_states)
        .where(provider_states.c.provider == provider)
        .values(paused_until=until)
    )


def delete_provider_state(tx: Connection, provider: str) -> bool:
    """It takes mail again; False if it was known to."""
    gone = tx.execute(
        delete(provider_states)
        .where(provider_states.c.provider == provider)
        .returning(provider_states.c.provider)
    )
    return gone.first() is not None
