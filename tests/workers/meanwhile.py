"""Something that another process commits at one chosen point of what a shop does."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.exc import OperationalError

from store.session import Store
from tests.shop import Shop

A_MOMENT = "SET LOCAL lock_timeout = '20ms'"


class Meanwhile:
    """Does `act` in a transaction of another connection at the point with this number, from 0.

    A point is a statement; on SQLite, which has one writer, one outside of writing transactions.
    Where `act` would have to wait for the work, it comes at the next point.
    """

    def __init__(self, shop: Shop, act: Callable[[Connection], object], point: int) -> None:
        self.act, self.point = act, point
        self.passed = 0
        self.is_done = False
        self.store = shop.services.store
        self.other = Store(shop.url)
        self._writing = 0
        self._begin = self.store.begin

    def __enter__(self) -> "Meanwhile":
        self.store.begin = self._begun  # type: ignore[method-assign]  # of this one
        for engine in self._engines:
            event.listen(engine, "before_cursor_execute", self._stated)
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self._engines:
            event.remove(engine, "before_cursor_execute", self._stated)
        self.store.begin = self._begin  # type: ignore[method-assign]
        self.other.close()

    @property
    def _engines(self) -> set[Any]:
        return {self.store._writer, self.store._reader}

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        self._pass()
        whole: AbstractContextManager[Connection] = self._begin()
        with whole as tx:
            self._writing += 1
            try:
                yield tx
            finally:
                self._writing -= 1
        self._pass()

    def _stated(self, *_: object) -> None:
        self._pass()

    def _pass(self) -> None:
        if self.is_done or (self.store.is_sqlite and self._writing):
            return
        if self.passed >= self.point:
            self._do()
        self.passed += 1

    def _do(self) -> None:
        self.is_done = True
        try:
            with self.other.begin() as tx:
                if not self.store.is_sqlite:
                    tx.execute(text(A_MOMENT))
                self.act(tx)
        except OperationalError:  # it waits for what the work holds
            self.is_done = False
