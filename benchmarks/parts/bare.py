"""The limit: the same job written by hand with the best parts, and nothing else that we do.

A due batch is claimed in SQLite by one statement, its customers are read by another, a cached
template with inlined CSS renders, links are signed once a mail, the MIME frame is fixed, mails go
out pipelined over kept connections, results are written once a batch. No permission, no history, no
mark before the last byte: what those cost is what the ratio shows.

Run as `python -m benchmarks.parts.bare PORT NOTICES MAILS SAMPLE`; prints one JSON document.
"""

import base64
import hashlib
import hmac
import json
import re
import resource
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import jinja2

from benchmarks.parts.notices import Notices

BATCH = 500
CONNECTIONS = 4
PROBES = 200
SECRET = b"benchmark"
SIGNED_LINK = re.compile(r"/([couvms])/[A-Za-z0-9_.\-]+")
FRAME = (
    "From: Shop <hello@example.com>\r\nTo: {to}\r\nSubject: {subject}\r\n"
    "Message-ID: <{id}@bench.example>\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n"
    "List-Unsubscribe: <https://shop.example/u/{token}>\r\n"
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/alternative; boundary="=_b"\r\n\r\n--=_b\r\n'
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
)
BETWEEN = (
    b"\r\n--=_b\r\nContent-Type: text/html; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n"
)
SCHEMA = """
    PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;
    CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT, name TEXT);
    CREATE TABLE steps (id INTEGER PRIMARY KEY, customer_id INTEGER, due_at INTEGER, step INTEGER);
    CREATE INDEX due ON steps (due_at) WHERE due_at IS NOT NULL;
    CREATE TABLE events (message_id TEXT PRIMARY KEY, customer_id INTEGER) WITHOUT ROWID;
    CREATE TABLE mails (step_id INTEGER PRIMARY KEY, claimed_at REAL, sent_at REAL);
"""
CLAIM = """
    UPDATE steps SET due_at = NULL
    WHERE id IN (SELECT id FROM steps WHERE due_at <= 1 ORDER BY due_at LIMIT ?)
    RETURNING id, customer_id
"""


class Mail:
    """One mail of the engine, turned back into a template: same words, same size, same links."""

    def __init__(self, sample: dict[str, str]) -> None:
        environment = jinja2.Environment(autoescape=True)
        self.html = environment.from_string(_as_template(sample["html"]))
        self.text = jinja2.Environment().from_string(_as_template(sample["text"]))
        self.subject = jinja2.Environment().from_string(_as_template(sample["subject"]))

    def build(self, step: int, email: str, name: str) -> bytes:
        """The whole mail as it goes over the wire."""
        token = _sign(step)
        values = {"name": name, "token": token}
        subject = self.subject.render(values)
        return b"".join(
            (
                FRAME.format(to=email, subject=subject, id=step, token=token).encode(),
                _in_lines(self.text.render(values)),
                BETWEEN,
                _in_lines(self.html.render(values)),
                b"\r\n--=_b--\r\n",
            )
        )


def _as_template(rendered: str) -> str:
    tokenless = SIGNED_LINK.sub(r"/\1/{{ token }}", rendered)
    return tokenless.replace("Customer Zero", "{{ name }}")


def _sign(step: int) -> str:
    digest = hmac.new(SECRET, str(step).encode(), hashlib.sha256).digest()
    return f"{step}.{base64.urlsafe_b64encode(digest[:15]).decode()}"


def _in_lines(text: str) -> bytes:
    encoded = base64.b64encode(text.encode())
    return b"\r\n".join(encoded[i : i + 76] for i in range(0, len(encoded), 76))


