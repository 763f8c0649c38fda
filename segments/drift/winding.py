"""Statements that keep everybody's statistics, crossings and risk, each for many customers at once.

A clock is wound by the first own event of a day. A row of drift_states sums up all days before
`day_over_at`, so that only events from then on are read; what came late unwinds the row, and the
log is read from its beginning. One statement serves both, and everybody's first.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Delete,
    Insert,
    Select,
    Text,
    Update,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from segments.dates import add_columns, day_start, number
from segments.drift.formulas import Belief
from segments.drift.priors import Priors
from segments.drift.publishing import MINE, publish
from segments.drift.rhythms import KEPT, Asked, Counting, whole
from segments.instants import Micros, micros
from segments.lexicon import Lexicon
from store.tables import (
    drift_priors,
    drift_states,
    events,
    microseconds,
    pending_changes,
)


@dataclass(frozen=True)
class Winding:
    """The statements of one clock, for customers named by a parameter or for everybody."""

    lexicon: Lexicon
    clock: str
    dialect: str  # of the database
    asked: Asked

    @property
    def _counting(self) -> Counting:
        return Counting(self.lexicon, self.clock, MINE)

    @cached_property
    def unwind(self) -> Update:
        """Forget the statistics of those who must be counted from the beginning.

        Something came late, or they were counted by other rules, or later than `at`.
        """
        return (
            update(drift_states)
            .where(
                *self.asked.rows(self.clock),
                or_(
                    micros(KEPT.wound_at) > _at(),
                    KEPT.priors_id.in_(self._other_rules()),
                    self._came_late(),
                ),
            )
            .values(n=0, risk=None, risk_at=None)
        )

    @cached_property
    def wind(self) -> Select[Any]:
        """The rows, wound up to `at`, of those whose clock moved since."""
        summed = self._counting.summed(
            self._counting.acts(self.asked.customers(), _at(), is_incremental=True)
        )
        row, zone = summed.c, self.lexicon.zone
        last_at = day_start(row.last_day, zone)
        return self._with_crossings(
            add_columns(
                summed,
                first_at=func.coalesce(row.begun_at, day_start(row.first_day, zone)),
                last_at=last_at,
                day_over_at=day_start(row.last_day + number(1), zone),
            )
        )

    @cached_property
    def wound(self) -> Insert:
        """`wind`, written over what is kept; the risk stays until it is published anew."""
        chosen = postgresql if self.dialect == "postgresql" else sqlite
        rows = self.wind
        names = [column.name for column in rows.selected_columns]
        insert: Any = chosen.insert(drift_states).from_select(names, rows)
        key = ["clock", "customer_id"]
        rest = {name: insert.excluded[name] for name in names if name not in key}
        written: Insert = insert.on_conflict_do_update(index_elements=key, set_=rest)
        return written

    @cached_property
    def forget(self) -> Delete:
        """Those who were unwound and turned out never to have been active."""
        return delete(drift_states).where(*self.asked.rows(self.clock), KEPT.n == 0)

    @cached_property
    def cross(self) -> Update:
        """The crossings of all rows that were made with other priors; their statistics hold, and
        their risk is to be published anew.
        """
        made = Belief(KEPT.n, KEPT.ee, MINE).crossings(micros(KEPT.last_at))
        return (
            update(drift_states)
            .where(
                *self.asked.rows(self.clock),
                KEPT.n > 0,
                KEPT.priors_id.in_(self._other_parameters()),
            )
            .values(priors_id=whole("given_priors_id"), risk_at=None, **made)
        )

    @cached_property
    def event_days(self) -> Select[Any]:
        """Customer and day, for one in so many customers or those named; each day once."""
        asked = self.asked.customers(is_sampled=self.asked.is_everybody)
        dated = self._counting.dated(self._counting.acts(asked, _at()))
        return select(dated.c.customer_id, dated.c.day).distinct()

    @cached_property
    def gap_counts(self) -> Select[Any]:
        """How often each length of gap ended, in days; the lapse limit is of everybody."""
        dated = self._counting.dated(self._counting.acts(self.asked.customers(), _at()))
        once = select(dated.c.customer_id, dated.c.day).distinct().cte()
        before = func.lag(once.c.day).over(partition_by=once.c.customer_id, order_by=once.c.day)
        gaps = select((once.c.day - before).label("days")).cte()
        is_gap = gaps.c.days.is_not(None)
        return select(gaps.c.days, func.count().label("seen")).where(is_gap).group_by(gaps.c.days)

    @cached_property
    def publish(self) -> Update:
        """See `publishing.publish`."""
        return publish(self.lexicon, self.clock, self.asked)

    # --- who -------------------------------------------------------------------------------------

    def _other_rules(self) -> Select[int]:
        made = drift_priors.c
        return select(made.id).where(
            made.clock == self.clock,
            or_(
                made.rho != MINE.rho,
                made.horizon_days != MINE.horizon_days,
                made.counted != bindparam("given_counted", type_=Text),
            ),
        )

    def _other_parameters(self) -> Select[int]:
        made = drift_priors.c
        names = ("r", "alpha", "a", "b", "lapse_days")
        differs = [made[name] != getattr(MINE, name) for name in names]
        return select(made.id).where(made.clock == self.clock, or_(*differs))

    def _came_late(self) -> ColumnElement[bool]:
        """Whether something that nobody has looked at yet happened before the last day."""
        fresh = pending_changes.c
        return exists(
            select(1)
            .select_from(pending_changes)
            .join(events, events.c.id == fresh.event_id)
            .where(
                fresh.customer_id == KEPT.customer_id,
                fresh.is_evaluated.is_(False),
                micros(events.c.occurred_at) < micros(KEPT.last_at),
            )
        )

    def _with_crossings(self, wound: CTE) -> Select[Any]:
        row = wound.c
        crossings = Belief(row.n, row.ee, MINE).crossings(row.last_at)
        return select(
            literal(self.clock).label("clock"),
            whole("given_priors_id").label("priors_id"),
            _at().label("wound_at"),
            *(row[name] for name in ("customer_id", "n", "ee", "dec", "fst")),
            *(row[name] for name in ("first_at", "last_at", "day_over_at")),
            *(crossing.label(name) for name, crossing in crossings.items()),
        ).where(true())


def winding_values(priors_id: int, priors: Priors, at: datetime) -> dict[str, Any]:
    """What `unwind`, `wind` and `cross` are run with, beside the ids."""
    return {
        **MINE.values(priors),
        "given_priors_id": priors_id,
        "given_at": microseconds(at),
        "given_counted": priors.counted,
    }


def what_counts(lexicon: Lexicon, clock: str) -> str:
    """The events or channels that wind a clock, and the zone of its days, for people to read."""
    names = lexicon.goal_events if clock == "goal" else sorted(lexicon.own_channels)
    return f"{', '.join(names)} ({lexicon.zone.key})"


def _at() -> Micros:
    at: Micros = whole("given_at")
    return at
