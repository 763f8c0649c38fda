"""A turn is handed on whatever becomes of those who wait for theirs."""

import threading

from dramatiq.middleware import TimeLimitExceeded
from dramatiq.threading import raise_thread_exception

from store.turns import Turn

PATIENCE_SECONDS = 5


def test_whoever_is_interrupted_while_waiting_passes_the_turn_on() -> None:
    turn, passed_on = Turn(), threading.Event()

    def wait_in_vain() -> None:
        try:
            with turn:
                pass
        except TimeLimitExceeded:
            pass

    def wait() -> None:
        with turn:
            passed_on.set()

    with turn:
        interrupted = waiting(turn, wait_in_vain, place=1)
        waiting(turn, wait, place=2)
        assert interrupted.ident is not None
        raise_thread_exception(interrupted.ident, TimeLimitExceeded)

    assert passed_on.wait(PATIENCE_SECONDS)


def waiting(turn: Turn, work: object, place: int) -> threading.Thread:
    """A thread that stands at this place of the queue by now."""
    assert callable(work)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while len(turn._waiting) < place:
        thread.join(0.001)
    return thread
