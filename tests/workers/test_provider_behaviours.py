"""What providers do, through the real worker: nothing is lost, nothing comes twice, the alarm names
the provider, and `why` tells it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

import pytest

from adapters.email.base import EmailAdapter
from adapters.email.sendgrid import SendGrid
from adapters.email.smtp import Smtp
from adapters.email.smtp_session import Timeouts
from rekindle.cli.why_message import find_chain
from rekindle.settings import SendGrid as SendGridSettings
from rekindle.settings import Smtp as SmtpSettings
from store.alarms import PROVIDER, load_standing
from store.suppressions import find_suppressed
from tests.email_server import (
    DRIP,
    DROP,
    GARBAGE,
    RESET,
    SILENCE,
    Answer,
    Limit,
    Provider,
    SendGridServer,
    SmtpServer,
)
from tests.shop import LAYOUT, SETTINGS, Shop
from tests.workers.journeys import write_journey
from tests.workers.providers import rows
from workers.channels import ChannelPool
from workers.schedule import work_off

CUSTOMERS = 10
LONGEST_PAUSE = timedelta(minutes=20)
SHORT = Timeouts(session=0.2, envelope=0.2, content=0.2, last_reply=0.2)


@pytest.fixture
def name() -> str:
    """Of the provider, where a test does not say another."""
    return "smtp"


@dataclass(frozen=True)
class Row:
    """A provider in trouble, and what is told of it meanwhile."""

    name: str
    is_told: str  # by `why` of emails that wait; empty where none do
    says: Mapping[str, Answer] = field(default_factory=dict)
    then: Answer | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    offers: tuple[str, ...] = ("PIPELINING",)
    per_connection: int | None = None
    most_connections: int | None = None
    is_alarmed: bool = True  # where something is told


SMTP_ROWS = [
    Row("closes at once", "cannot be reached", {"greeting": DROP}),
    Row("never greets", "cannot be reached", {"greeting": SILENCE}),
    Row("drips", "cannot be reached", {"greeting": DRIP}),
    Row("garbage", "cannot be reached", {"mail": GARBAGE}),
    Row("shuts down", "in trouble", {"greeting": "421 4.3.2 shutting down"}),
    Row("shuts down at MAIL", "in trouble", {"mail": "421 4.3.2 shutting down"}),
    Row("no STARTTLS", "no encrypted connection", settings={"tls": "starttls"}),
    Row("a wrong password", "credentials", {"auth": "535 5.7.8 no"},
        settings={"user": "ana", "password": "x"}, offers=("AUTH PLAIN",)),
    Row("the day's limit", "limit is used up", {"end": "550 5.4.5 Daily sending limit exceeded"}),
    Row("the hour's limit", "at this rate", {"end": "554 5.7.0 hourly limit exceeded"}),
    Row("a rate", "at this rate", {"rcpt": "450 4.7.0 Transmit rate limit exceeded"}),
    Row("denies relay", "as a sender", {"rcpt": "554 5.7.1 Relay access denied"}),
    Row("hangs up before DATA", "cannot be reached", {"rcpt": DROP}),
    Row("silent at DATA", "cannot be reached", {"data": SILENCE}),
    Row("250 to DATA", "cannot be reached", {"data": "250 ok"}),
    Row("greylists", "Greylisted", {"rcpt": "450 4.2.0 Greylisted, try again in 300 seconds"},
        is_alarmed=False),
    Row("4xx to all", "not now", {"end": "451 4.6.0 not now"}, is_alarmed=False),
    Row("took them and hung up", "cannot be reached", then=DROP),
    Row("took them and said nothing", "cannot be reached", then=SILENCE),
    Row("took them and dripped", "cannot be reached", then=DRIP),
    Row("took none and hung up after the dot", "cannot be reached", {"end": DROP}),
    Row("two a connection", "", per_connection=2),
    Row("one connection", "", most_connections=1),
    Row("is well", ""),
]  # fmt: skip
API_ROWS = [
    Row("wrong key", "credentials", {"answer": "401 "}),
    Row("no credits", "limit is used up",
        {"answer": '401 {"errors": [{"message": "Maximum credits exceeded"}]}'}),
    Row("not verified", "as a sender",
        {"answer": '403 {"errors": [{"message": "The from address does not match"}]}'}),
    Row("rate", "at this rate", {"answer": "429 "}),
    Row("server error", "in trouble", {"answer": "503 "}),
    Row("moved", "in trouble", {"answer": "302 "}),
    Row("our sender is wrong", "as a sender",
        {"answer": '400 {"errors": [{"message": "no address", "field": "from.email"}]}'}),
    Row("took them and hung up", "cannot be reached", then=DROP),
    Row("took them and reset", "cannot be reached", then=RESET),
    Row("took them and dripped", "cannot be reached", then=DRIP),
    Row("took none and hung up", "cannot be reached", {"answer": DROP}),
    Row("is well", ""),
]  # fmt: skip


@pytest.fixture
def crowd(tmp_path: Path, database_url: str, now: datetime, name: str) -> Iterator[Shop]:
    """Customers who get an offer whenever they come, through the provider `name`."""
    with a_crowd(tmp_path / "workspace", database_url, now, name) as shop:
        yield shop


@pytest.fixture
def sqlite_crowd(tmp_path: Path, sqlite_url: str, now: datetime) -> Iterator[Shop]:
    with a_crowd(tmp_path / "workspace", sqlite_url, now, "smtp") as shop:
        yield shop


@contextmanager
def a_crowd(folder: Path, url: str, now: datetime, name: str) -> Iterator[Shop]:
    folder.mkdir()
    (folder / "rekindle.yaml").write_text(f"{SETTINGS}provider: {name}\n", "utf-8")
    shop = Shop(folder, url, now)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    write_journey(
        shop, "hello", "start: [{event: came}]\nagain: always\nholdout: none\nbecause: a test\n"
        "steps: [{send: hello}]\n", topic="offers",
    )  # fmt: skip
    shop.mail("hello")
    shop.apply()
    yield shop
    shop.close()


def everybody_comes(shop: Shop, who: str = "c") -> None:
    """An email is queued for each, and none leaves."""
    for number in range(CUSTOMERS):
        shop.customer(f"{who}{number}")
        shop.happens("came", f"{who}{number}")
    work_off(shop.services)


def server_of(row: Row, name: str) -> Provider:
    if name == "sendgrid":
        return SendGridServer(row.says, row.then)
    return SmtpServer(
        row.says, row.then, offers=row.offers, per_connection=row.per_connection,
        most_connections=row.most_connections,
    )  # fmt: skip


def adapter_to(server: Provider, settings: Mapping[str, str]) -> EmailAdapter:
    is_slow = any(word in (SILENCE, DRIP) for word in (*server.says.values(), server.then))
    if isinstance(server, SendGridServer):
        known = SendGridSettings.model_validate({"api_key": "SG.x", "host": server.url})
        return SendGrid(known, seconds=0.2 if is_slow else 10)
    known_ = SmtpSettings.model_validate({"host": "127.0.0.1", "port": server.port, **settings})
    return Smtp(known_, timeouts=SHORT if is_slow else Timeouts())


def mend(shop: Shop, server: Provider) -> None:
    """The provider and the settings are in order again, under the same address."""
    server.says, server.then = {}, None
    use(shop, adapter_to(server, {}))


def use(shop: Shop, adapter: EmailAdapter) -> None:
    shop.process.pool.close()
    shop.process.pool = ChannelPool(adapter)


def alarms(shop: Shop) -> frozenset[str]:
    with shop.services.store.read() as connection:
        return load_standing(connection, PROVIDER)


def newest(shop: Shop) -> list[Mapping[str, Any]]:
    return list(rows(shop)[-CUSTOMERS:])


@pytest.mark.parametrize(("name", "behaviours"), [("smtp", SMTP_ROWS), ("sendgrid", API_ROWS)])
def test_nothing_is_lost_and_nothing_comes_twice(
    crowd: Shop, name: str, behaviours: list[Row]
) -> None:
    is_quick = crowd.url.startswith("sqlite")
    for number, row in enumerate(behaviours if is_quick else behaviours[::10]):
        with server_of(row, name) as server:
            use(crowd, adapter_to(server, row.settings))
            everybody_comes(crowd, f"{number}-")
            crowd.run()

            told = {find_chain(crowd.services, one["id"]).mail.reason for one in newest(crowd)}
            assert alarms(crowd) == ({name} if row.is_told and row.is_alarmed else set()), row.name
            assert any(row.is_told in words for words in told), (row.name, told)
            mend(crowd, server)
            for _ in range(2):
                crowd.clock.move(LONGEST_PAUSE)
                crowd.run()

            found = newest(crowd)
            statuses = Counter(one["status"] for one in found)
            assert statuses.keys() <= {"sent", "uncertain"}, (row.name, statuses)
            assert server.doubled == set(), row.name
            lost = CUSTOMERS - len(server.accepted)
            assert 0 <= lost <= statuses["uncertain"], (row.name, statuses, server.accepted)
            assert statuses["uncertain"] <= 8, (row.name, statuses)
            if "hung up" not in row.name and row.then is None:
                assert statuses == {"sent": CUSTOMERS}, row.name
            assert alarms(crowd) == set(), row.name
            crowd.process.pool.close()


def test_a_dead_mailbox_in_the_dialogue_is_a_bounce_and_is_not_written_to_again(
    crowd: Shop,
) -> None:
    says = {"rcpt": lambda to: "550 5.1.1 User unknown" if to.startswith("c0@") else None}
    with SmtpServer(says) as server:
        use(crowd, adapter_to(server, {}))
        for _ in range(3):
            everybody_comes(crowd)
            crowd.run()

        with crowd.services.store.read() as connection:
            assert find_suppressed(connection, ["c0@example.com"], crowd.clock.now()) == {
                "c0@example.com": "hard_bounce"
            }
        asked = [command for command in server.commands if "c0@" in command]
        assert len(asked) == 1
        assert len(server.accepted) == 3 * (CUSTOMERS - 1)


def test_a_provider_that_takes_two_a_minute_gets_all_in_three_minutes(sqlite_crowd: Shop) -> None:
    limit = Limit(2, timedelta(minutes=1), sqlite_crowd.clock.now, "450 4.7.0 rate limit exceeded")
    with SmtpServer({"mail": limit}) as server:
        use(sqlite_crowd, adapter_to(server, {}))
        everybody_comes(sqlite_crowd)
        for _ in range(20):
            sqlite_crowd.run()
            sqlite_crowd.clock.move(timedelta(seconds=15))

        assert len(server.accepted) == CUSTOMERS
        assert server.doubled == set()


def test_the_message_at_which_a_server_hangs_up_does_not_keep_the_others(
    sqlite_crowd: Shop,
) -> None:
    says = {"rcpt": lambda to: DROP if to.startswith("c0@") else None}
    with SmtpServer(says) as server:
        use(sqlite_crowd, adapter_to(server, {}))
        everybody_comes(sqlite_crowd)
        for _ in range(10):
            sqlite_crowd.run()
            sqlite_crowd.clock.move(timedelta(minutes=1))

        assert {one.recipient for one in server.accepted} == {
            f"c{number}@example.com" for number in range(1, CUSTOMERS)
        }
        assert Counter(one["status"] for one in newest(sqlite_crowd)) == {
            "sent": CUSTOMERS - 1,
            "queued": 1,
        }


POISONS = {  # each said of one email only, or of all
    "connection": DROP,
    "server": "451 4.3.0 Temporary lookup failure",
    "sender": "554 5.7.1 Relay access denied",
    "rate": "450 4.7.0 Transmit rate limit exceeded",
    "quota": "550 5.4.5 Daily sending limit exceeded",
    "tls": "530 5.7.0 Must issue a STARTTLS command first",
    "credentials": "530 5.7.57 Client not authenticated to send mail",
}


QUICK = ("connection", "sender", "quota")
REST = sorted(POISONS.keys() - set(QUICK))


def run_for(shop: Shop, minutes: int) -> None:
    for _ in range(minutes):
        shop.run()
        shop.clock.move(timedelta(minutes=1))


@pytest.mark.parametrize(
    ("fault", "is_restarted"),
    [
        *((fault, False) for fault in QUICK),
        ("quota", True),
        *(pytest.param(fault, False, marks=pytest.mark.deep) for fault in REST),
    ],
)
def test_one_email_that_a_provider_cannot_take_keeps_nobody_else(
    sqlite_crowd: Shop, fault: str, is_restarted: bool
) -> None:
    shop, poison = sqlite_crowd, POISONS[fault]
    with SmtpServer({"rcpt": lambda to: poison if to.startswith("c0@") else None}) as server:
        use(shop, adapter_to(server, {}))
        everybody_comes(shop)
        for _ in range(8):
            run_for(shop, 1)
            if is_restarted:  # nothing is remembered but what is written
                use(shop, adapter_to(server, {}))

        assert {one.recipient for one in server.accepted} == {
            f"c{number}@example.com" for number in range(1, CUSTOMERS)
        }
        if is_restarted:
            return
        everybody_comes(shop, "d")
        run_for(shop, 8)

        assert len(server.accepted) == 2 * CUSTOMERS - 1
        assert alarms(shop) == set()
        assert rows(shop)[0]["status"] == "queued"
        assert rows(shop)[0]["deferred_at"] is not None
        shop.clock.move(timedelta(days=4))
        everybody_comes(shop, "e")
        run_for(shop, 3)

        assert rows(shop)[0]["status"] == "refused"
        assert len(server.accepted) == 3 * CUSTOMERS - 1


@pytest.mark.parametrize(
    "fault", [*QUICK, *(pytest.param(fault, marks=pytest.mark.deep) for fault in REST)]
)
def test_where_a_provider_refuses_all_nothing_is_charged(sqlite_crowd: Shop, fault: str) -> None:
    with SmtpServer({"rcpt": POISONS[fault]}) as server:
        use(sqlite_crowd, adapter_to(server, {}))
        everybody_comes(sqlite_crowd)
        run_for(sqlite_crowd, 10)

        assert alarms(sqlite_crowd) == {"smtp"}
        assert {row["deferred_at"] for row in rows(sqlite_crowd)} == {None}
        assert {row["attempts"] for row in rows(sqlite_crowd)} == {0}
        mend(sqlite_crowd, server)
        sqlite_crowd.clock.move(LONGEST_PAUSE)
        run_for(sqlite_crowd, 4)
        assert len(server.accepted) == CUSTOMERS


FAULTS = (
    DROP, RESET, GARBAGE, "421 4.3.2 closing", "450 4.2.0 greylisted", "451 4.3.0 trouble",
    "450 4.7.0 rate limit exceeded", "554 5.7.1 spam", "550 5.1.1 User unknown",
    "550 5.4.5 Daily sending limit exceeded", "250 ok", "354 go on",
)  # fmt: skip
API_FAULTS = (DROP, RESET, GARBAGE, "401 ", "429 ", "500 ", "302 ", "413 ", "400 ", "204 ")


@dataclass
class Chance:
    """A fault now and then, by a seed."""

    random: Random
    faults: tuple[str, ...]
    share: float
    lock: Lock = field(default_factory=Lock)

    def __call__(self, _said: str) -> str | None:
        with self.lock:
            return self.random.choice(self.faults) if self.random.random() < self.share else None


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(1, 20))]
)
@pytest.mark.parametrize("name", ["smtp", "sendgrid"])
def test_whatever_a_provider_does_what_is_told_of_an_email_is_so(
    tmp_path: Path, sqlite_url: str, now: datetime, name: str, seed: int
) -> None:
    random = Random(seed)
    lost = (DROP, RESET, GARBAGE)
    with a_crowd(tmp_path / "workspace", sqlite_url, now, name) as shop:
        server: Provider
        if name == "smtp":
            says = {
                stage: Chance(random, FAULTS, 0.07)
                for stage in ("greeting", "ehlo", "mail", "rcpt", "data")
            }
            refusals = tuple(fault for fault in FAULTS if not fault.startswith("2"))
            says["end"] = Chance(random, refusals, 0.1)
            server = SmtpServer(says, Chance(random, lost, 0.1), per_connection=4)
        else:
            server = SendGridServer(
                {"answer": Chance(random, API_FAULTS, 0.3)}, Chance(random, lost, 0.1)
            )
        with server:
            use(shop, adapter_to(server, {}))
            for wave in range(4):
                everybody_comes(shop, f"{wave}-")
            for _ in range(12):
                shop.run()
                shop.clock.move(timedelta(minutes=2))
            mend(shop, server)
            for _ in range(4):
                shop.clock.move(timedelta(hours=2))
                shop.run()

            taken = Counter(
                f"{one.recipient} {one.message_id.strip('<>')}" for one in server.accepted
            )
            told = {f"{row['address']} {row['header_id']}": row["status"] for row in rows(shop)}
            assert set(taken.values()) == {1}
            assert taken.keys() <= told.keys()
            assert {told[mail] for mail in taken} <= {"sent", "uncertain"}
            assert {mail for mail, status in told.items() if status == "sent"} <= taken.keys()
            assert set(told.values()) <= {"sent", "uncertain", "refused", "bounced"}
            assert len(told) == 4 * CUSTOMERS
            shop.process.pool.close()
