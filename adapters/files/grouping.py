"""Rows of one order, wherever they stand in a file, together."""

import pickle
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from hashlib import blake2b
from itertools import groupby
from typing import Any

from adapters.files.base import Line
from adapters.ordinals import Ordinals

MOST_APART = 100_000  # keys that are remembered; where more stand apart, every row is set aside
Key = tuple[str, ...]
KeyOf = Callable[[Mapping[str, Any]], Key]


def group_rows(read: Callable[[], Iterable[Line]], key_of: KeyOf) -> Iterator[list[Line]]:
    """Yield the rows of each key together; what is no row, or has no key, stands alone.

    Most files have them as neighbours. Those that stand apart are set aside in a temporary
    database, which is no burden on memory, and come last.
    """
    apart = _find_apart(read(), key_of)
    group: list[Line] = []
    current: Key | None = None
    with closing(_Shelf()) as shelf:
        for line in read():
            key = _key(line, key_of)
            if key != current and group:
                yield group
                group = []
            current = key
            if key is None:
                yield [line]
            elif apart is None or _digest(key) in apart:
                shelf.put(key, line)
            else:
                group.append(line)
        if group:
            yield group
        yield from shelf.groups()


def _find_apart(lines: Iterable[Line], key_of: KeyOf) -> set[str] | None:
    """Return the digests of keys whose rows are not all neighbours; None if they are too many."""
    seen, apart = Ordinals(), set[str]()
    last: Key | None = None
    for line in lines:
        key = _key(line, key_of)
        if key is not None and key != last and seen.next(digest := _digest(key)) > 1:
            apart.add(digest)
            if len(apart) > MOST_APART:
                return None
        last = key
    return apart


def _key(line: Line, key_of: KeyOf) -> Key | None:
    key = key_of(line.row) if line.row is not None else ()
    return key if key and all(key) else None


def _digest(key: Key) -> str:
    return blake2b("\0".join(key).encode("utf-8", "replace"), digest_size=8).hexdigest()


class _Shelf:
    """Rows by their keys, in a temporary file that is gone with the process."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute("CREATE TABLE rows (key TEXT, number INTEGER, line BLOB)")
        self._rows.execute("BEGIN")

    def put(self, key: Key, line: Line) -> None:
        values = ("\0".join(key), line.number, pickle.dumps(line.row))
        self._rows.execute("INSERT INTO rows VALUES (?, ?, ?)", values)

    def groups(self) -> Iterator[list[Line]]:
        rows = self._rows.execute("SELECT key, number, line FROM rows ORDER BY key, number")
        for _, group in groupby(rows, key=lambda row: row[0]):
            yield [Line(number, pickle.loads(line)) for _, number, line in group]

    def close(self) -> None:
        self._rows.close()
