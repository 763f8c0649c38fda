"""Mails that their provider put off for too long: an alarm tells of them, and they can be sent
after all.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from rekindle.counting import counted
from rekindle.services import Services
from store.alarms import GIVEN_UP, clear_alarms, load_standing, raise_alarm
from store.contacts import load_sources
from store.given_up import count_given_up, find_given_up, queue_again
from store.records import Message

OUR_PEOPLE = "-"  # in place of a journey: a notice
A_CHUNK = 1_000  # messages


def tell_given_up(tx: Connection, mails: Sequence[Message], now: datetime) -> None:
    """Raise an alarm for each of their journeys, or bring up to date the one that stands."""
    ids = [one.enrollment_id for one in mails if one.enrollment_id is not None]
    journeys = {source.journey for source in load_sources(tx, ids).values()} if ids else set()
    if len(ids) < len(mails):
        journeys.add(OUR_PEOPLE)
    clear_alarms(tx, GIVEN_UP, journeys, now)  # what counts is when the last one was given up
    for journey in sorted(journeys):
        raise_alarm(tx, GIVEN_UP, journey, _words(tx, journey), now)


def _words(tx: Connection, journey: str) -> str:
    is_notice = journey == OUR_PEOPLE
    number = count_given_up(tx, None if is_notice else journey)
    whose = "to your own people" if is_notice else f"of the journey {journey}"
    return (
        f"{counted(number, 'email')} {whose} could not be delivered for so long that "
        f"{'it was' if number == 1 else 'they were'} given up; 'rekindle messages retry' sends "
        f"{'it' if number == 1 else 'them'} again."
    )


def retry_given_up(
    services: Services,
    *,
    journey: str | None = None,
    topic: str | None = None,
    since: datetime | None = None,
) -> int:
    """Queue what was given up once more; how many. Permission is asked before any of it leaves."""
    now = services.clock.now()
    with services.store.read() as connection:
        ids = find_given_up(connection, journey=journey, topic=topic, since=since)
    queued = 0
    for start in range(0, len(ids), A_CHUNK):
        with services.store.begin() as tx:
            queued += queue_again(tx, ids[start : start + A_CHUNK])
    with services.store.begin() as tx:
        standing = load_standing(tx, GIVEN_UP)
        left = {one for one in standing if count_given_up(tx, None if one == OUR_PEOPLE else one)}
        clear_alarms(tx, GIVEN_UP, standing - left, now)
    if queued:
        services.wake.changed()
    return queued
