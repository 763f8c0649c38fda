"""Random rules and random histories, small and close together so that everything collides."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from segments.conditions.operators import Operators
from segments.definition import parse_condition
from tests.segments.oracle import Act, Mail, Report, Rhythm, Said, Told, Trip, World

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)  # Berlin's clocks change in the night that follows
HOUR = timedelta(hours=1)
ZONES = (ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Riyadh"))
CUSTOMERS = (1, 2)
OWN_CHANNELS = frozenset({"web", "store", "email"})

NAMES = (
    "order.completed",
    "order.completed",
    "ticket.opened",
    "ticket.solved",
    "email.opened",
    "message.clicked",
)
PATTERNS = ("order.completed", "ORDER.Completed", "ticket.*", "*.opened", "*", "message.*")
WINDOWS = ("6 hours", "12 hours", "1 day", "36 hours", "3 days")
VALUES: tuple[Any, ...] = (
    1, 1.0, 2, 2.5, -1, "1", "pro", "Pro", "prefix", "", True, False, None, [1, "pro"], [],
    {"city": "Ā", "since": "2026-03-29"}, "2026-03-28", "2026-03-29", "2026-03-29T01:30:00+02:00",
    "2026-03-28T23:30:00", "2024-02-29", "2025-03-30", "2026-02-30",
)  # fmt: skip
PLAIN = tuple(v for v in VALUES if isinstance(v, bool | int | float | str))
JOURNEYS = ("win_back", "welcome")
MAILS = ("win_back/hello", "surveys/csat")
SURVEYS = ("csat", "nps")
RISKS = (None, 0.0, 0.4, 0.8)
NUMBERS = (-1, 0, 1, 2, 2.5)
DATES = ("2026-03-28", "2026-03-29", "2026-03-28T22:30:00Z", "today")


def moments() -> st.SearchStrategy[datetime]:
    """Whole hours within some days, most within two, so that much happens at once."""
    times = st.one_of(st.integers(-8, 8), st.integers(-60, 60))
    return times.map(lambda hours: NOON + 3 * hours * HOUR)


@st.composite
def worlds(draw: st.DrawFn, *, of_tickets: bool = False) -> World:
    """With `of_tickets` all events are openings and solutions of few tickets."""
    happening = acts(("ticket.opened", "ticket.solved"), (1, 2)) if of_tickets else acts()
    return World(
        acts=tuple(draw(st.lists(happening, min_size=1, max_size=12))),
        said=tuple(draw(st.lists(sayings(), max_size=6))),
        own_channels=OWN_CHANNELS,
        zone=draw(st.sampled_from(ZONES)),
        segments={"other": parse_condition(draw(over_facts()))},
        trips=tuple(_keyed(draw(st.lists(trips(), min_size=1, max_size=4)))),
        mails=tuple(draw(st.lists(mails(), min_size=1, max_size=3))),
        answers=tuple(draw(answers())),
        rhythms=tuple(draw(rhythms())),
        publications=tuple(draw(st.lists(moments(), max_size=2, unique=True))),
    )


@st.composite
def acts(draw: st.DrawFn, names: Sequence[str] = NAMES, values: Sequence[Any] = VALUES) -> Act:
    occurred_at = draw(moments())
    return Act(
        customer=draw(st.sampled_from(CUSTOMERS)),
        name=draw(st.sampled_from(names)),
        channel=draw(st.sampled_from(("web", "store", "email", "fax"))),
        actor=draw(st.sampled_from(("customer", "customer", "agent"))),
        occurred_at=occurred_at,
        known_at=occurred_at + draw(st.sampled_from((0, 0, 0, 3, 30, -30))) * HOUR,
        properties=draw(st.dictionaries(st.sampled_from(("a", "ä")), st.sampled_from(values))),
    )


@st.composite
def sayings(draw: st.DrawFn) -> Said:
    occurred_at = draw(moments())
    return Said(
        customer=draw(st.sampled_from(CUSTOMERS)),
        name=draw(st.sampled_from(("a", "b"))),
        value=draw(st.sampled_from(VALUES)),
        occurred_at=occurred_at,
        known_at=occurred_at + draw(st.sampled_from((0, 0, 9))) * HOUR,
    )


@st.composite
def trips(draw: st.DrawFn) -> Trip:
    started_at = draw(moments())
    ended = draw(st.sampled_from((None, None, "finished", "goal", "exited", "merged", "failed")))
    return Trip(
        customer=draw(st.sampled_from(CUSTOMERS)),
        journey=draw(st.sampled_from(JOURNEYS)),
        started_at=started_at,
        ended_at=started_at + 3 * draw(st.integers(0, 30)) * HOUR if ended else None,
        ended=ended,
        is_held_out=draw(st.booleans()),
    )


def _keyed(found: list[Trip]) -> list[Trip]:
    """No two of one customer have one key; two people's meet when they merge."""
    whose = [(trip.customer, trip.journey) for trip in found]
    return [
        replace(trip, key=str(whose[:place].count(whose[place])))
        for place, trip in enumerate(found)
    ]


