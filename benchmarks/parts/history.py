"""A shop's year of events, skewed as real ones are, in our tables and in narrow ones beside them.

Few customers do most, three in five lapsed at some time, and each customer's n-th opened and n-th
closed ticket bear one `ticket_id`. Every run makes the same history.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Index, insert, text

from store.session import Store
from store.tables import EPOCH, customers, event_kinds, events

NOW = EPOCH + timedelta(days=20_400)
DAY = 86_400
SEED = 7
KINDS = (
    ("page.viewed", "web"), ("app.opened", "app"), ("order.completed", "store"),
    ("ticket.opened", "ticket"), ("ticket.closed", "ticket"), ("offer.opened", "email"),
    ("offer.clicked", "email"),
)  # fmt: skip
SHARES = (0.55, 0.15, 0.06, 0.01, 0.0095, 0.15, 0.0705)
ORDERED, TICKET_OPENED, TICKET_CLOSED = 2, 3, 4
CATEGORIES = 2
ROWS_A_CHUNK = 100_000
EVENT_COLUMNS = (
    "id, customer_id, kind_id, occurred_at, received_at, known_at, message_id, source, properties"
)
Column = NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """Events in order of arrival; customers are counted from 1, kinds from 0 as in KINDS."""

    customers: int
    customer: Column
    kind: Column
    seconds: Column  # since 1970
    ticket: Column  # of the customer, counted from 1; 0 where it is no ticket

    @property
    def size(self) -> int:
        return len(self.customer)

    def recently_active(self, count: int) -> list[int]:
        """Customers among those of the newest events."""
        newest = np.unique(self.customer[-(self.size // 50) :])
        chosen = np.random.default_rng(3).choice(newest, min(count, len(newest)), replace=False)
        return sorted(int(one) for one in chosen)


def make_history(customer_count: int, event_count: int) -> History:
    chance = np.random.default_rng(SEED)
    weight = chance.pareto(1.2, customer_count) + 0.05
    customer = chance.choice(customer_count, event_count, p=weight / weight.sum()).astype(np.int64)
    has_lapsed = chance.random(customer_count) < 0.6
    lapsed_days = np.where(has_lapsed, chance.integers(0, 300, customer_count), 0)
    ago = chance.random(event_count) * (365 - lapsed_days[customer]) * DAY
    end = int((NOW - EPOCH).total_seconds())
    seconds = (end - lapsed_days[customer] * DAY - ago).astype(np.int64)
    kind = chance.choice(len(KINDS), event_count, p=SHARES).astype(np.int64)
    order = np.argsort(seconds, kind="stable")
    customer, kind, seconds = customer[order] + 1, kind[order], seconds[order]
    return History(customer_count, customer, kind, seconds, _numbered(customer, kind))


def _numbered(customer: Column, kind: Column) -> Column:
    """Which of its customer's tickets each opening and each closing is about."""
    ticket = np.zeros(len(customer), np.int64)
    for one in (TICKET_OPENED, TICKET_CLOSED):
        places = np.flatnonzero(kind == one)
        by_customer = places[np.argsort(customer[places], kind="stable")]
        owner = customer[by_customer]
        starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]]) if len(owner) else owner
        lengths = np.diff(np.r_[starts, len(owner)])
        ticket[by_customer] = np.arange(len(owner)) - np.repeat(starts, lengths) + 1
    return ticket


def store_history(store: Store, history: History) -> None:
    """Into `events` as an import would leave them, and into `ev` with the indexes it wants.

    Indexes are made afterwards, which takes a tenth of the time.
    """
    late = [i for i in events.indexes if isinstance(i, Index)]
    with store.begin() as tx:
        _add_people(tx, history)
        for index in late:
            index.drop(tx)
        tx.execute(
            text(
                "CREATE TABLE ev(id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL,"
                " kind INTEGER NOT NULL, ts BIGINT NOT NULL, ticket INTEGER NOT NULL)"
            )
        )
    for first in range(0, history.size, ROWS_A_CHUNK):
        with store.begin() as tx:
            _add_events(tx, history, first)
    with store.begin() as tx:
        _count_on(tx)
        for index in late:
            index.create(tx)
        tx.execute(text("CREATE INDEX ev_ckt ON ev(customer_id, kind, ts, ticket)"))
        tx.execute(text("CREATE INDEX ev_ktc ON ev(kind, ts, customer_id) WHERE kind IN (2, 3, 4)"))


def count_up(store: Store) -> None:
    """Let the planner know what there is, as it does after a while by itself."""
    with store.begin() as tx:
        tx.exec_driver_sql("ANALYZE")


def _count_on(tx: Connection) -> None:
    """PostgreSQL's counters know nothing of ids that came with their rows."""
    for table in (customers, event_kinds, events) if tx.dialect.name == "postgresql" else ():
        counter = f"pg_get_serial_sequence('{table.name}', 'id')"
        tx.execute(text(f"SELECT setval({counter}, (SELECT max(id) FROM {table.name}))"))


def _add_people(tx: Connection, history: History) -> None:
    for first in range(1, history.customers + 1, ROWS_A_CHUNK):
        chunk = range(first, min(first + ROWS_A_CHUNK, history.customers + 1))
        tx.execute(
            insert(customers),
            [{"id": n, "external_id": f"c{n}", "known_at": EPOCH} for n in chunk],
        )
    tx.execute(
        insert(event_kinds),
        [
            {"id": number + 1, "name": name, "channel": channel, "actor": "customer"}
            for number, (name, channel) in enumerate(KINDS)
        ],
    )


def _add_events(tx: Connection, history: History, first: int) -> None:
    rows = list(_rows(history, first, min(first + ROWS_A_CHUNK, history.size)))
    narrow = [(r[0], r[1], r[2] - 1, r[3], ticket) for r, ticket in rows]
    if tx.dialect.name == "sqlite":
        marks = ", ".join("?" * 9)
        wide = f"INSERT INTO events({EVENT_COLUMNS}) VALUES ({marks})"
        tx.exec_driver_sql(wide, [r for r, _ in rows])
        tx.exec_driver_sql("INSERT INTO ev VALUES (?, ?, ?, ?, ?)", narrow)
        return
    cursor = tx.connection.cursor()
    for into, lines in ((f"events({EVENT_COLUMNS})", (r for r, _ in rows)), ("ev", narrow)):
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for line in lines:
                copy.write_row(line)


Row = tuple[int, int, int, int, int, int, str, str, str]  # as EVENT_COLUMNS


def _rows(history: History, first: int, end: int) -> Iterator[tuple[Row, int]]:
    part = slice(first, end)
    columns = (history.customer, history.kind, history.seconds, history.ticket)
    listed = zip(*(column[part].tolist() for column in columns), strict=True)
    for number, (customer, kind, seconds, ticket) in enumerate(listed, first + 1):
        at = seconds * 1_000_000
        properties = json.dumps({"ticket_id": f"t{ticket}"}) if ticket else "{}"
        if kind == ORDERED:
            properties = _basket(number)
        row = (number, customer, kind + 1, at, at, at, f"m{number:010}", "import", properties)
        yield row, ticket


def _basket(number: int) -> str:
    """An order's properties: one category for all of it, and one to five products with the same."""
    category = f"c{number % CATEGORIES}"
    products = [
        {"sku": f"s{number % 997}-{place}", "category": category, "price": 10.5 + place}
        for place in range(1 + number % 5)
    ]
    return json.dumps({"category": category, "products": products})
