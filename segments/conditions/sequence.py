"""`sequence: [{event: A}, {event: B, within: W}]`: did A, then B, and perhaps not C after it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import field_validator, model_validator
from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from rekindle.durations import write_duration
from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.conditions.fields import EventNames, Stretch
from segments.conditions.happening import Happening
from segments.counting import Amount, count
from segments.instants import NULL_INSTANT, Micros, as_instant, length, micros
from segments.wording import moment, sentence
from store.tables import events

Columns = ReadOnlyColumnCollection[str, ColumnElement[Any]]


class SequenceStep(Happening):
    """One step: of the first, `within` is how long ago; of a later one, how soon after the last."""

    event: EventNames
    within: Stretch | None = None

    @model_validator(mode="after")
    def _stands_still(self) -> Self:
        if self.moves:
            raise ValueError("a sequence cannot be asked of dates that move with today")
        return self


class Sequence(ConditionBase):
    """Some chain of events fits: each later than the one before it, in event order.

    With `then_not`, true once its time is over without it; without a time, as long as it has not
    come.
    """

    kind: ClassVar[str] = "sequence"
    sequence: tuple[SequenceStep, ...]
    then_not: SequenceStep | None = None

    @field_validator("sequence", mode="before")
    @classmethod
    def _listed(cls, written: object) -> object:
        if not isinstance(written, list | tuple) or not written:
            raise ValueError("a sequence is a list of steps such as [{event: A}, {event: B}]")
        return written

    @model_validator(mode="after")
    def _has_an_order(self) -> Self:
        if self.then_not is None and len(self.sequence) < 2:
            raise ValueError("a sequence needs two steps, or then_not beside one")
        recent, patience = self.sequence[0].within, self.then_not and self.then_not.within
        if recent and patience and patience >= recent:
            raise ValueError(
                "'then_not' is over only when the first step is longer ago than its 'within'"
            )
        return self

    @property
    def _happenings(self) -> tuple[SequenceStep, ...]:
        return (*self.sequence, self.then_not) if self.then_not else self.sequence

    @property
    def named_events(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(n for one in self._happenings for n in one.named_events))

    @property
    def named_channels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(n for one in self._happenings for n in one.named_channels))

    @property
    def sentence(self) -> str:
        steps = [
            sentence(step.acts().meant, _time_of(step, place))
            for place, step in enumerate(self.sequence)
        ]
        return sentence(" and then ".join(steps), self._after)

    @property
    def _after(self) -> str:
        """What must not come after the steps, in words."""
        if self.then_not is None:
            return ""
        return sentence("and then no", self._unwanted, _time_of(self.then_not, 1))

    @property
    def _unwanted(self) -> str:
        return self.then_not.acts().meant if self.then_not else ""

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        """How far any chain has come, when its last event was, and what became of it then.

        Of the complete ones the latest tells of all: what broke it came in time to break the
        others, or after their time was over.
        """
        own = self._ended(self._begun(self._lined_up(compilation))).c
        is_part = and_(own.place < len(self.sequence), own.began_at.is_not(None))
        latest = (own.place.desc(), own.moment.desc(), own.event_id.desc())
        is_complete = own.place == len(self.sequence) - 1
        told = {
            "last_at": own.moment,
            "broken_at": case((is_complete & ~self._is_unbroken(own), own.broken_at)),
            "quiet_at": case((is_complete, self._quiet_at(own))),
            "over_at": case((is_complete, self._over_at(own))),
        }
        return {
            "steps_done": select(func.max(own.place) + 1).where(is_part),
            **{
                name: select(as_instant(column)).where(is_part).order_by(*latest).limit(1)
                for name, column in told.items()
            },
        }

    def tell(self, found: Mapping[str, Any]) -> str:
        done, last = found["steps_done"] or 0, found["last_at"]
        came = f", the latest on {moment(last)}" if last else ""
        broken = (
            f", and then {self._unwanted} on {moment(at)}" if (at := found["broken_at"]) else ""
        )
        return f"{done} of {len(self.sequence)} steps{came}{broken}"

    def lacks(self, found: Mapping[str, Any]) -> str:
        done = found["steps_done"] or 0
        if done < len(self.sequence):
            return f"next needed: {self.sequence[done].acts().meant}"
        once_more = f"needed: the steps once more, {self._after}"
        if found["broken_at"] is not None:
            return once_more
        if found["over_at"] is not None and found["over_at"] <= found["quiet_at"]:
            return f"the steps took too long; {once_more}"
        return f"{self._unwanted} must not come until {moment(found['quiet_at'])}"

    def compile(self, compilation: Compilation) -> Verdict:
        return compilation.leaf(
            self, lambda: self._leaf(compilation), on_nothing=False, is_costly=True
        )

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        """Exact while nothing is dated in the future; each such event is looked at in its turn."""
        lined_up = self._lined_up(compilation)
        asked = count(self._chains(lined_up), Amount(at_least=1)).cte()
        own = lined_up.c
        ahead = (
            select(
                own.id,
                literal_column("0", Integer).label("holds"),
                func.min(own.begins).label("next_check_at"),
            )
            .where(own.begins > own.at)
            .group_by(own.id)
        )
        found = union_all(select(asked), ahead).cte()
        return select(
            found.c.id,
            func.max(found.c.holds).label("holds"),
            func.min(found.c.next_check_at).label("next_check_at"),
        ).group_by(found.c.id)

    def _lined_up(self, compilation: Compilation) -> CTE:
        """Every event once for each `place` in the chain that it could take; begins: when seen."""
        occurred_at = micros(events.c.occurred_at)
        over = self.sequence[0].within  # what came before the first step may, matters no more
        rows = [
            step.acts(over)
            .found(compilation)
            .add_columns(
                literal_column(str(place), Integer).label("place"),
                occurred_at.label("moment"),
                events.c.id.label("event_id"),
                compilation.seen_at(occurred_at, micros(events.c.known_at)).label("begins"),
            )
            for place, step in enumerate(self._happenings)
        ]
        return union_all(*rows).cte()

    def _chains(self, lined_up: CTE) -> CTE:
        """During which time each chain that is known by now counts: id, at, begins, ends.

        Of the chains that end at one event only the one that began last matters. As beginnings only
        grow along the order of events, that is always the chain of the nearest event before it.
        """
        return self._counting(self._begun(lined_up))

    def _begun(self, lined_up: CTE) -> CTE:
        """What is known by now, each with `began_at`: when the best chain up to it began."""
        rows = select(lined_up).where(lined_up.c.begins <= lined_up.c.at).cte()
        rows = select(rows, case((rows.c.place == 0, rows.c.moment)).label("began_at")).cte()
        for place, step in enumerate(self.sequence[1:], 1):
            rows = _with_place(rows, place, step)
        return rows

    def _counting(self, rows: CTE) -> CTE:
        """The chains that are complete and, for all that is known, not broken."""
        own = self._ended(rows).c
        begins, ends = self._quiet_at(own).label("begins"), self._over_at(own).label("ends")
        is_last = own.place == len(self.sequence) - 1
        columns = (own.id, own.at, begins, ends)
        return (
            select(*columns).where(is_last, own.began_at.is_not(None), self._is_unbroken(own)).cte()
        )

    def _ended(self, rows: CTE) -> CTE:
        """Each with `broken_at`: when what must not come came next."""
        return select(rows, self._broken_at(rows).label("broken_at")).cte()

    def _quiet_at(self, own: Columns) -> Micros:
        """From when on a chain that ends here counts."""
        if self.then_not is None or self.then_not.within is None:
            return own.moment
        return own.moment + length(self.then_not.within)

    def _over_at(self, own: Columns) -> Micros:
        """From when on the first step of a chain is too long ago; NULL for never."""
        over = self.sequence[0].within
        return NULL_INSTANT if over is None else own.began_at + length(over)

    def _is_unbroken(self, own: Columns) -> ColumnElement[bool]:
        """Whether nothing broke a chain that ends here before its time was over."""
        unbroken: ColumnElement[bool] = own.broken_at.is_(None)
        if self.then_not is None or self.then_not.within is None:
            return unbroken
        return or_(unbroken, own.broken_at > self._quiet_at(own))

    def _broken_at(self, rows: CTE) -> Micros:
        """When the next event after it came that must not come."""
        if self.then_not is None:
            return NULL_INSTANT
        breaks = case((rows.c.place == len(self.sequence), rows.c.moment))
        return func.min(breaks).over(**_in_order(rows), rows=(1, None))


def _time_of(step: SequenceStep, place: int) -> str:
    if step.within is None:
        return ""
    return f"{'in the last' if place == 0 else 'within'} {write_duration(step.within)}"


def _with_place(rows: CTE, place: int, step: SequenceStep) -> CTE:
    """`began_at` of the events at this place: when the chain over the nearest one before began."""
    own = rows.c
    is_previous = and_(own.place == place - 1, own.began_at.is_not(None))
    before = {**_in_order(rows), "rows": (None, -1)}
    previous_at = func.max(case((is_previous, own.moment))).over(**before)
    previous_began_at = func.max(case((is_previous, own.began_at))).over(**before)
    in_time: ColumnElement[bool] = previous_at.is_not(None)
    if step.within is not None:
        in_time = own.moment <= previous_at + length(step.within)
    began_at = case(
        (and_(own.place == place, in_time), previous_began_at),
        (own.place == place, NULL_INSTANT),
        else_=own.began_at,
    )
    kept = [column for column in own if column.name != "began_at"]
    return select(*kept, began_at.label("began_at")).cte()


def _in_order(rows: CTE) -> dict[str, Any]:
    """By event order; one event at two places never follows itself, as the later stands first."""
    own = rows.c
    return {
        "partition_by": own.id,
        "order_by": (own.moment, own.event_id, own.place.desc()),
    }
