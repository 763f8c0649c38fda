"""Which news concerns which segments: what a rule never asks about need not be looked at again."""

from collections.abc import Mapping, Sequence

from rekindle.workspace.library import Library
from segments.definition import walk
from store.pending import Change, FreshEvent
from store.records import CustomerId

# our own events: no channel or clock counts them, and only a rule that names them hears them
OURS = frozenset({"message", "survey", "enrollment", "segment"})
ANYTHING = "*"  # a customer row, a consent or a merge: whatever a rule may ask

News = Mapping[CustomerId, frozenset[str]]  # the nouns of what happened to each customer


def news_in(changes: Sequence[Change], fresh: Sequence[FreshEvent]) -> News:
    """What happened to whom, among what no pass has seen yet."""
    nouns = {one.id: one.name.partition(".")[0] for one in fresh}
    found: dict[CustomerId, set[str]] = {}
    for one in changes:
        if not one.is_evaluated:
            noun = ANYTHING if one.event_id is None else nouns.get(one.event_id, ANYTHING)
            found.setdefault(one.customer_id, set()).add(noun)
    return {id_: frozenset(theirs) for id_, theirs in found.items()}


def concerned(news: News, heard: frozenset[str]) -> list[CustomerId]:
    """The customers about whom there is news beyond our own events, or of the nouns `heard`."""
    return sorted(id_ for id_, nouns in news.items() if nouns - OURS or nouns & heard)


def heard_by_clocks(library: Library) -> frozenset[str]:
    """Of our own nouns those that a goal names, or a segment that reads the clocks: an event that
    was dated ahead may have come, of which only the clocks themselves know.
    """
    goals = {goal.lower().partition(".")[0] for goal in library.settings.activity.goal}
    heard = (heard_by(library, name) for name in library.reading_drift)
    return OURS & goals.union(*heard)


def heard_by(library: Library, segment: str) -> frozenset[str]:
    """Of our own nouns those that a segment asks about, or one that it refers to."""
    nouns: set[str] = set()
    for name in library.reaches(segment):
        for _, condition in walk(library.segments[name].match):
            nouns |= condition.heard_nouns
    return OURS & nouns
