"""Writes what a script says into the scratch database, as the engine would have come to know it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from rekindle.rehearsal.assumed import Assumed
from rekindle.rehearsal.entries import Answered, Came, Entry, Happened, Returned, Told, Written
from rekindle.rehearsal.matching import Mails, Match, Record
from store.approvals import answer_approvals
from store.definitions import save_definitions
from store.events import note_changes
from store.intake import OwnEvent, record_own_events
from store.records import Actor, CustomerId, EventId
from store.tables import answers, approvals, customers, delivery_events, events, messages
from store.upserts import insert_or_skip

BY_US = ("sent", "refused", "uncertain")  # delivery events that the engine itself makes
STANDING = ("delivered", "bounced", "complained")  # those that a message's status tells


@dataclass(frozen=True)
class Page:
    """One transaction's part of a script."""

    tx: Connection
    record: Record
    mails: Mails  # of the simulation
    at: datetime
    is_history: Callable[[Happened], bool]

    def write(self, entries: Sequence[Entry]) -> list[Entry]:
        """Write these in their order; those about mails that there are not (yet) are given back."""
        self._customers([one.row for one in entries if isinstance(one, Came)])
        if texts := {one.key: one.body for one in entries if isinstance(one, Written)}:
            save_definitions(self.tx, texts, self.at)
        self._assume([one for one in entries if isinstance(one, Assumed)])
        found = [(one, find_match(one, self.record, self.mails))
                 for one in entries if _is_about_mail(one)]  # fmt: skip
        for one, match in found:
            if match is not None and isinstance(one, Returned):
                self._return(one, match)
        for one in entries:
            if isinstance(one, Answered) and (trip := self._trip_of(one)):
                self._answer_approval(one, trip)
        told = [one.customer_id for one in entries if isinstance(one, Told)]
        note_changes(self.tx, [(id_, None) for id_ in told])
        matches = {id(one): match for one, match in found}
        self._events([one for one in entries if isinstance(one, Happened)], matches)
        return [one for one, match in found if match is None]

    def _customers(self, rows: Sequence[Any]) -> None:
        if rows:
            self.tx.execute(insert_or_skip(self.tx, customers), list(rows))

    def _events(self, happened: Sequence[Happened], matches: dict[int, Match | None]) -> None:
        rows = [
            (one, _retold(one, matches.get(id(one))))
            for one in happened
            if one.message_id is None or matches.get(id(one)) is not None
        ]
        if not rows:
            return
        written = self.tx.execute(
            insert(events).returning(events.c.id, sort_by_parameter_order=True),
            [row for _, row in rows],
        )
        note_changes(
            self.tx,
            [
                (CustomerId(row["customer_id"]), EventId(id_))
                for (one, row), id_ in zip(rows, written.scalars(), strict=True)
                if not self.is_history(one)
            ],
        )

    def _trip_of(self, one: Answered) -> int | None:
        """The simulated enrollment that was asked the same."""
        trip = self.record.trips.get(one.row["enrollment_id"])
        return self.mails.by_trip.get(trip) if trip is not None else None

    def _answer_approval(self, one: Answered, enrollment_id: int) -> None:
        query = select(approvals.c.id).where(
            approvals.c.enrollment_id == enrollment_id,
            approvals.c.step == one.row["step"],
            approvals.c.visit == one.row["visit"],
        )
        ids = list(self.tx.scalars(query))
        is_granted, by = bool(one.row["is_granted"]), one.row["answered_by"]
        answer_approvals(self.tx, ids, is_granted=is_granted, by=by, now=self.at)

    def _assume(self, assumed: Sequence[Assumed]) -> None:
        """As if somebody had opened or clicked the mail."""
        for one in assumed:
            self.tx.execute(
                insert(delivery_events).values(
                    message_id=one.message_id, kind=one.kind, occurred_at=one.at, known_at=self.at,
                    provider_event_id=None, is_machine=False, details={"assumed": True},
                )
            )  # fmt: skip
        record_own_events(
            self.tx,
            [
                OwnEvent(
                    one.customer_id,
                    f"message.{one.kind}",
                    one.at,
                    f"assumed:{one.message_id}:{one.kind}",
                    {"message": one.message_id, "template": one.template, "topic": one.topic},
                    actor=Actor.CUSTOMER,
                )
                for one in assumed
            ],
            self.at,
        )

    def _return(self, one: Returned, match: Match) -> None:
        row = {name: value for name, value in one.row.items() if name != "id"}
        if one.table is answers:
            self._answer({**row, "message_id": match.message_id,
                          "enrollment_id": match.enrollment_id,
                          "customer_id": self._customer_of(match)})  # fmt: skip
        elif row["kind"] in BY_US:
            return
        else:
            self.tx.execute(
                insert(delivery_events).values(**row | {"message_id": match.message_id})
            )
            self._stand(match, row["kind"])
        note_changes(self.tx, [(self._customer_of(match), None)])

    def _answer(self, row: dict[str, Any]) -> None:
        """The newest that counts is the current one."""
        earlier = (answers.c.message_id == row["message_id"]) & (answers.c.survey == row["survey"])
        if row["is_counted"]:
            self.tx.execute(update(answers).where(earlier).values(is_current=False))
        self.tx.execute(insert(answers).values(**row | {"is_current": row["is_counted"]}))

    def _stand(self, match: Match, kind: str) -> None:
        if kind in STANDING:
            is_it = messages.c.id == match.message_id
            self.tx.execute(update(messages).where(is_it).values(status=kind))

    def _customer_of(self, match: Match) -> CustomerId:
        query = select(messages.c.customer_id).where(messages.c.id == match.message_id)
        return CustomerId(self.tx.execute(query).scalar_one())


def find_match(one: Entry, record: Record, mails: Mails) -> Match | None:
    """The simulated message that this entry speaks of, if it was sent already."""
    match one:
        case Returned(row=row):
            recorded = row["message_id"]
        case Happened(message_id=recorded):
            pass
        case _:
            return None
    place = record.places.get(recorded)
    return mails.by_place.get(place) if place is not None else None


def _is_about_mail(one: Entry) -> bool:
    return isinstance(one, Returned) or (isinstance(one, Happened) and one.message_id is not None)


def _retold(one: Happened, match: Match | None) -> dict[str, Any]:
    """The event with the simulated message in place of the recorded one."""
    row = dict(one.row)
    if match is not None and "message" in row["properties"]:
        row["properties"] = {**row["properties"], "message": match.message_id}
    return row
