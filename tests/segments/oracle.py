"""What every condition means, said again as slowly and plainly as possible, to judge the SQL by.

Nothing here is shared with the compiler but the parsed conditions. One customer at a time, one
instant at a time, plain loops over everything that ever happened.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from segments.conditions.acts import Acts
from segments.conditions.answer import Answer
from segments.conditions.channel import Channel
from segments.conditions.drift import Drift, Risk
from segments.conditions.event import Event
from segments.conditions.happening import Happening
from segments.conditions.journey import InJourney
from segments.conditions.logic import All, AnyOf, Not
from segments.conditions.message import Message
from segments.conditions.occurrences import Occurrences
from segments.conditions.operators import Operators
from segments.conditions.properties import ElementOperators, PropertyOperators
from segments.conditions.rfm import Rfm
from segments.conditions.segment import InSegment
from segments.conditions.sequence import Sequence
from segments.conditions.trait import Trait
from segments.conditions.trend import Trend
from segments.definition import Condition, ConditionBase

OURS = ("customer.", "message.", "segment.", "enrollment.", "survey.")
MISSING = object()
EACH = "[]"
OVER_ELEMENTS = {
    "count": "", "sum": "sum_of", "average": "average_of", "highest": "highest_of",
    "lowest": "lowest_of", "distinct": "distinct",
}  # fmt: skip
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
class Trip:
    """One enrollment."""

    customer: int
    journey: str
    started_at: datetime
    ended_at: datetime | None
    ended: str | None
    is_held_out: bool
    key: str = ""


@dataclass(frozen=True)
class Report:
    """What became of a mail, and who did it: a machine or a person, until that was judged anew."""

    kind: str
    occurred_at: datetime
    known_at: datetime
    is_machine: bool
    turned_at: datetime | None = None

    def is_by_person(self, t: datetime) -> bool:
        return self.is_machine == has_come(self.turned_at, t)


@dataclass(frozen=True)
class Mail:
    customer: int
    template: str
    sent_at: datetime | None
    reports: tuple[Report, ...] = ()


@dataclass(frozen=True)
class Told:
    """An answer; the place in the list is its arrival."""

    customer: int
    mail: int  # which invitation
    revision: int
    score: int
    answered_at: datetime
    is_counted: bool  # until that was judged anew
    turned_at: datetime | None = None
    survey: str = "csat"

    def counts(self, t: datetime) -> bool:
        return self.is_counted != has_come(self.turned_at, t)


@dataclass(frozen=True)
class Rhythm:
    """What is stored of a customer's drift on one clock."""

    customer: int
    clock: str
    n: int
    crossings: tuple[datetime, ...]  # into cooling, drifting, dormant, lost; in order
    risk: float | None = None


def has_come(instant: datetime | None, t: datetime) -> bool:
    return instant is not None and instant <= t


def unless_ahead(instant: datetime | None, t: datetime) -> datetime | None:
    return instant if has_come(instant, t) else None


@dataclass(frozen=True)
class World:
    """Everything that will ever be known."""

    acts: tuple[Act, ...]
    said: tuple[Said, ...]
    own_channels: frozenset[str]
    zone: ZoneInfo
    segments: Mapping[str, Condition] = field(default_factory=dict)
    trips: tuple[Trip, ...] = ()
    mails: tuple[Mail, ...] = ()
    answers: tuple[Told, ...] = ()
    rhythms: tuple[Rhythm, ...] = ()
    publications: tuple[datetime, ...] = ()  # of the fifths that rfm asks
    as_published: "World | None" = None  # where people merged since: as all were compared then

    def known(self, t: datetime) -> "World":
        """Without what cannot be foreseen: enrollments, answers, judgements, figures to come."""
        begun = [trip for trip in self.trips if trip.started_at <= t]
        trips = [
            trip if trip.ended_at is None or trip.ended_at <= t
            else replace(trip, ended_at=None, ended=None)
            for trip in begun
        ]  # fmt: skip
        answers = [
            replace(told, turned_at=unless_ahead(told.turned_at, t))
            for told in self.answers
            if told.answered_at <= t
        ]
        mails = [
            replace(mail, reports=tuple(as_judged(one, t) for one in mail.reports))
            for mail in self.mails
        ]
        return replace(
            self,
            trips=tuple(trips),
            answers=tuple(answers),
            mails=tuple(mails),
            publications=tuple(instant for instant in self.publications if instant <= t),
        )

    def arrived(self, t: datetime) -> "World":
        """Only what somebody who looks at `t` can have heard of."""
        sent = [mail for mail in self.mails if has_come(mail.sent_at, t)]
        mails = [
            replace(mail, reports=tuple(one for one in mail.reports if one.known_at <= t))
            for mail in sent
        ]
        here = replace(
            self,
            acts=tuple(act for act in self.acts if act.known_at <= t),
            said=tuple(said for said in self.said if said.known_at <= t),
            mails=tuple(mails),
        )
        return here.known(t)


