"""Files to import: orders and customers as a shop has them, always the same for a size."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from random import Random

KINDS = ("csv_events", "jsonl_events", "parquet_events", "customers")
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
CITIES = ("Ulm", "Köln", "Riyadh", "Lyon", "Graz")
SKUS = ("tea-100", "mug-blue", "filter-40", "kettle-s")
Row = dict[str, object]


def rows_of(kind: str, count: int) -> Iterator[Row]:
    """Each customer has ten orders; nothing is equal."""
    chance = Random(7)
    for number in range(count):
        if kind == "customers":
            yield {
                "customer_id": f"c{number}",
                "email": f"person{number}@example.com",
                "first_name": f"Name{number % 997}",
                "city": chance.choice(CITIES),
                "plan": chance.choice(("free", "gold")),
                "points": chance.randrange(1_000),
            }
        else:
            at = BEGIN + timedelta(seconds=number * 31_000_000 // max(count, 1))
            yield {
                "customer_id": f"c{number % max(count // 10, 1)}",
                "event": "order.completed",
                "occurred_at": at.isoformat().replace("+00:00", "Z"),
                "order_id": f"{100_000 + number}",
                "total": round(chance.uniform(3, 300), 2),
                "sku": chance.choice(SKUS),
                "quantity": chance.randrange(1, 5),
            }


def write_file(kind: str, folder: Path, count: int) -> Path:
    """A file of `count` rows."""
    rows = rows_of(kind, count)
    if kind == "jsonl_events":
        path = folder / "events.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        return path
    if kind == "parquet_events":
        path = folder / "events.parquet"
        table = import_module("pyarrow").Table.from_pylist(list(rows))
        import_module("pyarrow.parquet").write_table(table, path)
        return path
    path = folder / f"{kind}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        first = next(rows)
        writer = csv.DictWriter(file, first.keys())
        writer.writeheader()
        writer.writerow(first)
        writer.writerows(rows)
    return path
