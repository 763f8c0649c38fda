"""Which clock counts, and what a wrong one of this machine may do to it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event, Timer

import pytest

from rekindle.clock import DatabaseTime, FixedClock, RunningClock, SystemClock, based_on, wall_now
from rekindle.errors import StoreUnavailable
from store.session import Store

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Server:
    """A database server whose time, and whose being there, a test sets."""

    def __init__(self) -> None:
        self.at: datetime | None = NOON
        self.asked = 0
        self.forward = 0.0

    def tell(self) -> datetime:
        self.asked += 1
        if self.at is None:
            raise StoreUnavailable("gone")
        return self.at

    def pass_(self, seconds: float) -> None:
        self.forward += seconds
        if self.at is not None:
            self.at += seconds * SECOND

    @property
    def time(self) -> DatabaseTime:
        return DatabaseTime(self.tell, lambda: self.forward)


def test_it_is_asked_once_a_second_and_runs_on_in_between():
    server = Server()
    time = server.time
    found = []
    for _ in range(10):
        found.append(time())
        server.pass_(0.25)

    assert found == [NOON + number * SECOND / 4 for number in range(10)]
    assert server.asked == 3


def test_it_follows_the_server_when_its_clock_is_set():
    server = Server()
    time = server.time
    time()
    server.at = NOON - timedelta(days=1)

    server.pass_(1)

    assert time() == NOON - timedelta(days=1) + SECOND


def test_it_runs_on_while_the_server_is_away_and_is_asked_no_more_often():
    server = Server()
    time = server.time
    time()
    server.at = None
    server.pass_(5)

    assert [time(), time()] == [NOON + 5 * SECOND] * 2
    assert server.asked == 2


def test_without_a_server_there_is_no_time_yet():
    server = Server()
    server.at = None

    with pytest.raises(StoreUnavailable):
        server.time()


def test_a_servers_start_is_where_it_was_told_to_whatever_this_machine_shows():
    told = RunningClock.started_at(NOON, lambda: wall_now() + timedelta(days=1))

    clock = based_on(lambda: NOON - timedelta(days=300), told)

    assert (clock.now(), clock.wall()) == (NOON, NOON - timedelta(days=300))


@pytest.mark.parametrize("clock", [SystemClock(), FixedClock(NOON), RunningClock(SECOND)])
def test_every_clock_takes_real_time_from_its_source(clock: SystemClock):
    assert based_on(lambda: NOON, clock).wall() == NOON


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Store]:
    opened = Store(postgres_url)
    yield opened
    opened.close()


def test_the_time_of_a_database_server_is_read_from_it(postgres: Store):
    assert abs(postgres.current_time() - wall_now()) < timedelta(minutes=1)
    assert postgres.current_time().tzinfo is UTC


def test_who_asks_while_somebody_asks_for_the_first_time_waits_for_the_answer():
    began, answering = Event(), Event()

    def ask() -> datetime:
        began.set()
        answering.wait(5)
        return NOON

    time = DatabaseTime(ask, lambda: 0.0)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(time)
        began.wait(5)
        second = pool.submit(time)
        Timer(0.1, answering.set).start()

        assert [first.result(5), second.result(5)] == [NOON, NOON]