def as_judged(report: Report, t: datetime) -> Report:
    return replace(report, turned_at=unless_ahead(report.turned_at, t))


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
            values = trait_of(world, condition.trait, customer, t)
            return any(fits(value, condition, t, world.zone) for value in values)
        case Event() | Channel():
            return acts_fit(world, condition, customer, t)
        case _:
            return FITS[type(condition)](world, condition, customer, t)


# --- traits and values ---------------------------------------------------------------------------


def trait_of(world: World, dotted: str, customer: int, t: datetime) -> list[Any]:
    name, *inside = spelled(dotted)
    versions = [
        (said.occurred_at, arrival, said.value)
        for arrival, said in enumerate(world.said)
        if said.customer == customer and said.name == name
        if said.occurred_at <= t and said.known_at <= t
    ]
    if not versions:
        return [] if EACH in inside else [MISSING]
    return reached(max(versions, key=lambda version: version[:2])[2], inside)


def spelled(name: str) -> list[str]:
    """The keys of a name, and EACH where every element of a list is meant; letter by letter."""
    keys, key, is_quoted, rest = [], "", False, list(name)
    while rest:
        letter = rest.pop(0)
        if letter == '"':
            is_quoted = not is_quoted
        elif letter == "." and not is_quoted and rest and rest[0] != " ":
            keys.append(key)
            key = ""
        elif letter == "[" and not is_quoted:
            rest.pop(0)
            keys += [key, EACH] if key else [EACH]
            key = ""
            if rest and rest[0] == ".":
                rest.pop(0)
        else:
            key += letter
    return [*keys, key] if key else keys


def reached(value: Any, keys: list[str]) -> list[Any]:
    """Every value to which the keys lead, MISSING among them."""
    if not keys:
        return [MISSING if value is None else value]
    key, *further = keys
    if key == EACH:
        elements = value if isinstance(value, list) else []
        return [found for element in elements for found in reached(element, further)]
    if isinstance(value, dict):
        return reached(value.get(key), further)
    if isinstance(value, list) and key in [str(place) for place in range(len(value))]:
        return reached(value[int(key)], further)
    return reached(None, further)


def meant_by(properties: Any, name: str) -> list[Any]:
    return reached(properties, spelled(name))


def property_fits(
    properties: Any, name: str, asked: PropertyOperators, t: datetime, zone: ZoneInfo
) -> bool:
    """Whether what the name means has all that is asked of it."""
    values = meant_by(properties, name)
    if EACH not in spelled(name):
        return fits(values[0], asked, t, zone)

    def of_which(part: ElementOperators) -> list[bool]:
        return [element_fits(value, part, t, zone) for value in values]

    answers = []
    chosen = values
    is_chosen = bool(asked.written_operators or asked.where)
    if is_chosen:
        chosen = [v for v, does in zip(values, of_which(asked), strict=True) if does]
        if not any(getattr(asked, figure) for figure in OVER_ELEMENTS):
            answers.append(bool(chosen))
    answers += [True in of_which(asked.any_)] if asked.any_ else []
    answers += [bool(values) and False not in of_which(asked.all_)] if asked.all_ else []
    answers += [True not in of_which(asked.none)] if asked.none else []
    for written, figure in OVER_ELEMENTS.items():
        if bounds := getattr(asked, written):
            if written == "count":
                counted = chosen if is_chosen else [v for v in chosen if v is not MISSING]
                number: float | None = len(counted)
            else:
                number = figure_over(chosen, figure)
            answers.append(number is not None and is_enough(number, bounds))
    return all(answers)