@st.composite
def mails(draw: st.DrawFn) -> Mail:
    sent_at = draw(moments()) if draw(st.integers(0, 4)) else None
    return Mail(
        customer=draw(st.sampled_from(CUSTOMERS)),
        template=draw(st.sampled_from(MAILS)),
        sent_at=sent_at,
        reports=tuple(draw(st.lists(reports(sent_at or NOON), max_size=3))),
    )


@st.composite
def reports(draw: st.DrawFn, sent_at: datetime) -> Report:
    """Most come after their mail was sent, some before we know of that, late or dated ahead."""
    soon_after = st.integers(-2, 8).map(lambda times: sent_at + 3 * times * HOUR)
    kind = draw(st.sampled_from(("delivered", "opened", "clicked", "bounced")))
    occurred_at = draw(st.one_of(soon_after, soon_after, moments()))
    known_at = occurred_at + draw(st.sampled_from((0, 0, 9, -9))) * HOUR
    may_be_a_machine = kind in ("opened", "clicked")
    is_judged_anew = may_be_a_machine and known_at == occurred_at
    return Report(
        kind=kind,
        occurred_at=occurred_at,
        known_at=known_at,
        is_machine=may_be_a_machine and draw(st.booleans()),
        turned_at=draw(turns(known_at)) if is_judged_anew else None,
    )


def turns(known_at: datetime) -> st.SearchStrategy[datetime | None]:
    """When a judgement of a person or a machine is turned round, if ever."""
    later = st.integers(0, 10).map(lambda times: known_at + 3 * times * HOUR)
    return st.one_of(st.none(), later)


@st.composite
def answers(draw: st.DrawFn) -> list[Told]:
    """Revisions of one invitation come one after the other."""
    instants = sorted(draw(st.lists(moments(), min_size=1, max_size=5)))
    asked = [draw(st.sampled_from((1, 2, 3, 4))) for _ in instants]
    return [
        Told(
            customer=1 + asked[place] // 3,
            mail=asked[place],
            revision=1 + asked[:place].count(asked[place]),
            score=draw(st.integers(1, 5)),
            answered_at=instant,
            is_counted=draw(st.integers(0, 3)) > 0,
            turned_at=draw(turns(instant)),
            survey=SURVEYS[asked[place] % 2],
        )
        for place, instant in enumerate(instants)
    ]


@st.composite
def rhythms(draw: st.DrawFn) -> list[Rhythm]:
    return [
        Rhythm(
            customer,
            clock,
            n=draw(st.integers(1, 4)),
            crossings=tuple(sorted(crossings)),
            risk=draw(st.sampled_from(RISKS)),
        )
        for customer in CUSTOMERS
        for clock in ("goal", "any")
        if (crossings := draw(st.lists(moments(), min_size=4, max_size=4)))
        if draw(st.booleans())
    ]


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    made_of_it = (in_journeys(), messages(), answered(), drifts(), drifts(), places())
    return nested(st.one_of(over_facts(), *made_of_it))


def over_facts() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(counts(), figures(), edges(), traits(), trends(), sequences())


def nested(leaves: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    with_other = st.one_of(leaves, st.just({"segment": "other"}))
    return st.recursive(
        with_other,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=4,
    )


@st.composite
def subjects(draw: st.DrawFn) -> dict[str, Any]:
    """Which events are meant."""
    if draw(st.integers(0, 4)) == 0:
        meant: dict[str, Any] = {"channel": draw(st.sampled_from(("web", "email")))}
    else:
        listed = st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2)
        meant = {"event": draw(st.one_of(listed, st.just("any")))}
        if draw(st.booleans()):
            meant["channel"] = "store"
    if draw(st.integers(0, 2)) == 0:
        meant["where"] = {draw(st.sampled_from(("a", "ä", "a.city"))): draw(operators())}
    return meant


