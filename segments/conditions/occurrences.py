"""How often and when: what conditions that count things in time share."""

from datetime import date, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from segments.conditions.base import ConditionBase
from segments.conditions.fields import DayOrInstant, Number, Range, Since, Stretch

AMOUNTS = ("at_least", "at_most", "exactly", "between")


class Window(BaseModel):
    """Where one instant must lie: `within` is (t − W, t], `older_than` is <= t − W; both may stand together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        if isinstance(self.since, date) and self.until and _day(self.since) > _day(self.until):
            raise ValueError("'until' lies before 'since'")
        return self

    @model_validator(mode="after")
    def _counts_are_whole(self) -> Self:
        if self._counts():
            for amount in self._amounts():
                if not isinstance(amount, int) or amount < 0:
                    raise ValueError(f"a count is a whole number from 0, not {amount}")
        return self

    def _counts(self) -> bool:
        return True

    def _amounts(self) -> tuple[int | float, ...]:
        single = (self.at_least, self.at_most, self.exactly, *(self.between or ()))
        return tuple(amount for amount in single if amount is not None)


def _day(moment: date | datetime) -> date:
    return moment.date() if isinstance(moment, datetime) else moment


class Acts(Occurrences):
    """Counted events of a customer, or a figure over one of their properties, or the first or last of them."""

    more_than: Number | None = None
    less_than: Number | None = None
    sum_of: str | None = None
    average_of: str | None = None
    highest_of: str | None = None
    lowest_of: str | None = None
    distinct: str | None = None
    first: Window | None = Field(None, description="the first one ever lies in this window")
    last: Window | None = Field(None, description="the latest one lies in this window")

    @property
    def compares(self) -> bool:
        return super().compares or self.more_than is not None or self.less_than is not None

    @property
    def figure(self) -> tuple[str, str] | None:
        """(sum_of, average_of, highest_of, lowest_of or distinct; the property), or None for a count."""
        return next(((name, of) for name in FIGURES if (of := getattr(self, name))), None)

    def _counts(self) -> bool:
        return self.figure is None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        figures = [name for name in FIGURES if getattr(self, name) is not None]
        ends = [name for name in ("first", "last") if getattr(self, name) is not None]
        if len(figures) + len(ends) > 1:
            raise ValueError(f"only one of {', '.join(figures + ends)} can be asked at once")
        if figures and not self.compares:
            raise ValueError(f"{figures[0]} needs a comparison such as at_least: 100")
        if not figures and (self.more_than is not None or self.less_than is not None):
            raise ValueError("more_than and less_than are not for counts; use at_least or at_most")
        if ends and (self.compares or self._has_window()):
            raise ValueError(
                f"{ends[0]} stands instead of counts and windows; put the window inside it"
            )
        return self

    def _has_window(self) -> bool:
        return any(v is not None for v in (self.within, self.older_than, self.since, self.until))


FIGURES = ("sum_of", "average_of", "highest_of", "lowest_of", "distinct")
