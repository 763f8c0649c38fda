"""Who is in a segment now and why, by evaluation: for the commands and the API."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from rekindle.errors import NotFound
from rekindle.services import Services
from segments.compile import Lexicon, Subjects, compile_condition
from segments.conditions.drift import Drift
from segments.conditions.rfm import Rfm
from segments.definition import ConditionBase, walk
from store.customers import find_customer
from store.records import CustomerId
from store.tables import customers
from workers.drift import as_of_now
from workers.quintiles import are_quintiles_due, find_quintiles, publish_quintiles

HIGHEST_ID = 2**62


@dataclass(frozen=True)
class Look:
    """A connection at one instant, and what the rules mean there."""

    connection: Connection
    lexicon: Lexicon
    now: datetime

    def members(self, name: str) -> list[str]:
        """External ids of everybody in the segment, sorted as texts."""
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
        row = self.connection.execute(compile_condition(condition, subjects, self.lexicon)).one()
        return bool(row.holds), row.next_check_at


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
    """Each condition of a segment for one customer. Raises NotFound for a stranger."""
    customer_id = find_customer(look.connection, external_id)
    if customer_id is None:
        raise NotFound(f"no customer is called {external_id!r}.")
    rows = explained(look, name, customer_id)
    holds = rows[0]["holds"]
    return {"segment": name, "customer": external_id, "holds": holds, "conditions": rows}


def explained(look: Look, name: str, customer_id: CustomerId) -> list[dict[str, Any]]:
    """Every condition of a segment's rule for one customer, the whole rule first."""
    return [
        _explained(look, condition, customer_id, depth=sum(isinstance(part, str) for part in place))
        for place, condition in walk(look.lexicon.segments[name].match)
    ]


def _explained(
    look: Look, condition: ConditionBase, customer_id: CustomerId, *, depth: int
) -> dict[str, Any]:
    holds, next_check_at = look.holds(condition, customer_id)
    written = condition.model_dump(mode="json", by_alias=True, exclude_unset=True)
    shown = {condition.kind: "…"} if condition.children() else written
    return {"condition": shown, "depth": depth, "holds": holds, "next_check_at": next_check_at}
