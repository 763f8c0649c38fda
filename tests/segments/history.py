"""A small database of things that happened, written straight into the tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert

from segments.compile import Lexicon, Subjects, compile_condition
from segments.definition import Segment, parse_condition
from segments.drift.priors import default_priors
from segments.quintiles import fifths
from store.kinds import Kind, intern_kinds
from store.quintiles import insert_quintiles
from store.records import Actor
from store.tables import (
    EPOCH,
    answers,
    customers,
    decisions,
    delivery_events,
    drift_priors,
    drift_states,
    enrollments,
    events,
    messages,
    positions,
    traits,
)
from tests.conftest import MONDAY

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


@dataclass
class History:
    """Writes rows with defaults that show only what matters, and asks conditions."""

    tx: Connection
    segments: dict[str, Segment] = field(default_factory=dict)
    priors: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def lexicon(self) -> Lexicon:
        channels = frozenset({"web", "store", "email"})
        return Lexicon(channels, ("order.completed",), self.zone, self.segments)

    def customer(self, id_: int, **known: Any) -> int:
        row = {"id": id_, "external_id": str(id_), "known_at": EPOCH}
        self.tx.execute(insert(customers), [{**row, **known}])
        return id_

    def event(
        self, customer_id: int, at: datetime, name: str = "order.completed", **known: Any
    ) -> int:
        kind = Kind(name, known.pop("channel", "store"), known.pop("actor", Actor.CUSTOMER))
        number = next(self.numbers)
        row = {
            "id": number,
            "customer_id": customer_id,
            "kind_id": intern_kinds(self.tx, [kind])[kind],
            "occurred_at": at,
            "received_at": at,
            "known_at": at,
            "message_id": str(number),
            "source": "test",
            "properties": known.pop("properties", {}),
        }
        self.tx.execute(insert(events), [{**row, **known}])
        return number

    def trait(self, customer_id: int, name: str, value: Any, at: datetime = EPOCH) -> None:
        row = {"customer_id": customer_id, "name": name, "value": value}
        self.tx.execute(insert(traits), [{**row, "occurred_at": at, "known_at": at}])

    def enrollment(self, id_: int, customer_id: int, at: datetime, **known: Any) -> int:
        row = {
            "id": id_, "journey": "win_back", "version_id": 1, "customer_id": customer_id,
            "key": "", "occurrence": str(id_), "event_id": None, "cause": "event",
            "is_held_out": False, "started_at": at,
        }  # fmt: skip
        arrived_at = known.pop("arrived_at", at)
        self.tx.execute(insert(enrollments), [{**row, **known}])
        place = {"enrollment_id": id_, "step_id": 1, "visit": 1, "arrived_at": arrived_at}
        self.tx.execute(insert(positions), [place])
        return id_

    def decision(self, enrollment_id: int, step: str, at: datetime) -> None:
        row = {"enrollment_id": enrollment_id, "step": step, "visit": 1, "decision": "passed"}
        self.tx.execute(insert(decisions), [{**row, "reason": "", "due_at": at, "decided_at": at}])

    def message(self, customer_id: int, sent_at: datetime | None = MONDAY, **known: Any) -> int:
        number = next(self.numbers)
        row = {
            "id": number, "customer_id": customer_id, "template": "win_back/hello",
            "topic": "offers", "status": "sent", "queued_at": MONDAY, "sent_at": sent_at,
            "header_id": str(number), "enrollment_id": None, "step": "", "visit": 1,
        }  # fmt: skip
        self.tx.execute(insert(messages), [{**row, **known}])
        return number

    def delivery(self, message_id: int, kind: str, at: datetime, **known: Any) -> int:
        row = {"message_id": message_id, "kind": kind, "occurred_at": at, "known_at": at}
        row |= {"is_machine": False, "details": {}}
        made = self.tx.execute(insert(delivery_events).values({**row, **known}))
        assert made.inserted_primary_key is not None
        return int(made.inserted_primary_key[0])

    def answer(self, customer_id: int, score: int, at: datetime = MONDAY, **known: Any) -> int:
        row = {
            "survey": "csat", "customer_id": customer_id, "message_id": next(self.numbers),
            "score": score, "revision": 1, "is_current": True, "is_counted": True,
            "answered_at": at, "known_at": at,
        }  # fmt: skip
        made = self.tx.execute(insert(answers).values({**row, **known}))
        assert made.inserted_primary_key is not None
        return int(made.inserted_primary_key[0])

    def publish(self, at: datetime, lexicon: Lexicon | None = None) -> None:
        """The fifths of all customers, as known at that instant and in force from then on."""
        bounds = self.tx.execute(fifths(lexicon or self.lexicon, at)).one()._mapping
        insert_quintiles(self.tx, dict(bounds), at, at)

    def rhythm(
        self,
        customer_id: int,
        clock: str,
        n: int,
        crossings: Sequence[datetime],
        risk: float | None = None,
    ) -> None:
        """A stored drift state: when cooling, drifting, dormant and lost begin."""
        names = ("cooling_at", "drifting_at", "dormant_at", "lost_at")
        row = {"customer_id": customer_id, "clock": clock, "priors_id": self._priors(clock), "n": n}
        row |= {"risk": risk}
        row |= {"first_at": EPOCH, "last_at": EPOCH, "ee": 0.0, "dec": 1.0, "fst": 1.0}
        row |= {"day_over_at": EPOCH + DAY, "wound_at": EPOCH}
        self.tx.execute(insert(drift_states), [{**row, **dict(zip(names, crossings, strict=True))}])

    def _priors(self, clock: str) -> int:
        if clock not in self.priors:
            row = asdict(default_priors(clock, ())) | {"known_at": EPOCH}
            made = self.tx.execute(insert(drift_priors).values(row))
            assert made.inserted_primary_key is not None
            self.priors[clock] = made.inserted_primary_key[0]
        return self.priors[clock]

    def segment(self, name: str, match: Mapping[str, Any]) -> None:
        self.segments[name] = Segment.model_validate({"segment": name, "match": match})

    def ask(
        self, written: Mapping[str, Any], subjects: Subjects, **scope: Any
    ) -> dict[int, tuple[bool, datetime | None]]:
        """For each subject whether the condition holds, and the next check."""
        condition = parse_condition(written)
        statement = compile_condition(condition, subjects, self.lexicon, **scope)
        return {row.id: (row.holds, row.next_check_at) for row in self.tx.execute(statement)}

    def of(self, written: Mapping[str, Any], customer_id: int, at: datetime) -> Any:
        return self.ask(written, Subjects.customers_in([customer_id], at))[customer_id]

    def inside(self, written: Mapping[str, Any], at: datetime, **scope: Any) -> set[int]:
        """The enrollments, of the first hundred, for which the condition holds."""
        found = self.ask(written, Subjects.enrollments_in(range(1, 100), at), **scope)
        return {id_ for id_, (holds, _) in found.items() if holds}
