"""What every condition means, said again as slowly and plainly as possible, to judge the SQL by.

Nothing here is shared with the compiler but the parsed conditions. One customer at a time, one
instant at a time, plain loops over everything that ever happened.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from segments.conditions.acts import Acts
from segments.conditions.channel import Channel
from segments.conditions.event import Event
from segments.conditions.logic import All, AnyOf, Not
from segments.conditions.operators import Operators
from segments.conditions.segment import InSegment
from segments.conditions.trait import Trait
from segments.definition import Condition, ConditionBase

OURS = ("customer.", "message.", "segment.", "enrollment.", "survey.")
MISSING = object()
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Act:
    """An event; the place in the list is its arrival."""

    customer: int
    name: str
    channel: str
    actor: str
    occurred_at: datetime
    known_at: datetime
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """A version of a trait; the place in the list is its arrival."""

    customer: int
    name: str
    value: Any
    occurred_at: datetime
    known_at: datetime


@dataclass(frozen=True)
class World:
    """Everything that will ever be known."""

    acts: tuple[Act, ...]
    said: tuple[Said, ...]
    own_channels: frozenset[str]
    zone: ZoneInfo
    segments: Mapping[str, Condition] = field(default_factory=dict)


def holds(world: World, condition: ConditionBase, customer: int, t: datetime) -> bool:
    """Whether the condition holds for the customer at the instant."""
    match condition:
        case All():
            return all(holds(world, part, customer, t) for part in condition.all)
        case AnyOf():
            return any(holds(world, part, customer, t) for part in condition.any)
        case Not():
            return not holds(world, condition.not_, customer, t)
        case InSegment():
            return holds(world, world.segments[condition.segment], customer, t)
        case Trait():
            return fits(trait_of(world, condition.trait, customer, t), condition, t, world.zone)
        case Event() | Channel():
            return acts_fit(world, condition, customer, t)
        case _:
            raise NotImplementedError(condition.kind)


# --- traits and values ---------------------------------------------------------------------------


def trait_of(world: World, dotted: str, customer: int, t: datetime) -> Any:
    name, *inside = dotted.split(".")
    versions = [
        (said.occurred_at, arrival, said.value)
        for arrival, said in enumerate(world.said)
        if said.customer == customer and said.name == name
        if said.occurred_at <= t and said.known_at <= t
    ]
    if not versions:
        return MISSING
    return inside_of(max(versions, key=lambda version: version[:2])[2], inside)


def inside_of(value: Any, path: Iterable[str]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return MISSING if value is None else value


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else type(value).__name__


def equal(one: Any, other: Any) -> bool:
    return kind_of(one) == kind_of(other) and bool(one == other)


def fits(value: Any, asked: Operators, t: datetime, zone: ZoneInfo) -> bool:
    """Whether the value satisfies every operator that is written."""
    answers = []
    for name in asked.written_operators:
        bound = getattr(asked, name)
        if name == "exists":
            answers.append((value is not MISSING) == bound)
        else:
            answers.append(value is not MISSING and one_fits(value, name, bound, t, zone))
    return all(answers)


def one_fits(value: Any, name: str, bound: Any, t: datetime, zone: ZoneInfo) -> bool:
    is_number, is_text = kind_of(value) == "number", isinstance(value, str)
    match name:
        case "is_":
            return equal(value, bound)
        case "is_not":
            return kind_of(value) == kind_of(bound) and not equal(value, bound)
        case "in_":
            return any(equal(value, each) for each in bound)
        case "not_in":
            same_kind = any(kind_of(value) == kind_of(each) for each in bound)
            return same_kind and not any(equal(value, each) for each in bound)
        case "contains":
            in_list = isinstance(value, list) and any(equal(bound, each) for each in value)
            return in_list or (is_text and isinstance(bound, str) and bound in value)
        case "starts_with":
            return is_text and bool(value.startswith(bound))
        case "ends_with":
            return is_text and bool(value.endswith(bound))
        case "at_least" | "at_most" | "exactly" | "between" | "more_than" | "less_than":
            return is_number and compares(value, name, bound)
        case _:
            return is_text and date_fits(value, name, bound, t, zone)


def compares(number: float, name: str, bound: Any) -> bool:
    match name:
        case "at_least":
            return bool(number >= bound)
        case "at_most":
            return bool(number <= bound)
        case "exactly":
            return bool(number == bound)
        case "between":
            return bool(bound[0] <= number <= bound[1])
        case "more_than":
            return bool(number > bound)
        case _:
            return bool(number < bound)


# --- dates ---------------------------------------------------------------------------------------


def midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)


def read(text: str, zone: ZoneInfo) -> tuple[datetime, date] | None:
    """The instant that is meant, and the day of the zone on which it lies."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return midnight(day, zone), day
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return aware, aware.astimezone(zone).date()


