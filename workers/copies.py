"""Forgets what emails said once nobody is promised to read it any more."""

from datetime import datetime

from rekindle.services import Services
from store.copies import delete_copies, find_outdated

A_SWEEP = 500  # copies: about once a second, so 40 million a day


def forget_copies(services: Services, now: datetime) -> None:
    """Delete some of the copies that are older than `keep_emails`; while there are none it only
    reads.
    """
    before = now - services.settings.keep_emails
    with services.store.read() as connection:
        outdated = find_outdated(connection, before, A_SWEEP)
    if outdated:
        with services.store.begin() as tx:
            delete_copies(tx, outdated)