@st.composite
def windows(draw: st.DrawFn) -> dict[str, Any]:
    """A window that is not empty."""
    kind = draw(st.sampled_from(("none", "within", "older_than", "both")))
    short, long = sorted(draw(st.lists(st.integers(0, 4), min_size=2, max_size=2, unique=True)))
    return {
        "none": {},
        "within": {"within": WINDOWS[long]},
        "older_than": {"older_than": WINDOWS[short]},
        "both": {"within": WINDOWS[long], "older_than": WINDOWS[short]},
    }[kind]


@st.composite
def counts(draw: st.DrawFn) -> dict[str, Any]:
    asked = draw(subjects()) | draw(windows())
    asked |= draw(st.sampled_from(HOW_OFTEN))
    if draw(st.integers(0, 3)) == 0:
        asked |= draw(st.sampled_from(({"since": "2026-03-28"}, {"until": "2026-03-28"})))
    if "event" in asked and draw(st.integers(0, 3)) == 0:
        asked |= {"without_later": ["ticket.*", "order.completed"], "same": "a"}
    return asked


@st.composite
def tickets(draw: st.DrawFn) -> dict[str, Any]:
    """Alone, so that nothing else keeps somebody from being left out too early."""
    asked: dict[str, Any] = {"event": "ticket.opened"}
    asked |= {"without_later": ["ticket.solved"], "same": "a"} | draw(windows())
    asked |= draw(st.sampled_from(HOW_OFTEN))
    return asked


@st.composite
def figures(draw: st.DrawFn) -> dict[str, Any]:
    figure = draw(st.sampled_from(("sum_of", "average_of", "highest_of", "lowest_of", "distinct")))
    bound = draw(st.sampled_from(("at_least", "at_most", "more_than", "less_than", "exactly")))
    asked = draw(subjects()) | draw(windows())
    numbers = (1, 2) if figure == "distinct" else NUMBERS
    return asked | {figure: "a", bound: draw(st.sampled_from(numbers))}


@st.composite
def edges(draw: st.DrawFn) -> dict[str, Any]:
    window = draw(windows()) or {"within": "1 day"}
    end = draw(st.sampled_from(("first", "last")))
    asked = draw(subjects())
    if any(parse_condition(asked).where[name].moves for name in asked.get("where", ())):  # type: ignore[union-attr]
        del asked["where"]
    return asked | {end: window}


SKUS: tuple[Any, ...] = ("cheese", "wine", "Wine", "ä", "", 1, 2.5, -1, True, None, [1], {"a": 1})
KEYS = ("is", "all", "none", "0", "a b", "a-b", "a.b", "ä")  # some called as operators are
LISTED = ("a[]", "a[].is", "a[].all", "a[].0", "a[].a b", "a[].a-b", 'a[]."a.b"', "a[].ä",
          "a[][]", "a[].ä[]", "a[].ä[].is", '"a"[].none')  # fmt: skip
SINGLE = ("a.0", "a.1.is", "a.0.ä.0", "a.ä.is", 'a.0."a.b"', "a.00", "a.-1")


def elements() -> st.SearchStrategy[Any]:
    """What may stand in a list: texts, numbers, objects, lists, and nothing at all."""
    plain = st.sampled_from(SKUS)
    return st.one_of(
        plain,
        st.dictionaries(st.sampled_from(KEYS), plain, max_size=4),
        st.lists(plain, max_size=2),
        st.fixed_dictionaries(
            {"ä": st.lists(st.fixed_dictionaries({"is": plain}), max_size=2)},
            optional={"is": plain},
        ),
    )


def payloads() -> st.SearchStrategy[Any]:
    """Mostly lists, and sometimes what stands where a list is meant."""
    lists = st.lists(elements(), max_size=4)
    return st.one_of(lists, lists, elements())


@st.composite
def nested_worlds(draw: st.DrawFn) -> World:
    """Everybody's orders and traits have lists and objects inside."""
    found, payload = draw(worlds()), payloads()
    acts = [replace(act, properties={"a": draw(payload)}) for act in found.acts]
    said = [replace(one, value=draw(payload)) for one in found.said]
    return replace(found, acts=tuple(acts), said=tuple(said))