class Connection:
    """A kept SMTP connection that says MAIL, RCPT and DATA in one breath (RFC 2920)."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = self.socket.makefile("rb")
        self._expect(b"220")
        self.socket.sendall(b"EHLO bench\r\n")
        self._expect(b"250")

    def send(self, email: str, mail: bytes) -> None:
        envelope = f"MAIL FROM:<hello@example.com>\r\nRCPT TO:<{email}>\r\nDATA\r\n"
        self.socket.sendall(envelope.encode())
        self._expect(b"250", b"250", b"354")
        self.socket.sendall(mail + b".\r\n")
        self._expect(b"250")

    def close(self) -> None:
        self.answers.close()
        self.socket.close()

    def _expect(self, *codes: bytes) -> None:
        for code in codes:
            line = self.answers.readline()
            while line[3:4] == b"-":
                line = self.answers.readline()
            assert line.startswith(code), line


def send_batch(database: sqlite3.Connection, connections: list[Connection], mail: Mail) -> int:
    """Claim a batch, send it, write its results; how many."""
    database.execute("BEGIN IMMEDIATE")
    claimed = database.execute(CLAIM, (BATCH,)).fetchall()
    database.executemany(
        "INSERT INTO mails VALUES (?, ?, NULL)", [(step, time.monotonic()) for step, _ in claimed]
    )
    database.execute("COMMIT")
    if claimed:
        done = _send_all(connections, mail, list(_with_customers(database, claimed)))
        database.execute("BEGIN IMMEDIATE")
        database.executemany("UPDATE mails SET sent_at = ? WHERE step_id = ?", done)
        database.executemany("UPDATE steps SET step = 2 WHERE id = ?", [(s,) for _, s in done])
        database.execute("COMMIT")
    return len(claimed)


def _with_customers(
    database: sqlite3.Connection, claimed: list[tuple[int, int]]
) -> Iterator[tuple[int, str, str]]:
    wanted = json.dumps([customer for _, customer in claimed])
    query = "SELECT id, email, name FROM customers WHERE id IN (SELECT value FROM json_each(?))"
    known = {row[0]: row[1:] for row in database.execute(query, (wanted,))}
    for step, customer in claimed:
        email, name = known[customer]
        yield step, email, name


def _send_all(
    connections: list[Connection], mail: Mail, waiting: list[tuple[int, str, str]]
) -> list[tuple[float, int]]:
    done: list[tuple[float, int]] = []
    lock = threading.Lock()

    def work(connection: Connection) -> None:
        while True:
            with lock:
                if not waiting:
                    return
                step, email, name = waiting.pop()
            connection.send(email, mail.build(step, email, name))
            done.append((time.monotonic(), step))

    if len(waiting) == 1:
        work(connections[0])
        return done
    with ThreadPoolExecutor(len(connections)) as executor:
        list(executor.map(work, connections))
    return done


def make_database(folder: str, mails: int) -> sqlite3.Connection:
    """`mails` customers, each with a step that is due."""
    file = Path(folder) / "bare.db"
    database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    database.executescript(SCHEMA)
    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO customers VALUES (?, ?, ?)",
        ((n, f"c{n}@example.com", f"Customer {n}") for n in range(mails)),
    )
    database.executemany("INSERT INTO steps VALUES (?, ?, 1, 1)", ((n, n) for n in range(mails)))
    database.execute("COMMIT")
    return database


def measure_latency(
    database: sqlite3.Connection, connections: list[Connection], mail: Mail, notices: Notices
) -> float:
    """Median milliseconds from an event to its mail accepted, one at a time."""
    taken = []
    notices.forget()
    for n in range(PROBES):
        began = time.perf_counter()
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO events VALUES (?, ?)", (f"probe-{n}", n))
        database.execute("DELETE FROM mails WHERE step_id = ?", (n,))
        database.execute("UPDATE steps SET due_at = 1 WHERE id = ?", (n,))
        database.execute("COMMIT")
        send_batch(database, connections, mail)
        notices.wait()
        taken.append((time.perf_counter() - began) * 1000)
    return median(taken)


def main() -> None:
    port, notice_port, mails = (int(word) for word in sys.argv[1:4])
    mail = Mail(json.loads(Path(sys.argv[4]).read_text("utf-8")))
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(make_database(folder, mails)) as database,
        Notices(notice_port) as notices,
    ):
        connections = [Connection(port) for _ in range(CONNECTIONS)]
        began = time.perf_counter()
        while send_batch(database, connections, mail):
            pass
        seconds = time.perf_counter() - began
        latency = measure_latency(database, connections, mail, notices)
        for connection in connections:
            connection.close()
    figures: dict[str, Any] = {
        "mails_per_second": mails / seconds,
        "idle_p50_ms": latency,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bytes_per_mail": len(mail.build(0, "c0@example.com", "Customer Zero")),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
