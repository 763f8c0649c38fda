"""Which recorded message a simulated one is: the same by enrollment key, step and visit."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select

from rekindle.rehearsal.owners import Owners
from store.tables import enrollments, messages

UNWRITTEN = re.compile(r"\S+\.j2:\d+: ")  # the line of a template, and what was wrong there
Trip = tuple[str, int, str, int]  # journey, customer, key, and the how-manieth of these
Place = tuple[Trip, str, int]  # with step and visit


@dataclass(frozen=True)
class Recorded:
    """What became of a message when it was real."""

    status: str
    reason: str
    sent_at: datetime | None
    attempts: int

    @property
    def was_refused_there(self) -> bool:
        """By its provider: what permission or a template refuses is found out anew."""
        is_unwritten = UNWRITTEN.match(self.reason) is not None
        return self.status == "refused" and self.attempts > 0 and not is_unwritten


@dataclass(frozen=True)
class Match:
    """A message and its enrollment."""

    message_id: int
    enrollment_id: int


@dataclass
class Mails:
    """The messages of one database by their places; read further whenever asked to."""

    by_place: dict[Place, Match] = field(default_factory=dict)
    by_id: dict[int, Place] = field(default_factory=dict)
    trips: dict[int, Trip] = field(default_factory=dict)  # by enrollment
    by_trip: dict[Trip, int] = field(default_factory=dict)
    owners: Owners = field(default_factory=Owners)
    _seen: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    _last_enrollment: int = 0
    _last_message: int = 0

    def read_on(self, connection: Connection) -> None:
        """Take in what was added since the last time."""
        self._read_trips(connection)
        query = (
            select(messages.c.id, messages.c.enrollment_id, messages.c.step, messages.c.visit)
            .where(messages.c.id > self._last_message, messages.c.enrollment_id.is_not(None))
            .order_by(messages.c.id)
        )
        for row in connection.execute(query):
            self._last_message = row.id
            if row.enrollment_id in self.trips:  # a merge or an erasure may have taken it away
                place = (self.trips[row.enrollment_id], row.step, row.visit)
                self.by_place[place] = Match(row.id, row.enrollment_id)
                self.by_id[row.id] = place

    def _read_trips(self, connection: Connection) -> None:
        query = (
            select(
                enrollments.c.id, enrollments.c.journey, enrollments.c.customer_id,
                enrollments.c.key,
            )
            .where(enrollments.c.id > self._last_enrollment)
            .order_by(enrollments.c.id)
        )  # fmt: skip
        for id_, *trip in connection.execute(query):
            journey, customer_id, key = trip
            customer_id = self.owners.of(enrollments, id_, customer_id)
            self._seen[journey, customer_id, key] += 1
            self.trips[id_] = (journey, customer_id, key, self._seen[journey, customer_id, key])
            self.by_trip[self.trips[id_]] = id_
            self._last_enrollment = id_


@dataclass(frozen=True)
class Record:
    """Every message that was ever real, by recorded id, and what became of it."""

    places: Mapping[int, Place]
    outcomes: Mapping[Place, Recorded]
    trips: Mapping[int, Trip]  # by recorded enrollment


def load_record(connection: Connection, owners: Owners) -> Record:
    mails = Mails(owners=owners)
    mails.read_on(connection)
    own = messages.c
    query = select(own.id, own.status, own.reason, own.sent_at, own.attempts)
    outcomes = {
        mails.by_id[row.id]: Recorded(row.status, row.reason, row.sent_at, row.attempts)
        for row in connection.execute(query)
        if row.id in mails.by_id
    }
    return Record(mails.by_id, outcomes, mails.trips)