@st.composite
def inside_lists(draw: st.DrawFn) -> dict[str, Any]:
    """Counts, figures and others whose properties are asked inside lists and objects."""
    if draw(st.integers(0, 5)) == 0:
        traits_inside = st.tuples(st.sampled_from((*LISTED, *SINGLE)), undated())
        told = traits_inside.map(lambda pair: {"trait": pair[0], **pair[1]})
        return draw(told.filter(_is_possible_rule))
    asked: dict[str, Any] = draw(st.one_of(counts(), figures(), sequences()))
    if "sequence" in asked:
        asked["sequence"][0]["where"] = draw(wheres())
        return asked
    asked.pop("where", None)
    for figure in ("sum_of", "average_of", "highest_of", "lowest_of", "distinct"):
        if figure in asked:
            asked[figure] = draw(st.sampled_from((*LISTED, *SINGLE)))
    if "same" in asked:
        asked["same"] = draw(st.sampled_from(SINGLE))
    return asked | ({"where": draw(wheres())} if draw(st.booleans()) else {})


def wheres() -> st.SearchStrategy[dict[str, Any]]:
    single = st.dictionaries(st.sampled_from(SINGLE), undated(), min_size=1, max_size=1)
    several = st.dictionaries(st.sampled_from(LISTED), of_elements(), min_size=1, max_size=2)
    return st.one_of(several, several, several, single).filter(_is_possible_where)


@st.composite
def of_elements(draw: st.DrawFn) -> dict[str, Any]:
    """What is asked of the elements of a list."""
    own, figure = draw(st.booleans()), draw(st.booleans())
    asked = draw(of_one()) if own or not figure else {}
    if draw(st.booleans()):
        asked[draw(st.sampled_from(("any", "all", "none")))] = draw(of_one())
    if figure:
        name = draw(st.sampled_from(("count", "sum", "average", "highest", "lowest", "distinct")))
        bound = draw(st.sampled_from(("at_least", "at_most", "exactly", "more_than")))
        asked[name] = {bound: draw(st.sampled_from((0, 1, 2)))}
    return asked


@st.composite
def of_one(draw: st.DrawFn) -> dict[str, Any]:
    names = st.sampled_from(("is", "all", "a b", "ä[].is", "ä", "0"))
    inner = st.dictionaries(names, undated(), min_size=1, max_size=2)
    if draw(st.integers(0, 2)) == 0:
        return {"where": draw(inner.filter(_is_possible_where))}
    return draw(undated())


@st.composite
def undated(draw: st.DrawFn) -> dict[str, Any]:
    plain = st.sampled_from(tuple(v for v in SKUS if isinstance(v, bool | int | float | str)))
    number, lists = st.sampled_from(NUMBERS), st.lists(plain, min_size=1, max_size=3)
    of = {
        "is": plain, "is_not": plain, "in": lists, "not_in": lists, "contains": plain,
        "at_least": number, "less_than": number, "between": st.just([0, 2]),
        "starts_with": st.sampled_from(("c", "", "W")), "ends_with": st.sampled_from(("e", "ä")),
        "exists": st.booleans(),
    }  # fmt: skip
    name = draw(st.sampled_from(sorted(of)))
    return {name: draw(of[name])}


def _is_possible_where(asked: dict[str, Any]) -> bool:
    return _is_possible_rule({"event": "any", "where": asked})


def _is_possible_rule(asked: dict[str, Any]) -> bool:
    try:
        parse_condition(asked)
    except ValueError:
        return False
    return True


def traits() -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(("a", "b", "a.city", "a.since", "c"))
    return st.tuples(names, operators()).map(lambda pair: {"trait": pair[0], **pair[1]})


@st.composite
def operators(draw: st.DrawFn) -> dict[str, Any]:
    plain, number = st.sampled_from(PLAIN), st.sampled_from(NUMBERS)
    lists = st.lists(plain, min_size=1, max_size=3)
    text = st.sampled_from(("p", "pro", "o", "", "1"))
    window = st.sampled_from(WINDOWS)
    of = {
        "is": plain, "is_not": plain, "in": lists, "not_in": lists, "contains": plain,
        "at_least": number, "at_most": number, "more_than": number, "less_than": number,
        "between": st.just([0, 2]), "starts_with": text, "ends_with": text,
        "exists": st.booleans(), "before": st.sampled_from(DATES), "after": st.sampled_from(DATES),
        "in_last": window, "in_next": window, "anniversary_in_next": window,
    }  # fmt: skip
    chosen = draw(st.lists(st.sampled_from(sorted(of)), min_size=1, max_size=2, unique=True))
    asked = {name: draw(of[name]) for name in chosen}
    return asked if _is_possible(asked) else {chosen[0]: asked[chosen[0]]}


def _is_possible(asked: dict[str, Any]) -> bool:
    try:
        Operators.model_validate(asked)
    except ValueError:
        return False
    return True


