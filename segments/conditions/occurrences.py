"""How often and when: what conditions that count things in time share."""

from datetime import date
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, model_validator
from sqlalchemy import ColumnElement

from segments.conditions.base import ConditionBase
from segments.conditions.fields import DayOrInstant, Number, Range, Since, Stretch
from segments.conditions.possible import check_bounds, check_order
from segments.counting import Amount
from segments.days import first_instant, last_instant
from segments.instants import NULL_INSTANT, Micros, greatest, instant, length

AMOUNTS = ("at_least", "at_most", "exactly", "between")


class Window(BaseModel):
    """Where one instant must lie: `within` is (t − W, t], `older_than` is <= t − W, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    within: Stretch | None = None
    older_than: Stretch | None = None

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.within is None and self.older_than is None:
            raise ValueError("write within or older_than")
        check_window(self.within, self.older_than)
        return self


def check_window(within: object, older_than: object) -> None:
    """Raises ValueError where no instant can be both recent and old enough."""
    if within is not None and older_than is not None and older_than >= within:  # type: ignore[operator]
        raise ValueError("nothing is both older than that and within the shorter time")


class Occurrences(ConditionBase):
    """How often (at least once if nothing is said), and when."""

    at_least: Number | None = None
    at_most: Number | None = None
    exactly: Number | None = None
    between: Range | None = None
    within: Stretch | None = None
    older_than: Stretch | None = None
    since: Since | None = None
    until: DayOrInstant | None = None

    @property
    def compares(self) -> bool:
        """Whether any comparison was written; without one, once is enough."""
        return any(getattr(self, name) is not None for name in AMOUNTS)

    @property
    def named_steps(self) -> tuple[str, ...]:
        return (self.since,) if isinstance(self.since, str) and self.since != "start" else ()

    @property
    def needs_enrollment(self) -> bool:
        return isinstance(self.since, str)

    @model_validator(mode="after")
    def _window_is_possible(self) -> Self:
        check_window(self.within, self.older_than)
        if isinstance(self.since, date) and self.until:
            check_order(self.since, self.until)
        return self

    @model_validator(mode="after")
    def _counts_are_whole(self) -> Self:
        if self._counts():
            for amount in self._amounts():
                if not isinstance(amount, int) or amount < 0:
                    raise ValueError(f"a count is a whole number from 0, not {amount}")
        check_bounds(Amount.of(self), from_zero=self._counts_from_zero())
        return self

    @property
    def amount(self) -> Amount:
        return Amount.of(self) if self.compares else Amount(at_least=1)

    def begins(self, happened_at: Micros, seen_at: Micros) -> Micros:
        """From when on something that happened at that instant, and was seen at this, counts."""
        if self.older_than is None:
            return seen_at
        return greatest(happened_at + length(self.older_than), seen_at)

    def ends(self, happened_at: Micros) -> Micros:
        """When it counts no longer; NULL for never."""
        return NULL_INSTANT if self.within is None else happened_at + length(self.within)

    def bounds(self, happened_at: Micros, at: Micros, zone: ZoneInfo) -> list[ColumnElement[bool]]:
        """What can be left out from the start: it can count neither now nor ever again."""
        bounds: list[ColumnElement[bool]] = []
        if self.within is not None:
            bounds.append(happened_at > at - length(self.within))
        if isinstance(self.since, date):
            bounds.append(happened_at >= instant(first_instant(self.since, zone)))
        if self.until is not None:
            bounds.append(happened_at <= instant(last_instant(self.until, zone)))
        return bounds

    def _counts(self) -> bool:
        return True

    def _counts_from_zero(self) -> bool:
        return self._counts()

    def _amounts(self) -> tuple[int | float, ...]:
        single = (self.at_least, self.at_most, self.exactly, *(self.between or ()))
        return tuple(amount for amount in single if amount is not None)
