"""Forgets events of strangers: what had no customer for so long is nobody's."""

from datetime import datetime

from rekindle.services import Services
from store.parked import drop_parked, find_outdated

A_SWEEP = 500  # identities that are waited for: about once a second


def forget_parked(services: Services, now: datetime) -> None:
    """Drop some of the parked events that came before `keep_parked`; while there are none it only
    reads.
    """
    before = now - services.settings.keep_parked
    with services.store.read() as connection:
        outdated = find_outdated(connection, before, A_SWEEP)
    if outdated:
        with services.store.begin() as tx:
            drop_parked(tx, outdated)
