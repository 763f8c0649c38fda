"""`kill -9` in the middle of sending loses no mail, doubles none, and owns up to doubtful ones."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from rekindle.clock import seconds_running
from store.session import Store
from store.tables import messages
from tests.deep.dying import POINTS
from tests.deep.kills import CONNECTIONS, Fates, ended, engine
from tests.mail_sink import MailSink

log = logging.getLogger(__name__)

NOW = "2026-03-02T10:00:00Z"
FILES = {
    "rekindle.yaml": """
        provider: smtp
        smtp: {host: 127.0.0.1, port: "${SMTP_PORT}"}
        topics: {offers: {consent: assumed}}
        """,
    "journeys/hello.yaml": """
        journey: hello
        topic: offers
        holdout: none
        because: every mail is counted
        start:
          - event: customer.arrived
        steps:
          - send: hello
        """,
    "templates/hello.html.j2": """
        {% extends "layouts/brand" %}
        {% block subject %}Hello {{ customer.name }}{% endblock %}
        {% block body %}<p>Welcome, {{ customer.name }}.</p>{% endblock %}
        """,
}
PATIENCE = 120.0  # seconds for one run of the engine


@dataclass(frozen=True)
class Outcome:
    """What the receiving side and the database say after the last run."""

    received: Counter[str]  # Message-ID to how often
    statuses: Mapping[str, frozenset[str]]  # status to Message-IDs
    connections: int

    @property
    def uncertain(self) -> frozenset[str]:
        return self.statuses.get("uncertain", frozenset())


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose database holds an order to mail to 2,000 customers, nothing sent yet."""
    return workspace_of(2_000, tmp_path_factory.mktemp("crowd"))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for 300."""
    return workspace_of(300, tmp_path_factory.mktemp("few"))


@pytest.fixture(params=["embedded", "rabbitmq", "redis"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str, str | None]:
    """A folder, a database and a broker: one process on SQLite, or apart on PostgreSQL."""
    folder = tmp_path / "workspace"
    if request.param == "embedded":
        return folder, request.getfixturevalue("sqlite_url"), None
    broker = request.getfixturevalue(f"{request.param}_url")
    return folder, request.getfixturevalue("postgres_url"), broker


A_CLAIM = (1, 2)  # how often what comes once a claim has come
A_MAIL = (7, 40)  # and what comes once a mail
DEATHS = [
    (point, times)
    for point in POINTS
    for times in (A_CLAIM if "claim" in point or "settl" in point else A_MAIL)
]


@pytest.mark.deep
@pytest.mark.parametrize("dying", DEATHS, ids=lambda dying: f"{dying[0]} {dying[1]}")
def test_wherever_a_process_dies_nothing_is_lost_and_only_service_mail_comes_twice(
    deployment, dying
):
    assert_owned_up_to(*deployment, dying=dying)


@pytest.mark.deep
@pytest.mark.parametrize("point", ["after the claim", "before the mark", "after the mark"])
def test_the_same_where_the_server_takes_longer_than_a_lease(deployment, point):
    dying = (point, 1 if "claim" in point else 6)
    assert_owned_up_to(*deployment, dying=dying, customers=8, seconds=1.0, lease_seconds=0.5)


@pytest.mark.deep
def test_two_workers_and_a_server_slower_than_a_lease_send_each_mail_once(deployment):
    folder, url, broker = deployment
    with engine(folder, url, broker, 8, seconds=1.0, lease_seconds=0.5) as running:
        if broker is None:
            first, second = (running.start("run", "--until-idle") for _ in range(2))
            ended(first)
            ended(second)
        else:
            for command in ("scheduler", "worker", "worker"):
                running.start(command)
            running.wait_until_done()
        fates = Fates.of(running)

    assert set(fates.status.values()) == {"sent"}
    assert fates.received == dict.fromkeys(fates.status, 1)


@pytest.mark.deep
def test_a_process_told_to_stop_leaves_nothing_in_doubt_and_nothing_claimed(deployment):
    folder, url, broker = deployment
    with engine(folder, url, broker, 100, seconds=0.1) as running:
        command = ["run", "--until-idle"] if broker is None else ["worker"]
        if broker is not None:
            running.start("scheduler")
        first = running.start(*command)
        assert running.sink.wait_for(20, PATIENCE)
        first.terminate()
        began = seconds_running()
        first.communicate(timeout=PATIENCE)
        took = seconds_running() - began
        claimed = [row.id for row in running.rows() if row.claimed_by is not None]
        doubtful = running.statuses()["uncertain"]
        second = running.start(*command)
        ended(second) if broker is None else running.wait_until_done()
        fates = Fates.of(running)

    assert took < 10
    assert claimed == []
    assert doubtful == 0
    assert set(fates.status.values()) == {"sent"}
    assert fates.received == dict.fromkeys(fates.status, 1)


def assert_owned_up_to(
    folder: Path,
    url: str,
    broker: str | None,
    *,
    dying: tuple[str, int],
    customers: int = 60,
    **more: float,
) -> None:
    """A process dies at the point; in the end each mail came once, or it is known which did not."""
    with engine(folder, url, broker, customers, **more) as running:
        running.send_all(dying)
        fates = Fates.of(running)
    uncertain = fates.with_status("uncertain")
    assert set(fates.status.values()) <= {"sent", "uncertain"}
    assert fates.lost == set()
    assert {fates.topic[id_] for id_ in fates.doubled} <= {"service"}
    assert {fates.topic[id_] for id_ in uncertain} <= {"offers"}
    assert len(uncertain) + len(fates.doubled) <= CONNECTIONS
    log.info("%s: %d uncertain, %d twice", dying, len(uncertain), len(fates.doubled))


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.deep), pytest.param(2, marks=pytest.mark.deep)]
)
def test_a_killed_process_loses_and_doubles_nothing(few, tmp_path, smtp_sink, seed):
    outcome = sent_in_spite_of(few, tmp_path, smtp_sink, mails=300, seed=seed)

    assert_all_arrived_once(outcome, mails=300)


@pytest.mark.deep
def test_twenty_kills_amid_two_thousand_mails(crowd, tmp_path):
    uncertain = 0
    for seed in range(20):
        with MailSink() as sink:
            outcome = sent_in_spite_of(crowd, tmp_path / str(seed), sink, mails=2_000, seed=seed)
        assert_all_arrived_once(outcome, mails=2_000)
        uncertain += len(outcome.uncertain)
        log.info("kill %d: %d uncertain", seed + 1, len(outcome.uncertain))

    assert uncertain >= 1  # or the kills never hit the moment that matters


def assert_all_arrived_once(outcome: Outcome, mails: int) -> None:
    known = frozenset().union(*outcome.statuses.values())
    sent = outcome.statuses.get("sent", frozenset())
    doubled = [header for header, times in outcome.received.items() if times > 1]

    assert doubled == []
    assert len(known) == mails
    assert sent | outcome.uncertain == known
    assert sent <= set(outcome.received)
    assert len(outcome.uncertain) <= outcome.connections


def workspace_of(mails: int, folder: Path) -> Path:
    """A workspace in which `mails` customers have just arrived, applied but never run."""
    for name, content in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedented(content))
    ids = [f"c{number}" for number in range(mails)]
    customers = "".join(f"{id_},{id_}@example.com,Customer {id_}\n" for id_ in ids)
    (folder / "customers.csv").write_text("customer_id,email,name\n" + customers)
    events = "".join(f"{id_},customer.arrived,{NOW},web\n" for id_ in ids)
    (folder / "events.csv").write_text("customer_id,event,occurred_at,channel\n" + events)
    rekindle(folder, "apply", "--allow", str(mails))
    rekindle(folder, "import", "customers.csv", "--kind", "customers")
    rekindle(folder, "import", "events.csv")
    return folder


def dedented(text: str) -> str:
    lines = text.strip("\n").splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[margin:] for line in lines).rstrip() + "\n"


def sent_in_spite_of(
    template: Path, folder: Path, sink: MailSink, *, mails: int, seed: int
) -> Outcome:
    """Kill the process once, somewhere in the middle of the sending, then let another finish."""
    workspace = folder / "workspace"
    shutil.copytree(template, workspace)
    enough = Random(seed).randrange(mails // 20, mails * 9 // 10)
    kill_after(workspace, sink, enough)
    rekindle(workspace, "run", "--until-idle", port=sink.port)
    return Outcome(
        Counter(str(mail.message["Message-ID"]).strip("<>") for mail in sink.mails),
        statuses_in(workspace),
        connections=most_connections(),
    )


def kill_after(workspace: Path, sink: MailSink, enough: int) -> None:
    """Start sending and end it without warning once `enough` mails arrived."""
    running = subprocess.Popen(
        command(workspace, "run", "--until-idle"),
        env=environment(sink.port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert sink.wait_for(enough, PATIENCE), "the engine sends too little"
    running.send_signal(signal.SIGKILL)
    _, complaint = running.communicate()
    assert running.returncode == -signal.SIGKILL, complaint.decode()


def rekindle(workspace: Path, *words: str, port: int = 25) -> None:
    done = subprocess.run(
        command(workspace, *words),
        env=environment(port),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        cwd=workspace,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def command(workspace: Path, *words: str) -> list[str]:
    standing = ["--workspace", str(workspace), "--now", NOW]
    return [sys.executable, "-m", "rekindle", *words, *standing]


def environment(port: int) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return kept | {
        "SMTP_PORT": str(port),
        "REKINDLE_SECRET_KEY": "a key for tests that is long enough",
    }


def statuses_in(workspace: Path) -> dict[str, frozenset[str]]:
    store = Store(f"sqlite:///{workspace / '.rekindle' / 'rekindle.db'}")
    query = select(messages.c.status, func.json_group_array(messages.c.header_id)).group_by(
        messages.c.status
    )
    with store.read() as connection:
        found = {status: frozenset(json.loads(ids)) for status, ids in connection.execute(query)}
    store.close()
    return found


def most_connections() -> int:
    from adapters.email.base import open_adapter
    from rekindle.settings import Settings

    return open_adapter("smtp", Settings(), Path()).connections
