"""`drift: STATE`: how far a customer has drifted by their own rhythm."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, StrictBool, model_validator
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    func,
    literal_column,
    select,
    true,
    union_all,
)

from segments.compilation import Compilation, Verdict
from segments.conditions.base import ConditionBase
from segments.conditions.fields import Number, Range
from segments.conditions.possible import check_bounds
from segments.counting import Amount
from segments.instants import Micros, micros, soonest, still_ahead
from segments.kinds import clock_kinds
from segments.planning import looked_up_by
from segments.wording import bounds, moment, sentence
from store.tables import drift_states, events

State = Literal["new", "active", "cooling", "drifting", "dormant", "lost"]

FARTHER = ("cooling", "drifting", "dormant", "lost")
ESTABLISHED = 3  # event days; with fewer a customer is new until lost


class Risk(BaseModel):
    """Bounds on the chance that nothing comes within the horizon."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    at_least: Number | None = None
    at_most: Number | None = None
    more_than: Number | None = None
    less_than: Number | None = None
    between: Range | None = None

    @model_validator(mode="after")
    def _bounds_are_shares(self) -> Self:
        single = (self.at_least, self.at_most, self.more_than, self.less_than)
        bounds = [bound for bound in (*single, *(self.between or ())) if bound is not None]
        if not bounds:
            raise ValueError("risk needs a comparison, as in {at_least: 0.8}")
        if any(not 0 <= bound <= 1 for bound in bounds):
            raise ValueError("a risk lies between 0 and 1")
        check_bounds(Amount.of(self))
        return self


class Drift(ConditionBase):
    """In this state or one farther gone (`cooling` to `lost`), or exactly in it.

    `active` and `new` always mean just that; people whose clock never started are in no state.
    """

    kind: ClassVar[str] = "drift"
    drift: State
    exactly: StrictBool = False
    risk: Risk | None = None
    clock: Literal["goal", "any"] = "goal"

    @property
    def sentence(self) -> str:
        exactly = "exactly " if self.exactly else ""
        clock = "" if self.clock == "goal" else "by any own activity"
        risk = f"with a risk that {bounds(Amount.of(self.risk))}" if self.risk else ""
        return sentence(f"drift is {exactly}{self.drift}", clock, risk)

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        """The stored state, when it was and will be crossed, and the risk of today."""
        mine, stored = compilation.subjects.c, drift_states.c
        ways = [(micros(stored[f"{state}_at"]) <= mine.at, state) for state in FARTHER[::-1]]
        columns: dict[str, ColumnElement[Any]] = {
            "state": case(*ways, else_="active"),
            "event_days": stored.n,
            "last_on": stored.last_at,
            "risk": stored.risk,
            **{f"{state}_at": stored[f"{state}_at"] for state in FARTHER},
        }
        of_mine = and_(stored.customer_id == mine.customer_id, stored.clock == self.clock)
        return {
            name: select(column).select_from(compilation.subjects).join(drift_states, of_mine)
            for name, column in columns.items()
        }

    def tell(self, found: Mapping[str, Any]) -> str:
        if found["state"] is None:
            return "has never been active"
        new = ", new" if found["event_days"] < ESTABLISHED else ""
        risk = f", risk {found['risk']:.0%}" if found["risk"] is not None else ""
        return f"{found['state']}{new}{risk}, silent since {moment(found['last_on'])}"

    def lacks(self, found: Mapping[str, Any]) -> str:
        """Where the state is still ahead, from when on."""
        states = ("active", *FARTHER)
        if found["state"] is None or self.drift not in FARTHER:
            return super().lacks(found)
        if states.index(found["state"]) >= states.index(self.drift):
            return super().lacks(found)
        return f"{self.drift} from {moment(found[f'{self.drift}_at'])} on if nothing happens"

    def compile(self, compilation: Compilation) -> Verdict:
        return compilation.leaf(self, lambda: self._leaf(compilation), on_nothing=False)

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        found = union_all(self._stored(compilation), self._restart(compilation)).subquery()
        return select(
            found.c.id,
            func.max(found.c.holds).label("holds"),
            func.min(found.c.next_check_at).label("next_check_at"),
        ).group_by(found.c.id)

    def _stored(self, compilation: Compilation) -> Select[Any]:
        """Compares the stored crossings with the instant; the next one ahead is the next check."""
        mine, stored = compilation.subjects.c, drift_states.c
        turn = soonest(*(still_ahead(turn, mine.at) for turn in self._turns()))
        is_of_risk = self._is_of_risk()
        return (
            select(
                mine.id,
                case((and_(self._holds(mine.at), is_of_risk), 1), else_=0).label("holds"),
                case((is_of_risk, turn)).label("next_check_at"),
            )
            .join(drift_states, stored.customer_id == mine.customer_id)
            .where(stored.clock == self.clock)
        )

    def _is_of_risk(self) -> ColumnElement[bool]:
        """A daily figure: everybody is looked at again when the next version is published."""
        if self.risk is None:
            return true()
        risk = drift_states.c.risk
        return and_(risk.is_not(None), Amount.of(self.risk).admits(risk))

    def _holds(self, at: Micros) -> ColumnElement[bool]:
        stored = drift_states.c
        if self.drift == "new":
            return and_(stored.n < ESTABLISHED, micros(stored.lost_at) > at)
        if self.drift == "active":
            return micros(stored.cooling_at) > at
        reached = micros(stored[f"{self.drift}_at"]) <= at
        if self.exactly and self.drift != "lost":
            return and_(reached, micros(stored[f"{_after(self.drift)}_at"]) > at)
        return reached

    def _turns(self) -> list[Micros]:
        """Where the answer turns if nothing happens."""
        stored = drift_states.c
        if self.drift == "new":
            return [case((stored.n < ESTABLISHED, micros(stored.lost_at)))]
        if self.drift == "active":
            return [micros(stored.cooling_at)]
        begins = micros(stored[f"{self.drift}_at"])
        if not self.exactly or self.drift == "lost":
            return [begins]
        ends = micros(stored[f"{_after(self.drift)}_at"])
        lasts = ends > begins  # of states that begin at one instant only the farthest is ever seen
        return [case((lasts, begins)), case((lasts, ends))]

    def _restart(self, compilation: Compilation) -> Select[Any]:
        """The next own event that is already stored and yet to come: it winds the clock anew."""
        mine, occurred_at = compilation.subjects.c, micros(events.c.occurred_at)
        return (
            select(
                mine.id,
                literal_column("0", Integer).label("holds"),
                func.min(occurred_at).label("next_check_at"),
            )
            .join(events, events.c.customer_id == looked_up_by(mine.customer_id))
            .where(
                events.c.kind_id.in_(clock_kinds(compilation.lexicon, self.clock)),
                occurred_at > mine.at,
            )
            .group_by(mine.id)
        )


def _after(state: str) -> str:
    return FARTHER[FARTHER.index(state) + 1]
