"""Events counted, summed up, or looked at for the first or the last of them."""

from collections.abc import Mapping
from typing import Any, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator
from sqlalchemy import CTE, ColumnElement, FromClause, Select, and_, case, func, or_, select

from segments.compilation import Compilation, Verdict
from segments.conditions.dated import place
from segments.conditions.fields import Number, PropertyName
from segments.conditions.occurrences import AMOUNTS, Occurrences, Window
from segments.conditions.operators import Operators
from segments.conditions.properties import Where, tell_where
from segments.counting import FIGURES, bounded, count, edge, figure
from segments.instants import NULL_INSTANT, Micros, as_instant, greatest, length, micros, soonest
from segments.newest import Meant
from segments.paths import parse_path
from segments.tallying import Tallied
from segments.values import JsonElements, JsonValue
from segments.wording import bounds, moment, sentence, shortfall, times, window
from store.tables import events

FIGURE_NAMES = {
    "sum_of": "the sum of", "average_of": "the average of", "highest_of": "the highest",
    "lowest_of": "the lowest", "distinct": "how many different",
}  # fmt: skip


class Acts(Occurrences):
    """Counted events, a figure over one of their properties, or the first or last of them."""

    where: Where = Field(default_factory=dict)
    more_than: Number | None = None
    less_than: Number | None = None
    sum_of: PropertyName | None = None
    average_of: PropertyName | None = None
    highest_of: PropertyName | None = None
    lowest_of: PropertyName | None = None
    distinct: PropertyName | None = None
    first: Window | None = Field(None, description="the first one ever lies in this window")
    last: Window | None = Field(None, description="the latest one lies in this window")

    @property
    def compares(self) -> bool:
        return super().compares or self.more_than is not None or self.less_than is not None

    @property
    def figure(self) -> tuple[str, str] | None:
        """Which of FIGURES is asked, and of which property; None for a count."""
        return next(((name, of) for name in FIGURES if (of := getattr(self, name))), None)

    @property
    def meant(self) -> str:
        """Which events, in plain words."""
        raise NotImplementedError(self.kind)

    @property
    def sentence(self) -> str:
        asked = tell_where(self.where)
        meant = sentence(self.meant, f"(where {asked})" if asked else "")
        when = window(self.within, self.older_than, self.since, self.until)
        if edge := self.first or self.last:
            place = "first" if self.first else "latest"
            return f"the {place} {meant} was {window(edge.within, edge.older_than)}"
        if self.figure:
            name, of = self.figure
            return sentence(f"{FIGURE_NAMES[name]} {of} over {meant}", when, bounds(self.amount))
        often = times(self.amount)
        return sentence(often, meant, when) if often == "never" else sentence(meant, often, when)

    def facts(self, compilation: Compilation) -> dict[str, Select[Any]]:
        """What counts now, and when the first and the last of all that is meant came so far."""
        moments = self._ever().moments(compilation).c
        so_far = case((moments.begins <= moments.at, moments.moment))
        edges = {
            "first_at": select(as_instant(func.min(so_far))),
            "last_at": select(as_instant(func.max(so_far))),
        }
        if self.first or self.last:
            return edges
        own = self._placed(self.stretches(compilation), compilation.lexicon.zone).c
        runs = and_(own.begins <= own.at, or_(own.ends.is_(None), own.ends > own.at))
        of = FIGURES[self.figure[0]] if self.figure else func.count
        counted = own.value if self.figure else own.id
        return {"number": select(of(case((runs, counted)))), **edges}

    def tell(self, found: Mapping[str, Any]) -> str:
        last = f"the latest on {moment(found['last_at'])}" if found["last_at"] else "none ever"
        if "number" not in found:
            first = f"the first on {moment(found['first_at'])}" if found["first_at"] else last
            return first if self.first else last
        number = found["number"]
        return f"{'nothing to compare' if number is None else f'{number:g}'}, {last}"

    def lacks(self, found: Mapping[str, Any]) -> str:
        if "number" not in found:
            return super().lacks(found)
        return shortfall(found["number"], self.amount)

    def compile(self, compilation: Compilation) -> Verdict:
        if self._is_tallied(compilation):
            return compilation.tallied(self._tallied(), is_costly=self.reads_inside)
        return compilation.leaf(
            self,
            lambda: self._leaf(compilation),
            on_nothing=self._nothing_is_a_number() and self.amount.admits_nothing(),
            is_costly=self.reads_inside,
        )

    @property
    def without_bounds(self) -> Self:
        return self.model_copy(update=dict.fromkeys((*AMOUNTS, "within")))

    @property
    def reads_inside(self) -> bool:
        """Whether properties must be read, and not an index alone."""
        return bool(self.where) or self.figure is not None

    def _is_tallied(self, compilation: Compilation) -> bool:
        """Whether it is a plain count, of events from the instant at which they occur."""
        others = self.figure, self.first, self.last, self.older_than
        return not self._dated() and all(other is None for other in others)

    def _tallied(self) -> Tallied:
        return Tallied(
            key=self,
            family=self.without_bounds,
            amount=self.amount,
            within=self.within,
            meant=self.meant_in,
            found=self.found,
            stretches=self.stretches,
        )

    def meant_in(self, compilation: Compilation) -> Meant:
        """Which events, for those who look them up one by one."""
        zone = compilation.lexicon.zone
        return Meant(
            kinds=self.kinds(compilation),
            bounds=lambda happened_at, at: self.bounds(happened_at, at, zone),
            asks=lambda one, _at: self.asks(one),
        )

    def asks(self, one: FromClause) -> list[ColumnElement[bool]]:
        """What `where` asks of a row of events."""
        return [
            operators.ask_at(one.c.properties, parse_path(name))
            for name, operators in self.where.items()
        ]

    def _ever(self) -> Self:
        """The same events, whenever they came."""
        return self.model_copy(update=dict.fromkeys(("within", "older_than", "since", "until")))

    def _nothing_is_a_number(self) -> bool:
        """Whether no events at all make a zero, rather than a figure that is missing."""
        if self.first or self.last:
            return False
        return self.figure is None or self.figure[0] in ("sum_of", "distinct")

    def kinds(self, compilation: Compilation) -> Select[int]:
        """Ids of the kinds of events that are meant."""
        raise NotImplementedError(self.kind)

    def _leaf(self, compilation: Compilation) -> Select[Any]:
        if window := self.first or self.last:
            return edge(
                self.moments(compilation),
                is_first=self.first is not None,
                within=None if window.within is None else length(window.within),
                older_than=None if window.older_than is None else length(window.older_than),
            )
        stretches = self._placed(self.stretches(compilation), compilation.lexicon.zone)
        if self.figure:
            return figure(stretches, FIGURES[self.figure[0]], self.amount)
        recurs = any(asked.anniversary_in_next for asked in self.where.values())
        return count(stretches, self.amount, recurs=recurs)

    def total(self, compilation: Compilation) -> Select[Any]:
        """The sum of the figure's property over what counts at each subject's instant."""
        own = self._placed(self.stretches(compilation), compilation.lexicon.zone).c
        counts = (own.begins <= own.at) & (own.ends.is_(None) | (own.ends > own.at))
        total = func.sum(bounded(own.value)).label("total")
        return select(own.id, total).where(counts).group_by(own.id)

    def stretches(self, compilation: Compilation) -> CTE:
        """What is counted: id, at, begins, ends and what is read of each."""
        occurred_at = micros(events.c.occurred_at)
        columns: list[ColumnElement[Any]] = [
            self.begins(occurred_at, _seen_at(compilation)).label("begins"),
            self.ends(occurred_at).label("ends"),
        ]
        return self.read(compilation).add_columns(*columns).cte()

    def read(self, compilation: Compilation) -> Select[Any]:
        """The events that are found, with what is read of them: `value` for a figure, and dates.

        Where a figure is over the elements of a list there is a row for each of these.
        """
        found = self.found(compilation).add_columns(
            *(
                JsonValue.named(events.c.properties, name).text.label(_date_column(name))
                for name in self._dated()
            )
        )
        if self.figure is None:
            return found
        name, of = self.figure
        elements = JsonElements.at(events.c.properties, parse_path(of))
        held = elements.value
        value = held.identity if name == "distinct" else held.number
        return elements.joined_to(found).add_columns(value.label("value"))

    @property
    def columns_read(self) -> list[str]:
        """What `read` adds to what it finds."""
        return [*map(_date_column, self._dated()), *(["value"] if self.figure else [])]

    def _dated(self) -> dict[str, Operators]:
        return {name: asked for name, asked in self.where.items() if asked.asks_dates}

    def _placed(self, stretches: CTE, zone: ZoneInfo) -> CTE:
        """Each stretch cut to where the dates that `where` asks satisfy it."""
        for name, asked in self._dated().items():
            placed = place(stretches, _date_column(name), asked, zone)
            own = placed.table.c
            kept = [own[c.name] for c in stretches.c if c.name not in ("begins", "ends")]
            stretches = (
                select(
                    *kept,
                    greatest(own.begins, *placed.begins).label("begins"),
                    soonest(own.ends, *placed.ends).label("ends"),
                )
                .where(*placed.bounds)
                .cte()
            )
        return stretches

    def found(self, compilation: Compilation) -> Select[Any]:
        """The events that may count now or later, with id and at of their subject."""
        view = compilation.since_start() if self.since == "start" else compilation
        steps = self.named_steps
        statement = view.events_of(self.kinds(view), since_step=steps[0] if steps else None)
        own = compilation.subjects.c
        bounds = self.bounds(micros(events.c.occurred_at), own.at, compilation.lexicon.zone)
        return statement.where(*bounds, *self.asks(events)).add_columns(own.id, own.at)

    def moments(self, compilation: Compilation) -> CTE:
        """When each happened, and during which time that is known: id, at, moment, begins, ends."""
        occurred_at = micros(events.c.occurred_at)
        known = _seen_at(compilation).label("begins")
        found = self.read(compilation).add_columns(
            occurred_at.label("moment"), known, NULL_INSTANT.label("ends")
        )
        return self._placed(found.cte(), compilation.lexicon.zone)

    def _counts(self) -> bool:
        return self.figure is None

    def _counts_from_zero(self) -> bool:
        return self._counts() or self.distinct is not None

    @model_validator(mode="after")
    def _ends_are_fixed(self) -> Self:
        if (self.first or self.last) and any(asked.moves for asked in self._dated().values()):
            raise ValueError("first and last cannot be asked of dates that move with today")
        return self

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


def _seen_at(compilation: Compilation) -> Micros:
    return compilation.seen_at(micros(events.c.occurred_at), micros(events.c.known_at))


def _date_column(name: str) -> str:
    return f"date of {name}"
