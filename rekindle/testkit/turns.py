"""Starts on customers' own days, looked at only when they come: a year passes in a few looks.

In earnest the engine looks every quarter of an hour, since nobody asks everybody for their days.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from journeys.triggers import Day, OnDay
from rekindle.workspace.library import Library
from store.calendars import load_calendars, move_calendar
from store.customers import load_traits
from store.records import CustomerId
from store.session import Store
from store.tables import customers
from workers.calendars import calendar_starts, last_look, times_of


def set_calendars(store: Store, library: Library, now: datetime) -> None:
    """Every start on a day of somebody's becomes due when the first of them comes, if any does.

    Until now nobody was due, so a day that is over when we learn of it starts nobody.
    """
    starts = calendar_starts(library)
    days = {key: start.on for key, start in starts.items() if isinstance(start, OnDay)}
    if not days:
        return
    with store.begin() as tx:
        for key, calendar in load_calendars(tx).items():
            if key in days:
                due_at = _next_turn(tx, library, days[key], now)
                seen = max(calendar.looked_at, last_look(days[key], now))
                move_calendar(tx, replace(calendar, looked_at=seen, due_at=due_at))


def _next_turn(tx: Connection, library: Library, day: Day, now: datetime) -> datetime | None:
    everybody = [CustomerId(id_) for id_ in tx.scalars(select(customers.c.id))]
    known = load_traits(tx, everybody, now, names={day.trait.partition(".")[0], "zone"})
    turns = [at for traits in known.values() for _, at in times_of(library, day, traits, now)]
    return min((at for at in turns if at > now), default=None)
