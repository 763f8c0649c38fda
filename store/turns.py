"""A lock that is handed on in the order in which it was asked for."""

import threading
from collections import deque
from typing import Self


class Turn:
    """Whoever waits longest is next, so that long work in many short pieces holds nobody up.

    The thread that has its turn may ask again; it needs no second one.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._waiting: deque[tuple[int, threading.Lock]] = deque()
        self._holder: int | None = None
        self._depth = 0

    def __enter__(self) -> Self:
        me = threading.get_ident()
        with self._changing:
            if self._holder in (None, me):
                self._holder, self._depth = me, self._depth + 1
                return self
            signal = threading.Lock()
            signal.acquire()
            self._waiting.append((me, signal))
        try:
            signal.acquire()  # until it is handed to us
            return self
        except BaseException:  # a time limit: nobody waits for ever for who went away
            self._give_up(me, signal)
            raise

    def _give_up(self, me: int, signal: threading.Lock) -> None:
        with self._changing:
            if (me, signal) in self._waiting:
                self._waiting.remove((me, signal))
                return
        self.__exit__()

    def __exit__(self, *_: object) -> None:
        with self._changing:
            self._depth -= 1
            if self._depth:
                return
            if not self._waiting:
                self._holder = None
                return
            self._holder, signal = self._waiting.popleft()
            self._depth = 1
            signal.release()
