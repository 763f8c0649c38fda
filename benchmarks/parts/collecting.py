"""The limit for ingest: a hand-written application that does the least a durable answer takes.

One Starlette handler parses the JSON and queues its events; one writer thread puts whatever is
queued into one SQLite transaction, deduplicates by message id, and answers after the commit. No
identities, no traits, no kinds of events, nothing for segments to hear: what those cost is what
the ratio shows.

Run as `python -m benchmarks.parts.collecting PORT FOLDER`; serves until it is terminated.
"""

import asyncio
import base64
import json
import queue
import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MOST_REQUESTS = 500  # in one commit
SCHEMA = """
    PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE events (
        message_id TEXT PRIMARY KEY, user_id TEXT, name TEXT, occurred_at TEXT, properties TEXT
    ) WITHOUT ROWID;
"""
INSERT = "INSERT INTO events VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
Parcel = tuple[Sequence[dict[str, Any]], asyncio.AbstractEventLoop, "asyncio.Future[None]"]


def write_on(file: Path, parcels: "queue.SimpleQueue[Parcel]") -> None:
    """Commit what is queued, again and again; tell the waiting in one wake-up a commit."""
    database = sqlite3.connect(file, isolation_level=None)
    database.executescript(SCHEMA)
    while True:
        taken = [parcels.get()]
        while len(taken) < MOST_REQUESTS and not parcels.empty():
            taken.append(parcels.get())
        database.execute("BEGIN")
        database.executemany(INSERT, [_row(event) for events, _, _ in taken for event in events])
        database.execute("COMMIT")
        taken[0][1].call_soon_threadsafe(_tell, [stored for _, _, stored in taken])


def _row(event: dict[str, Any]) -> tuple[str, str, str, str, str]:
    properties = json.dumps(event["properties"])
    return event["messageId"], event["userId"], event["event"], event["timestamp"], properties


def _tell(waiting: Sequence["asyncio.Future[None]"]) -> None:
    for stored in waiting:
        if not stored.done():
            stored.set_result(None)


def make_app(file: Path) -> Starlette:
    parcels: queue.SimpleQueue[Parcel] = queue.SimpleQueue()
    threading.Thread(target=write_on, args=(file, parcels), daemon=True).start()

    async def take(request: Request) -> Response:
        key = base64.b64decode(request.headers["authorization"].partition(" ")[2])
        assert key == b"benchmark:"
        document = json.loads(await request.body())
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        parcels.put((document.get("batch") or [document], loop, stored))
        await stored
        return Response(b'{"success":true}', media_type="application/json")

    return Starlette(routes=[Route("/v1/{kind}", take, methods=["POST"])])


if __name__ == "__main__":
    uvicorn.run(
        make_app(Path(sys.argv[2]) / "limit.db"),
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        lifespan="off",
    )