def element_fits(value: Any, asked: ElementOperators, t: datetime, zone: ZoneInfo) -> bool:
    inside = None if value is MISSING else value
    return fits(value, asked, t, zone) and all(
        property_fits(inside, name, part, t, zone) for name, part in (asked.where or {}).items()
    )


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else type(value).__name__


def equal(one: Any, other: Any) -> bool:
    return kind_of(one) == kind_of(other) and bool(one == other)


def as_id(value: Any) -> Any:
    """What ties two events together may be a number here and its digits there."""
    if kind_of(value) != "number":
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)


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
    if name == "anniversary_in_next" and text.startswith("--"):
        text = f"2000{text[1:]}"
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
    return is_enough(number, asked)


def is_enough(number: float, asked: Any) -> bool:
    """Whether the number lies within the bounds that are written, or is once or more."""
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
            property_fits(act.properties, name, operators, t, world.zone)
            for name, operators in asked.where.items()
        )
    ]


def is_meant(world: World, asked: Event | Channel, act: Act) -> bool:
    if asked.channel is not None and act.channel != asked.channel:
        return False
    if isinstance(asked, Channel) or asked.is_any:
        return is_own(world, act)
    return any(name_matches(pattern, act.name) for pattern in asked.event)


def is_own(world: World, act: Act) -> bool:
    """Whether a customer did it themselves, on a channel that people use."""
    is_mail = act.name.startswith("email.") and act.name != "email.replied"
    is_theirs = act.actor == "customer" and act.channel in world.own_channels
    return is_theirs and not is_mail and not act.name.startswith(OURS)


def is_goal(world: World, act: Act) -> bool:
    """Whether it is what the shop lives from."""
    return act.name == "order.completed" and act.actor == "customer"


def name_matches(pattern: str, name: str) -> bool:
    if "*" not in pattern:
        return pattern == name
    begins_with_noun = "." in pattern.split("*")[0]
    if name.startswith(OURS) and not begins_with_noun:
        return False
    return fnmatchcase(name, pattern)


def counts(world: World, asked: Event | Channel, arrival: int, act: Act, t: datetime) -> bool:
    if not in_time(world, asked, act.occurred_at, t):
        return False
    return not (isinstance(asked, Event) and is_answered(world, asked, arrival, act, t))


def in_time(world: World, asked: Occurrences, instant: datetime, t: datetime) -> bool:
    """Whether it lies in the windows and between the dates."""
    since, until = asked.since, asked.until
    if isinstance(since, date):
        begins = since if isinstance(since, datetime) else midnight(since, world.zone)
        if instant < begins:
            return False
    if isinstance(until, datetime) and instant > until:
        return False
    is_day = until is not None and not isinstance(until, datetime)
    if is_day and until is not None and instant >= midnight(until + DAY, world.zone):
        return False
    return in_window(instant, asked, t)


def in_window(instant: datetime, window: Any, t: datetime) -> bool:
    recent = window.within is None or instant > t - window.within
    old = window.older_than is None or instant <= t - window.older_than
    return bool(recent and old)


def is_answered(world: World, asked: Event, arrival: int, act: Act, t: datetime) -> bool:
    if asked.without_later is None or asked.same is None:
        return False
    tie = meant_by(act.properties, asked.same)[0]
    if tie is MISSING:
        return False
    return any(
        other.customer == act.customer
        and other.occurred_at <= t
        and other.known_at <= t
        and (other.occurred_at, place) > (act.occurred_at, arrival)
        and any(name_matches(pattern, other.name) for pattern in asked.without_later)
        and equal(as_id(tie), as_id(meant_by(other.properties, asked.same)[0]))
        for place, other in enumerate(world.acts)
    )


def figure_of(counted: list[Act], asked: Acts) -> float | None:
    """The number that is compared; None if it is missing."""
    if asked.figure is None:
        return len(counted)
    name, of = asked.figure
    values = [value for act in counted for value in meant_by(act.properties, of)]
    return figure_over(values, name)


def figure_over(values: list[Any], name: str) -> float | None:
    """Sum and `distinct` of nothing are 0, all others are missing."""
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


# --- one after the other -------------------------------------------------------------------------


