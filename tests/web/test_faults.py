"""What fails at the web's own addresses is told, and nobody can flood log or database with it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from rekindle.clock import FixedClock
from rekindle.services import Services, open_services
from store.alarms import BROKEN, REFUSED, load_standing
from store.session import Store
from store.web_faults import WebFault, load_web_faults, note_web_faults
from tests.adapters.helpdesk.webhooks import CHATWOOT_SECRET, recorded, stamped_at
from tests.conftest import MONDAY
from web import faults
from web.app import create_app
from web.pages import Pages
from workers.watching import watch_work

SETTINGS = """
provider: sendgrid
sendgrid: {api_key: k, webhook_public_key: x, inbound_secret: s}
sources: {chatwoot: {secret: "${CHATWOOT_SECRET}"}}
"""


@pytest.fixture
def services(sqlite_url: str, tmp_path: Path) -> Iterator[Services]:
    (tmp_path / "rekindle.yaml").write_text(SETTINGS)
    page = tmp_path / "templates/web/notice.html.j2"
    page.parent.mkdir(parents=True)
    page.write_text("{{ nothing.that.is.there }}")
    environment = {"CHATWOOT_SECRET": CHATWOOT_SECRET}
    clock = FixedClock(MONDAY)
    opened = open_services(tmp_path, clock, database=sqlite_url, environment=environment)
    yield opened
    opened.close()


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    app = create_app(services)
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def commits(services: Services, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was submitted to the writer."""
    submitted: list[object] = []
    submit = services.store.submit

    def count(work: Callable[..., object]) -> object:
        submitted.append(work)
        return submit(work)

    monkeypatch.setattr(services.store, "submit", count)
    return submitted


def known(services: Services) -> list[WebFault]:
    services.store.submit(lambda tx: None).result(10)  # what was submitted before is stored by now
    with services.store.read() as connection:
        return load_web_faults(connection, services.clock.now())


def standing(services: Services, kind: str) -> frozenset[str]:
    with services.store.read() as connection:
        return load_standing(connection, kind)


def later(services: Services, **time: float) -> None:
    assert isinstance(services.clock, FixedClock)
    services.clock.move(timedelta(**time))
    watch_work(services, services.clock.now())


def forge(client: TestClient, source: str) -> Response:
    return client.post(f"/hooks/{source}", content=b"{}")


@pytest.mark.parametrize("source", ["chatwoot", "sendgrid/events", "sendgrid/inbound"])
def test_a_flood_of_forged_webhooks_is_one_write_and_one_line(
    client: TestClient, services: Services, commits: list[object], capsys, source: str
):
    answers = {forge(client, source).status_code for _ in range(200)}

    log = capsys.readouterr()
    assert answers == {401}
    assert len(commits) == 1
    assert (log.out + log.err).count("webhook.refused") == 1
    [fault] = known(services)
    assert (fault.kind, fault.count) == ("source", 1)  # the others follow, in one line


def test_what_came_meanwhile_is_told_together(
    client: TestClient, services: Services, commits: list[object], monkeypatch: pytest.MonkeyPatch
):
    for _ in range(5):
        forge(client, "chatwoot")
    monkeypatch.setattr(faults, "SPACING_SECONDS", 0.0)
    forge(client, "chatwoot")

    [fault] = known(services)
    assert (fault.name, fault.count, fault.reason) == (
        "chatwoot", 6, "the signature does not fit the body."
    )  # fmt: skip


def test_a_source_that_is_refused_for_minutes_is_an_alarm_until_one_is_taken(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(faults, "SPACING_SECONDS", 0.0)
    webhook = recorded("chatwoot", "conversation_status_changed.resolved")
    assert isinstance(services.clock, FixedClock)
    services.clock.at = stamped_at(webhook).replace(second=0)
    for _ in range(3):
        forge(client, "chatwoot")
    known(services)
    later(services, seconds=30)
    at_first = standing(services, REFUSED)

    later(services, minutes=6)
    after_minutes = standing(services, REFUSED)
    services.clock.at = stamped_at(webhook)
    taken = client.post(webhook.path, content=webhook.body, headers=dict(webhook.headers))
    known(services)
    services.clock.at = services.clock.at.replace(second=0)
    later(services, minutes=8)

    assert at_first == frozenset()
    assert after_minutes == {"chatwoot"}
    assert taken.status_code == 200
    assert known(services) == []
    assert standing(services, REFUSED) == frozenset()


def test_a_source_that_nobody_set_up_is_nobodys_alarm(client: TestClient, services: Services):
    (services.workspace / "rekindle.yaml").write_text("provider: outbox\n")
    services._library = None

    for source in ("chatwoot", "sendgrid/events", "sendgrid/inbound"):
        assert forge(client, source).status_code == 401

    assert known(services) == []


@pytest.mark.parametrize("is_theirs", [True, False])
def test_a_page_that_breaks_is_an_alarm_for_an_hour(
    client: TestClient,
    services: Services,
    commits: list[object],
    capsys,
    monkeypatch: pytest.MonkeyPatch,
    is_theirs: bool,
):
    name, status = ("templates/web/notice.html.j2", 404) if is_theirs else ("/s", 500)
    if not is_theirs:
        monkeypatch.setattr(Pages, "render", lambda *_: {"x": ""}["somebody@example.com"])
    answers = {client.get(f"/s/somebody@example.com-{number}").status_code for number in range(50)}
    assert answers == {status}
    assert len(commits) == 1
    [fault] = known(services)
    services.clock.at = MONDAY  # type: ignore[attr-defined]
    later(services, minutes=1)
    raised = standing(services, BROKEN)
    later(services, hours=1)

    assert (fault.kind, fault.name) == ("page", name)
    assert fault.reason.startswith("UndefinedError at " if is_theirs else "KeyError at ")
    assert raised == {name}
    assert standing(services, BROKEN) == frozenset()
    log = capsys.readouterr()
    assert "somebody" not in log.out + log.err


def test_no_names_without_end_are_kept(services: Services, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(faults, "SPACING_SECONDS", 0.0)
    counting = faults.Faults(services)

    for number in range(200):
        counting.note_failure("page", f"/{number}", "x")

    found = known(services)
    assert len(found) == faults.MOST_NAMES + 1
    assert {fault.name: fault.count for fault in found}[faults.OTHERS] == 150


@pytest.mark.parametrize("url", ["sqlite_url", "postgres_url"])
def test_what_failed_again_after_an_hour_begins_anew(url: str, request: pytest.FixtureRequest):
    store = Store(request.getfixturevalue(url))
    fault = WebFault("source", "chatwoot", 2, MONDAY, MONDAY, "no")
    much_later = MONDAY + timedelta(hours=2)
    counts = []

    for at in (MONDAY, MONDAY + timedelta(minutes=9), much_later):
        with store.begin() as tx:
            note_web_faults(tx, [WebFault("source", "chatwoot", 2, at, at, fault.reason)])
            counts += [one.count for one in load_web_faults(tx, at)]

    assert counts == [2, 4, 2]
    store.close()
