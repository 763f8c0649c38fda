"""The segment of the benchmark as somebody would write it by hand in SQL, for this one rule.

It says who is in, and not when to look again. Kinds are numbers that the writer looked up; once
over our own tables, once over `ev`, a narrow table with the indexes that this rule wants.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from benchmarks.parts.history import DAY, NOW
from store.tables import microseconds

AT = microseconds(NOW)
SINCE_90, SINCE_21 = AT - 90 * DAY * 10**6, AT - 21 * DAY * 10**6


@dataclass(frozen=True)
class Words:
    """What the columns of a table of events are called, and which numbers its kinds have."""

    table: str
    kind: str
    at: str
    ticket: str  # with {} for the alias
    first_kind: int

    def happened(self, alias: str, *kinds: int) -> str:
        numbers = ", ".join(str(self.first_kind + kind) for kind in kinds)
        is_meant = f"= {numbers}" if len(kinds) == 1 else f"IN ({numbers})"
        is_past = f"{alias}.{self.at} <= {AT}"
        return f"{self.table} {alias} WHERE {alias}.{self.kind} {is_meant} AND {is_past}"


def words_of(dialect: str) -> tuple[Words, Words]:
    """Ours, and the narrow ones."""
    json = "json_extract({}.properties, '$.ticket_id')"
    ticket = "{}.properties ->> 'ticket_id'" if dialect == "postgresql" else json
    return (
        Words("events", "kind_id", "occurred_at", ticket, 1),
        Words("ev", "kind", "ts", "{}.ticket", 0),
    )


def everybody(connection: Connection, words: Words) -> dict[str, Callable[[], set[int]]]:
    """Each way to ask about all customers."""
    ways = {
        "probes": _probes(words, "customers"),
        "seeds": _seeds(words),
        "scan": _scan(words),
    }
    return {way: _asking(connection, sql) for way, sql in ways.items()}


def some(connection: Connection, words: Words, ids: Sequence[int]) -> Callable[[], set[int]]:
    """Probes for these customers."""
    listed = f"(SELECT value AS id FROM json_each('{list(ids)}'))"
    if connection.dialect.name == "postgresql":
        listed = f"(SELECT unnest(ARRAY{list(ids)}) AS id)"
    return _asking(connection, _probes(words, listed))


def _asking(connection: Connection, sql: str) -> Callable[[], set[int]]:
    return lambda: {row[0] for row in connection.exec_driver_sql(sql)}


def _probes(words: Words, source: str) -> str:
    own = f"e.customer_id = c.id AND e.{words.at} > {SINCE_90}"
    bought = f"SELECT 1 FROM {words.happened('e', 2)} AND {own} LIMIT 2"
    return (
        f"SELECT c.id FROM {source} c WHERE (SELECT count(*) FROM ({bought}) z) = 2"
        f" AND {' AND '.join(_inactive(words, 'c.id'))} AND {_settled(words, 'c.id')}"
    )


def _seeds(words: Words) -> str:
    bought = (
        f"SELECT e.customer_id FROM {words.happened('e', 2)} AND e.{words.at} > {SINCE_90}"
        " GROUP BY e.customer_id HAVING count(*) >= 2"
    )
    own = "p.customer_id"
    return (
        f"SELECT {own} FROM ({bought}) p"
        f" WHERE {' AND '.join(_inactive(words, own))} AND {_settled(words, own)}"
    )


def _scan(words: Words) -> str:
    first, kind, at = words.first_kind, f"e.{words.kind}", f"e.{words.at}"
    bought = f"CASE WHEN {kind} = {first + 2} AND {at} > {SINCE_90} THEN 1 ELSE 0 END"
    acted = f"CASE WHEN {kind} IN ({first}, {first + 1}) AND {at} > {SINCE_21} THEN 1 ELSE 0 END"
    candidates = (
        f"SELECT e.customer_id FROM {words.table} e WHERE {at} <= {AT}"
        f" GROUP BY e.customer_id HAVING sum({bought}) >= 2 AND sum({acted}) = 0"
    )
    return f"SELECT p.customer_id FROM ({candidates}) p WHERE {_settled(words, 'p.customer_id')}"


def _inactive(words: Words, own: str) -> Iterator[str]:
    for kind in (0, 1):
        acted = (
            f"{words.happened('a', kind)} AND a.customer_id = {own} AND a.{words.at} > {SINCE_21}"
        )
        yield f"NOT EXISTS (SELECT 1 FROM {acted})"


def _settled(words: Words, own: str) -> str:
    """No ticket that was opened has no later closing of the same ticket."""
    is_same = f"{words.ticket.format('x')} = {words.ticket.format('o')}"
    is_later = f"(x.{words.at} > o.{words.at} OR x.{words.at} = o.{words.at} AND x.id > o.id)"
    closed = f"{words.happened('x', 4)} AND x.customer_id = {own} AND {is_same} AND {is_later}"
    opened = f"{words.happened('o', 3)} AND o.customer_id = {own}"
    return f"NOT EXISTS (SELECT 1 FROM {opened} AND NOT EXISTS (SELECT 1 FROM {closed}))"