def happened(world: World, asked: Happening, customer: int, t: datetime) -> list[tuple[int, Act]]:
    """What is meant and known, in event order."""
    found = [
        (arrival, act)
        for arrival, act in enumerate(world.acts)
        if act.customer == customer and act.occurred_at <= t and act.known_at <= t
        if is_happening(world, asked, act)
        if all(
            property_fits(act.properties, name, operators, t, world.zone)
            for name, operators in asked.where.items()
        )
    ]
    return sorted(found, key=lambda pair: (pair[1].occurred_at, pair[0]))


def is_happening(world: World, asked: Happening, act: Act) -> bool:
    if asked.event is None:
        return is_meant(world, Channel(channel=asked.channel or ""), act)
    return is_meant(world, Event(event=asked.event, channel=asked.channel), act)


def trend_fits(world: World, asked: Trend, customer: int, t: datetime) -> bool:
    instants = [act.occurred_at for _, act in happened(world, asked.trend, customer, t)]
    after = sum(t - asked.over < instant <= t for instant in instants)
    before = sum(t - 2 * asked.over < instant <= t - asked.over for instant in instants)
    if before < asked.from_at_least:
        return False
    if asked.falls_by is not None:
        return after <= before * (1 - asked.falls_by)
    return asked.rises_by is not None and after >= before * (1 + asked.rises_by)


def sequence_fits(world: World, asked: Sequence, customer: int, t: datetime) -> bool:
    return any(
        is_unbroken(world, asked, customer, chain[-1], t)
        for chain in chains(world, asked, customer, t)
        if asked.sequence[0].within is None
        or chain[0][1].occurred_at > t - asked.sequence[0].within
    )


def chains(
    world: World, asked: Sequence, customer: int, t: datetime
) -> Iterable[list[tuple[int, Act]]]:
    """Every way to find all steps, one after the other."""
    found = [[pair] for pair in happened(world, asked.sequence[0], customer, t)]
    for step in asked.sequence[1:]:
        found = [
            [*chain, pair]
            for chain in found
            for pair in happened(world, step, customer, t)
            if is_later(pair, chain[-1])
            if step.within is None or pair[1].occurred_at <= chain[-1][1].occurred_at + step.within
        ]
    return found


def is_later(one: tuple[int, Act], other: tuple[int, Act]) -> bool:
    return (one[1].occurred_at, one[0]) > (other[1].occurred_at, other[0])


def is_unbroken(
    world: World, asked: Sequence, customer: int, last: tuple[int, Act], t: datetime
) -> bool:
    if asked.then_not is None:
        return True
    breaking = [p for p in happened(world, asked.then_not, customer, t) if is_later(p, last)]
    if asked.then_not.within is None:
        return not breaking
    over_at = last[1].occurred_at + asked.then_not.within
    return t >= over_at and not any(act.occurred_at <= over_at for _, act in breaking)


# --- journeys, mails, answers, drift -------------------------------------------------------------


def trips_fit(world: World, asked: InJourney, customer: int, t: datetime) -> bool:
    mine = [
        status_of(trip, t)
        for trip in world.trips
        if trip.customer == customer and trip.journey == asked.journey and trip.started_at <= t
    ]
    if asked.status == ("never",):
        started = [trip.started_at for trip in world.trips if trip.customer == customer
                   and trip.journey == asked.journey and trip.started_at <= t]  # fmt: skip
        return not any(is_recent(instant, asked.within, t) for instant in started)
    if not asked.status:
        return any(
            trip.customer == customer and trip.journey == asked.journey and trip.started_at <= t
            and is_recent(trip.started_at, asked.within, t)
            for trip in world.trips
        )  # fmt: skip
    return any(status in asked.status and is_recent(at, asked.within, t) for status, at in mine)


def status_of(trip: Trip, t: datetime) -> tuple[str, datetime]:
    """The status, and since when."""
    if trip.is_held_out:
        return "held_out", trip.started_at
    if trip.ended_at is None or trip.ended is None or trip.ended_at > t:
        return "active", trip.started_at
    return trip.ended, trip.ended_at


def is_recent(instant: datetime, within: timedelta | None, t: datetime) -> bool:
    return within is None or instant > t - within


