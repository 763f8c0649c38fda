"""Who is in a segment now and why, by evaluation: for the commands and the API."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, select

from rekindle.errors import NotFound, NotNow
from rekindle.services import Services
from segments.compilation import Compilation
from segments.compile import Lexicon, Scope, Subjects, compile_condition
from segments.conditions.drift import Drift
from segments.conditions.rfm import Rfm
from segments.definition import ConditionBase, walk
from segments.explain import Asked, asked_in
from segments.history import changes, day_since_1970, days
from store.customers import find_customer
from store.memberships import load_members
from store.records import CustomerId
from store.tables import customers
from workers.asking import FAULTS, refusal
from workers.drift import as_of_now
from workers.quintiles import are_quintiles_due, find_quintiles, publish_quintiles

HIGHEST_ID = 2**62
LATEST_CHANGES = 100


@dataclass(frozen=True)
class Look:
    """A connection at one instant, and what the rules mean there."""

    connection: Connection
    lexicon: Lexicon
    now: datetime

    def members(self, name: str) -> list[str]:
        """External ids of everybody in the segment, sorted as texts.

        A segment that cannot be evaluated has those whom it kept.
        """
        try:
            with self.connection.begin_nested():
                return self._evaluated(name)
        except FAULTS as error:
            refusal(error)
            return sorted(load_members(self.connection, name))

    def _evaluated(self, name: str) -> list[str]:
        rule = self.lexicon.segments[name].match
        everybody = Subjects.customers_between(1, HIGHEST_ID, self.now)
        found = compile_condition(rule, everybody, self.lexicon).subquery()
        query = (
            select(customers.c.external_id)
            .join(found, found.c.id == customers.c.id)
            .where(found.c.holds)
        )
        return sorted(self.connection.scalars(query))

    def holds(self, condition: ConditionBase, customer_id: CustomerId) -> tuple[bool, Any]:
        """Whether it holds for one customer, and when time alone may change that."""
        subjects = Subjects.customers_in([customer_id], self.now)
        row = self.connection.execute(compile_condition(condition, subjects, self.lexicon)).first()
        return (bool(row.holds), row.next_check_at) if row else (False, None)  # not known yet

    def facts(self, condition: ConditionBase, customer_id: CustomerId) -> dict[str, Any]:
        """What is so of one customer, as far as the condition asks about it."""
        subjects = Subjects.customers_in([customer_id], self.now)
        compilation = Compilation.begin(subjects, self.lexicon, Scope.HISTORY, None)
        asked = condition.facts(compilation)
        return {name: self.connection.scalar(statement) for name, statement in asked.items()}


@contextmanager
def looking(services: Services, name: str | None) -> Iterator[Look]:
    """A look at one segment, or at all. Raises NotFound for one that was not applied."""
    library, now = services.library(), services.clock.now()
    if name is not None and name not in library.segments:
        raise NotFound(f"no segment is called {name!r}.")
    lexicon = Lexicon.of(library.settings, library.segments)
    asked = [name] if name else list(library.segments)
    conditions = [condition for one in asked for condition in _parts(lexicon, one)]
    clocks = _clocks(conditions)
    if clocks or any(isinstance(condition, Rfm) for condition in conditions):
        with as_of_now(services.store, lexicon, now, clocks) as connection:
            if are_quintiles_due(connection, library, now):
                publish_quintiles(connection, find_quintiles(connection, lexicon, now), now)
            yield Look(connection, lexicon, now)
    else:
        with services.store.read() as connection:
            yield Look(connection, lexicon, now)


def _parts(lexicon: Lexicon, name: str) -> Iterator[ConditionBase]:
    """Every condition of a rule and of those it refers to."""
    ahead, seen = [name], set[str]()
    while ahead:
        one = ahead.pop()
        if one in seen or one not in lexicon.segments:
            continue
        seen.add(one)
        for _, condition in walk(lexicon.segments[one].match):
            ahead.extend(condition.named_segments)
            yield condition


def _clocks(conditions: Iterable[ConditionBase]) -> set[str]:
    """The drift clocks that are asked."""
    return {condition.clock for condition in conditions if isinstance(condition, Drift)}


def explain(look: Look, name: str, external_id: str) -> dict[str, Any]:
    """Each condition of a segment for one customer.

    Raises NotFound for a stranger, NotNow where the database refuses the rule.
    """
    customer_id = find_customer(look.connection, external_id)
    if customer_id is None:
        raise NotFound(f"no customer is called {external_id!r}.")
    try:
        rows = explained(look, name, customer_id)
    except FAULTS as error:
        raise NotNow(f"{name} cannot be evaluated: {refusal(error).reason}.") from error
    return {
        "segment": name,
        "customer": external_id,
        "holds": rows[0]["holds"],
        "next_check_at": rows[0]["next_check_at"],
        "sentence": look.lexicon.segments[name].match.sentence,
        "conditions": rows,
    }


def explained(look: Look, name: str, customer_id: CustomerId) -> list[dict[str, Any]]:
    """Every condition of a segment's rule for one customer, the whole rule first; those of a
    segment that it refers to below the condition that names it.
    """
    return [_document(look, asked, customer_id) for asked in asked_in(name, look.lexicon.segments)]


def history(look: Look, name: str) -> dict[str, Any]:
    """How the segment's size went, by days of the brand on which it changed, and who came or left
    last; as it was told by then.
    """
    told = look.connection.execute(days(name, look.now, look.lexicon.zone)).all()
    sizes = accumulate(row.entered - row.left for row in told)
    last = look.connection.execute(changes(name, look.now, LATEST_CHANGES))
    return {
        "history": [
            {
                "day": day_since_1970(row.since_1970),
                "size": size,
                "entered": row.entered,
                "left": row.left,
            }
            for row, size in zip(told, sizes, strict=True)
        ],
        "changes": [
            {
                "customer": row.external_id or "",
                "change": row.name.partition(".")[2],
                "at": row.at,
                "cause": row.cause,
            }
            for row in last
        ],
    }


def _document(look: Look, asked: Asked, customer_id: CustomerId) -> dict[str, Any]:
    condition, (holds, next_check_at) = asked.condition, look.holds(asked.condition, customer_id)
    written = condition.model_dump(mode="json", by_alias=True, exclude_unset=True)
    facts = look.facts(condition, customer_id)
    has_parts = bool(condition.children())
    return {
        "condition": {condition.kind: "…"} if has_parts else written,
        "segment": asked.segment,
        "depth": asked.depth,
        "words": f"{condition.kind}:" if has_parts else condition.sentence,
        "holds": holds,
        "facts": facts,
        "told": condition.tell(facts),
        "lacks": "" if holds else condition.lacks(facts),
        "next_check_at": next_check_at,
    }
