"""Which kinds of events a rule means: names and globs, own activity, the two drift clocks."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Select, and_, or_, select

from segments.lexicon import Lexicon
from store.records import Actor
from store.tables import event_kinds

# what we write ourselves; only a pattern that begins with the literal noun means these
OUR_NOUNS = ("customer", "message", "segment", "enrollment", "survey")
ESCAPE = "\\"


def kinds_named(names: Iterable[str], channel: str | None = None) -> Select[int]:
    """Ids of kinds with one of these names or globs, on one channel or all."""
    matching = or_(*(_is_named(name) for name in names))
    on = [event_kinds.c.channel == channel] if channel else []
    return select(event_kinds.c.id).where(matching, *on)


def own_kinds(lexicon: Lexicon, channel: str | None = None) -> Select[int]:
    """Ids of kinds that are a customer's own activity, on one channel or all of theirs."""
    on = [event_kinds.c.channel == channel] if channel else []
    return select(event_kinds.c.id).where(
        event_kinds.c.actor == Actor.CUSTOMER,
        event_kinds.c.channel.in_(sorted(lexicon.own_channels)),
        *(~_begins_with(f"{noun}.") for noun in OUR_NOUNS),
        # mails that were delivered or opened are not acts; a reply is
        or_(event_kinds.c.name == "email.replied", ~_begins_with("email.")),
        *on,
    )


def goal_kinds(lexicon: Lexicon) -> Select[int]:
    """Ids of kinds that are what the shop lives from, done by customers."""
    return kinds_named(lexicon.goal_events).where(event_kinds.c.actor == Actor.CUSTOMER)


def clock_kinds(lexicon: Lexicon, clock: str) -> Select[int]:
    """Ids of kinds that wind a drift clock: `goal` or `any`."""
    return goal_kinds(lexicon) if clock == "goal" else own_kinds(lexicon)


def _is_named(name: str) -> ColumnElement[bool]:
    if "*" not in name:
        return event_kinds.c.name == name
    literal_beginning = name.split("*", 1)[0]
    like = event_kinds.c.name.like(_as_like(name), escape=ESCAPE)
    if "." in literal_beginning:
        return like
    return and_(like, *(~_begins_with(f"{noun}.") for noun in OUR_NOUNS))


def _begins_with(text: str) -> ColumnElement[bool]:
    return event_kinds.c.name.like(_as_like(text) + "%", escape=ESCAPE)


def _as_like(glob: str) -> str:
    for special in (ESCAPE, "%", "_"):
        glob = glob.replace(special, ESCAPE + special)
    return glob.replace("*", "%")