def date_fits(text: str, name: str, bound: Any, t: datetime, zone: ZoneInfo) -> bool:
    if (found := read(text, zone)) is None:
        return False
    instant, day = found
    today = t.astimezone(zone).date()
    match name:
        case "before":
            limit = today if bound == "today" else bound
            begins = limit if isinstance(limit, datetime) else midnight(limit, zone)
            return instant < begins
        case "after":
            limit = today if bound == "today" else bound
            if isinstance(limit, datetime):
                return bool(instant > limit)
            return bool(instant >= midnight(limit + DAY, zone))
        case "in_last":
            return bool(t - bound < instant <= t)
        case "in_next":
            return bool(t < instant <= t + bound)
        case _:
            return any(
                midnight(kept, zone) - bound <= t < midnight(kept + DAY, zone)
                for year in range(day.year + 1, today.year + 3)
                for kept in [anniversary(day, year)]
            )


def anniversary(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:  # 29 February
        return day.replace(year=year, day=28)


# --- events --------------------------------------------------------------------------------------


def acts_fit(world: World, asked: Event | Channel, customer: int, t: datetime) -> bool:
    if window := asked.first or asked.last:
        matching = [act for _, act in matching_acts(world, asked, customer, t)]
        if not matching:
            return False
        chosen = min if asked.first else max
        return in_window(chosen(act.occurred_at for act in matching), window, t)
    counted = [
        act
        for arrival, act in matching_acts(world, asked, customer, t)
        if counts(world, asked, arrival, act, t)
    ]
    number = figure_of(counted, asked)
    if number is None:
        return False
    written = [n for n in NUMBER_BOUNDS if getattr(asked, n, None) is not None]
    if not written:
        return number >= 1
    return all(compares(number, name, getattr(asked, name)) for name in written)


NUMBER_BOUNDS = ("at_least", "at_most", "exactly", "between", "more_than", "less_than")


def matching_acts(
    world: World, asked: Event | Channel, customer: int, t: datetime
) -> list[tuple[int, Act]]:
    return [
        (arrival, act)
        for arrival, act in enumerate(world.acts)
        if act.customer == customer and act.occurred_at <= t and act.known_at <= t
        if is_meant(world, asked, act)
        if all(
            fits(inside_of(act.properties, name.split(".")), operators, t, world.zone)
            for name, operators in asked.where.items()
        )
    ]


def is_meant(world: World, asked: Event | Channel, act: Act) -> bool:
    if asked.channel is not None and act.channel != asked.channel:
        return False
    if isinstance(asked, Channel) or asked.is_any:
        is_mail = act.name.startswith("email.") and act.name != "email.replied"
        is_own = act.actor == "customer" and act.channel in world.own_channels
        return is_own and not is_mail and not act.name.startswith(OURS)
    return any(name_matches(pattern, act.name) for pattern in asked.event)


def name_matches(pattern: str, name: str) -> bool:
    if "*" not in pattern:
        return pattern == name
    begins_with_noun = "." in pattern.split("*")[0]
    if name.startswith(OURS) and not begins_with_noun:
        return False
    return fnmatchcase(name, pattern)


def counts(world: World, asked: Event | Channel, arrival: int, act: Act, t: datetime) -> bool:
    if not in_window(act.occurred_at, asked, t):
        return False
    if isinstance(asked.since, date):
        since = asked.since
        begins = since if isinstance(since, datetime) else midnight(since, world.zone)
        if act.occurred_at < begins:
            return False
    if asked.until is not None:
        until = asked.until
        is_over = (
            act.occurred_at > until
            if isinstance(until, datetime)
            else act.occurred_at >= midnight(until + DAY, world.zone)
        )
        if is_over:
            return False
    return not (isinstance(asked, Event) and is_answered(world, asked, arrival, act, t))


def in_window(instant: datetime, window: Any, t: datetime) -> bool:
    recent = window.within is None or instant > t - window.within
    old = window.older_than is None or instant <= t - window.older_than
    return bool(recent and old)


def is_answered(world: World, asked: Event, arrival: int, act: Act, t: datetime) -> bool:
    if asked.without_later is None or asked.same is None:
        return False
    tie = inside_of(act.properties, asked.same.split("."))
    if tie is MISSING:
        return False
    return any(
        other.customer == act.customer
        and other.occurred_at <= t
        and other.known_at <= t
        and (other.occurred_at, place) > (act.occurred_at, arrival)
        and any(name_matches(pattern, other.name) for pattern in asked.without_later)
        and equal(tie, inside_of(other.properties, asked.same.split(".")))
        for place, other in enumerate(world.acts)
    )


def figure_of(counted: list[Act], asked: Acts) -> float | None:
    """The number that is compared; None if it is missing."""
    if asked.figure is None:
        return len(counted)
    name, of = asked.figure
    values = [inside_of(act.properties, of.split(".")) for act in counted]
    present = [value for value in values if value is not MISSING]
    if name == "distinct":
        different: list[Any] = []
        for value in present:
            if not any(equal(value, other) for other in different):
                different.append(value)
        return len(different)
    numbers: list[float] = [value for value in present if kind_of(value) == "number"]
    if name == "sum_of":
        return sum(numbers)
    if not numbers:
        return None
    if name == "average_of":
        return sum(numbers) / len(numbers)
    return max(numbers) if name == "highest_of" else min(numbers)