def mails_fit(world: World, asked: Message, customer: int, t: datetime) -> bool:
    counted = 0
    for mail in world.mails:
        if mail.customer != customer or mail.sent_at is None or mail.sent_at > t:
            continue
        if asked.message not in ("any", mail.template):
            continue
        if asked.outcome == "sent":
            instants = [mail.sent_at]
        else:
            instants = [
                report.occurred_at
                for report in mail.reports
                if report.kind == asked.outcome and report.is_by_person(t)
                if report.occurred_at <= t and report.known_at <= t
            ]
        counted += sum(in_time(world, asked, instant, t) for instant in instants)
    return is_enough(counted, asked)


def answers_fit(world: World, asked: Answer, customer: int, t: datetime) -> bool:
    current: dict[tuple[int, str], tuple[int, int, Told]] = {}
    for arrival, told in enumerate(world.answers):
        if told.customer != customer or asked.answer not in ("any", told.survey):
            continue
        form = (told.mail, told.survey)
        is_given = told.answered_at <= t and told.counts(t)
        if is_given and current.get(form, (0,))[0] < told.revision:
            current[form] = (told.revision, arrival, told)
    given = sorted((told.answered_at, arrival, told) for _, arrival, told in current.values())
    chosen = [told for _, _, told in (given if asked.any else given[-1:])]
    fitting = [
        told
        for told in chosen
        if is_recent(told.answered_at, asked.within, t)
        if all(
            compares(told.score, name, getattr(asked, name))
            for name in NUMBER_BOUNDS
            if getattr(asked, name) is not None
        )
    ]
    return bool(fitting) == (asked.exists is not False)


def drift_fits(world: World, asked: Drift, customer: int, t: datetime) -> bool:
    for rhythm in world.rhythms:
        if rhythm.customer == customer and rhythm.clock == asked.clock:
            if asked.risk is not None and not risk_fits(rhythm.risk, asked.risk):
                return False
            names = ("active", "cooling", "drifting", "dormant", "lost")
            place = sum(instant <= t for instant in rhythm.crossings)
            if asked.drift == "new":
                return rhythm.n < 3 and names[place] != "lost"
            if asked.exactly or asked.drift == "active":
                return names[place] == asked.drift
            return place >= names.index(asked.drift)
    return False


def risk_fits(risk: float | None, asked: Risk) -> bool:
    written = [name for name in NUMBER_BOUNDS if getattr(asked, name, None) is not None]
    return risk is not None and all(compares(risk, n, getattr(asked, n)) for n in written)


def rfm_fits(world: World, asked: Rfm, customer: int, t: datetime) -> bool:
    published = [instant for instant in world.publications if instant <= t]
    if not published:
        return False
    own = purchases(world, max(published)).get(customer)
    everybody = purchases(world.as_published or world, max(published)).values()
    return own is not None and all(
        low <= fifth(own[place], [figures[place] for figures in everybody]) <= high
        for place, name in enumerate(("recency", "frequency", "monetary"))
        for low, high in [asked.rfm.asked.get(name, (1, 5))]
    )


def purchases(world: World, as_of: datetime) -> dict[int, tuple[Any, ...]]:
    """How recently, how often and for how much everybody bought who ever did."""
    bought: dict[int, list[Act]] = {}
    for act in world.acts:
        if is_goal(world, act) and max(act.occurred_at, act.known_at) <= as_of:
            bought.setdefault(act.customer, []).append(act)
    return {
        customer: (
            max(act.occurred_at for act in acts),
            len(acts),
            sum(
                Fraction(str(act.properties["a"]))
                for act in acts
                if kind_of(act.properties.get("a")) == "number"
            ),
        )
        for customer, acts in bought.items()
    }


def fifth(figure: Any, figures: list[Any]) -> int:
    """1 and one more for each of four shares that lower or equal figures leave unfilled."""
    bounds = [
        min(one for one in figures if sum(f <= one for f in figures) >= len(figures) * tenths / 10)
        for tenths in (2, 4, 6, 8)
    ]
    return 1 + len([bound for bound in bounds if figure > bound])


FITS: Mapping[type, Callable[[World, Any, int, datetime], bool]] = {
    Trend: trend_fits,
    Sequence: sequence_fits,
    InJourney: trips_fit,
    Message: mails_fit,
    Answer: answers_fit,
    Drift: drift_fits,
    Rfm: rfm_fits,
}
