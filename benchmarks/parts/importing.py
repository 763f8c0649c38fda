"""One import in a process of its own: `python -m benchmarks.parts.importing SIDE KIND FILE`."""

import csv
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

from adapters.files.packing import Source
from rekindle.cli.importing import Wishes, import_file, prepare_file
from rekindle.clock import FixedClock
from rekindle.garbage import spare_what_stays
from rekindle.migrating import upgrade
from rekindle.services import open_services
from store.session import Store

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
EVENTS = """
INSERT INTO events (customer_id, kind_id, occurred_at, received_at, known_at, message_id, source,
 properties) VALUES (?, 1, ?, ?, ?, ?, 'import', ?)
"""
CUSTOMERS = "INSERT INTO customers (external_id, known_at) VALUES (?, 0)"
LINKS = """
INSERT INTO identities (kind, value, customer_id, known_at) VALUES ('email', ?, ?, 0)
"""
CHANGES = "INSERT INTO pending_changes (customer_id, event_id, is_evaluated) VALUES (?, ?, 0)"
TRAITS = """
INSERT INTO traits (customer_id, name, value, occurred_at, known_at)
VALUES (?, ?, ?, 0, 0)
"""


def main() -> None:
    side, kind, file = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as temporary:
        database = Path(temporary) / "rekindle.db"
        store = Store(f"sqlite:///{database}")
        upgrade(store)
        store.close()
        seconds, stored = (ours if side == "ours" else limit)(kind, file, database)
    status = Path("/proc/self/status").read_text("ascii")  # `ru_maxrss` is also the parent's
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak, "stored": stored}))


def ours(_kind: str, file: Path, database: Path) -> tuple[float, int]:
    services = open_services(
        database.parent, FixedClock(NOW), database=f"sqlite:///{database}", environment={}
    )
    spare_what_stays()  # as the command does
    begun = time.process_time()
    prepared = prepare_file(Source(file), Wishes(), services.settings)
    outcome = import_file(services, prepared, lambda _line: None)
    seconds = time.process_time() - begun
    services.close()
    return seconds, outcome.progress.accepted


def limit(kind: str, file: Path, database: Path) -> tuple[float, int]:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        begun = time.process_time()
        count = _customers(connection, file) if kind == "customers" else _events(connection, file)
        connection.commit()
        return time.process_time() - begun, count


def _events(connection: sqlite3.Connection, file: Path) -> int:
    known = int(NOW.timestamp() * 10**6)
    people: dict[str, int] = {}
    rows = []
    for row in _rows(file):
        customer = people.setdefault(str(row.pop("customer_id")), len(people) + 1)
        del row["event"]
        at = datetime.fromisoformat(str(row.pop("occurred_at")))
        micros = int(at.timestamp() * 10**6)
        properties = json.dumps(row)
        digest = blake2b(f"{customer} {micros} {properties}".encode(), digest_size=16).hexdigest()
        rows.append((customer, micros, known, micros, f"row:{digest}:1", properties))
    connection.executemany(CUSTOMERS, ((external_id,) for external_id in people))
    connection.executemany(EVENTS, rows)
    changes = ((row[0], number) for number, row in enumerate(rows, start=1))
    connection.executemany(CHANGES, changes)
    return len(rows)


def _customers(connection: sqlite3.Connection, file: Path) -> int:
    rows = list(enumerate(_rows(file), start=1))
    connection.executemany(CUSTOMERS, ((row["customer_id"],) for _, row in rows))
    connection.executemany(LINKS, ((row["email"], number) for number, row in rows))
    traits = (
        (number, name, json.dumps(value))
        for number, row in rows
        for name, value in row.items()
        if name != "customer_id"
    )
    connection.executemany(TRAITS, traits)
    connection.executemany(CHANGES, ((number, None) for number, _ in rows))
    return len(rows)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".parquet":
        yield from import_module("pyarrow.parquet").read_table(file).to_pylist()
        return
    with file.open(encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text) if file.suffix == ".csv" else map(json.loads, text)


if __name__ == "__main__":
    main()