HOW_OFTEN: tuple[dict[str, Any], ...] = (
    {}, {"at_least": 2}, {"at_most": 1}, {"exactly": 0}, {"exactly": 1}, {"between": [1, 2]},
    {"at_least": 1, "at_most": 3},
)  # fmt: skip


@st.composite
def trends(draw: st.DrawFn) -> dict[str, Any]:
    way = draw(st.sampled_from(("falls_by", "rises_by")))
    asked: dict[str, Any] = {"trend": draw(subjects()), "over": draw(st.sampled_from(WINDOWS))}
    if draw(st.booleans()):
        asked["from_at_least"] = draw(st.integers(1, 3))
    return asked | {way: draw(st.sampled_from(("33.3%", "50%", "100%")))}


@st.composite
def sequences(draw: st.DrawFn) -> dict[str, Any]:
    has_break = draw(st.booleans())
    listed = st.lists(steps(), min_size=1 if has_break else 2, max_size=3)
    asked: dict[str, Any] = {"sequence": draw(listed)}
    if has_break:
        asked["then_not"] = draw(steps())
        recent, patience = (one.get("within") for one in (asked["sequence"][0], asked["then_not"]))
        if recent and patience and WINDOWS.index(patience) >= WINDOWS.index(recent):
            del asked["then_not"]["within"]
    return asked


@st.composite
def steps(draw: st.DrawFn) -> dict[str, Any]:
    asked: dict[str, Any] = {"event": draw(st.sampled_from((*PATTERNS, "any")))}
    if draw(st.integers(0, 3)) == 0:
        asked["channel"] = "store"
    if draw(st.integers(0, 3)) == 0:
        asked["where"] = {"a": draw(st.sampled_from((1, "pro", True)))}
    if draw(st.booleans()):
        asked["within"] = draw(st.sampled_from(WINDOWS))
    return asked


@st.composite
def in_journeys(draw: st.DrawFn) -> dict[str, Any]:
    asked: dict[str, Any] = {"journey": draw(st.sampled_from(JOURNEYS))}
    statuses = ("active", "finished", "goal", "exited", "merged", "held_out")
    some = st.lists(st.sampled_from(statuses), min_size=1, max_size=3, unique=True)
    if status := draw(st.one_of(st.none(), st.just(["never"]), some)):
        asked["status"] = status
    return asked | draw(within())


def within() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(st.just({}), st.sampled_from(WINDOWS).map(lambda w: {"within": w}))


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    asked: dict[str, Any] = {"message": draw(st.sampled_from((*MAILS, "any")))}
    if outcome := draw(st.sampled_from(("", "sent", "delivered", "opened", "clicked", "bounced"))):
        asked[outcome] = True
    if draw(st.integers(0, 3)) == 0:
        asked |= draw(st.sampled_from(({"since": "2026-03-28"}, {"until": "2026-03-28"})))
    asked |= draw(windows())
    asked |= draw(st.sampled_from(HOW_OFTEN))
    return asked


@st.composite
def answered(draw: st.DrawFn) -> dict[str, Any]:
    asked: dict[str, Any] = {"answer": draw(st.sampled_from((*SURVEYS, "any")))} | draw(within())
    if draw(st.booleans()):
        asked["any"] = True
    if draw(st.integers(0, 3)) == 0:
        return asked | {"exists": draw(st.booleans())}
    bounds: tuple[dict[str, Any], ...] = (
        {}, {"at_most": 2}, {"at_least": 4}, {"between": [2, 4]}, {"more_than": 2}, {"exactly": 5},
    )  # fmt: skip
    asked |= draw(st.sampled_from(bounds))
    return asked


@st.composite
def drifts(draw: st.DrawFn) -> dict[str, Any]:
    states = ("new", "active", "cooling", "drifting", "dormant", "lost")
    asked: dict[str, Any] = {"drift": draw(st.sampled_from(states))}
    if draw(st.booleans()):
        asked["exactly"] = True
    clocks: tuple[dict[str, Any], ...] = ({}, {"clock": "any"}, {"clock": "goal"})
    asked |= draw(st.sampled_from(clocks))
    if draw(st.integers(0, 3)) == 0:
        bounds = ({"at_least": 0.4}, {"less_than": 0.8}, {"between": [0, 0.5]})
        asked["risk"] = draw(st.sampled_from(bounds))
    return asked


@st.composite
def places(draw: st.DrawFn) -> dict[str, Any]:
    fifths = st.sampled_from((1, 3, "1..2", "2..5", "3..4"))
    names = st.sampled_from(("recency", "frequency", "monetary"))
    return {"rfm": draw(st.dictionaries(names, fifths, min_size=1))}
