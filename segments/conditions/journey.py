"""`journey: NAME`: whether the customer is in a journey, was, or never."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator
from sqlalchemy import CTE, ColumnElement, Select, and_, case, not_, select, union_all

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.conditions.fields import Stretch
from segments.counting import Amount, count
from segments.instants import NULL_INSTANT, Micros, as_instant, length, micros, soonest
from segments.planning import looked_up_by
from segments.wording import listed, moment, sentence, window
from store.tables import enrollments

Status = Literal["active", "finished", "goal", "exited", "merged", "held_out", "never"]
NEVER_IN: Status = "never"
HELD_OUT: Status = "held_out"
ACTIVE: Status = "active"


class InJourney(ConditionBase):
    """One of the customer's enrollments has one of these statuses; without any, whichever.

    An enrollment has one status at an instant: held_out from first to last, else active until it
    ends, then how it ended. `never` is nobody's enrollment: there is none.
    """

    kind: ClassVar[str] = "journey"
    journey: str
    status: tuple[Status, ...] = ()
    within: Stretch | None = None

    @field_validator("status", mode="before")
    @classmethod
    def _listed(cls, written: object) -> object:
        if isinstance(written, list | tuple) and not written:
            raise ValueError("the list is empty")
        return (written,) if isinstance(written, str) else written

    @model_validator(mode="after")
    def _never_stands_alone(self) -> Self:
        if NEVER_IN in self.status and len(self.status) > 1:
            raise ValueError("'never' stands alone; for both write any: […]")
        return self

    @property
    def heard_nouns(self) -> frozenset[str]:
        return frozenset({"enrollment"})

    @property
    def sentence(self) -> str:
        when = window(self.within, None)
        if NEVER_IN in self.status:
            return sentence(f"was never in {self.journey}", when)
        status = listed(self.status) if self.status else "active or over"
        return sentence(f"in {self.journey}: {status}", when)

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        """Of the latest enrollment: when it started and ended, how, and whether it is held out."""
        own = self._enrollments(compilation).c
        latest = (own.started_at.desc(), own.enrollment_id.desc())
        columns: dict[str, ColumnElement[Any]] = {
            "started_at": as_instant(own.started_at),
            "ended_at": as_instant(own.ended_at),
            "ended": case((own.ended_at.is_not(None), own.ended)),
            "is_held_out": own.is_held_out,
        }
        return {name: select(c).order_by(*latest).limit(1) for name, c in columns.items()}

    def tell(self, found: Mapping[str, Any]) -> str:
        if found["started_at"] is None:
            return "never in it"
        started = f"since {moment(found['started_at'])}"
        if found["is_held_out"]:
            return f"{HELD_OUT} {started}"
        if found["ended_at"] is None:
            return f"{ACTIVE} {started}"
        return f"{found['ended']} on {moment(found['ended_at'])}"

    def compile(self, compilation: Compilation) -> Verdict:
        found = compilation.leaf(
            self,
            lambda: count(self._stretches(compilation), Amount(at_least=1)),
            on_nothing=False,
        )
        if NEVER_IN in self.status:
            return found.negated()
        return found

    def _stretches(self, compilation: Compilation) -> CTE:
        """During which time each enrollment has such a status and came to it recently enough."""
        return union_all(*self._parts(self._enrollments(compilation))).cte()

    def _parts(self, found: CTE) -> Iterator[Select[Any]]:
        own, over = found.c, found.c.ended_at
        if not self.status or NEVER_IN in self.status:
            yield self._from(found, own.started_at)
        if ACTIVE in self.status:
            yield self._from(found, own.started_at, over).where(not_(own.is_held_out))
        if HELD_OUT in self.status:
            yield self._from(found, own.started_at).where(own.is_held_out)
        if ways := [way for way in self.status if way not in (NEVER_IN, ACTIVE, HELD_OUT)]:
            has_ended = and_(over.is_not(None), own.ended.in_(ways), not_(own.is_held_out))
            yield self._from(found, over).where(has_ended)

    def _from(self, found: CTE, begins: Micros, over_at: Micros = NULL_INSTANT) -> Select[Any]:
        long_ago = NULL_INSTANT if self.within is None else begins + length(self.within)
        return select(
            found.c.id,
            found.c.at,
            begins.label("begins"),
            soonest(long_ago, over_at).label("ends"),
        )

    def _enrollments(self, compilation: Compilation) -> CTE:
        """Those of the customer in this journey, as they stood at the subject's instant."""
        mine, ended_at = (
            compilation.subjects.c,
            compilation.known_at(micros(enrollments.c.ended_at)),
        )
        started_at = compilation.known_at(micros(enrollments.c.started_at))
        has_ended = ended_at <= mine.at
        return (
            select(
                mine.id,
                mine.at,
                enrollments.c.id.label("enrollment_id"),
                enrollments.c.is_held_out,
                enrollments.c.ended,
                started_at.label("started_at"),
                case((has_ended, ended_at)).label("ended_at"),
            )
            .join(enrollments, enrollments.c.customer_id == looked_up_by(mine.customer_id))
            .where(
                enrollments.c.journey == self.journey,
                started_at <= mine.at,
            )
            .cte()
        )
