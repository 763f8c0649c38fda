"""The starter's journeys around a support ticket, from the helpdesk's webhook to the answer."""

import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.shop import ROOT, Shop
from tests.stories.chatwoot import SECRET, as_bytes, conversation, signed
from web.app import create_app

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"}
LINK = re.compile(r"""(?:href|src)="(http[^"]+)\"""")


class Desk(Shop):
    """A shop with its web application and a helpdesk that tells it about tickets."""

    def open(self) -> None:
        self.web = TestClient(create_app(self.services), base_url=self.services.settings.base_url)

    def tell(self, ticket: int, status: str, previous: str, secret: str = SECRET) -> int:
        event = "conversation_status_changed"
        return self.post(conversation(ticket, event, self.clock.now(), status, previous), secret)

    def post(self, payload: dict[str, Any], secret: str = SECRET) -> int:
        body = as_bytes(payload)
        headers = signed(body, self.clock.now(), secret)
        return self.web.post("/hooks/chatwoot", content=body, headers=headers).status_code

    def solve(self, ticket: int) -> None:
        assert self.tell(ticket, "resolved", "open") == 200
        self.run()

    def reopen(self, ticket: int) -> None:
        assert self.tell(ticket, "open", "resolved") == 200
        self.run()

    def subjects(self, to: str = "ana@example.com") -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails(to)]

    def links(self, place: int = -1) -> list[str]:
        """Every address in a mail to ana, the newest unless said otherwise."""
        html = self.mails("ana@example.com")[place].get_body(("html",))
        assert html is not None
        return [unescape(link) for link in LINK.findall(html.get_content())]

    def survey_link(self) -> str:
        """Where the newest mail with a survey asks for an answer."""
        mails = range(len(self.mails("ana@example.com")))
        links = [link for place in mails for link in self.links(place) if "/s/" in link]
        return links[-1]

    def answer(self, score: int, comment: str = "") -> int:
        """Open the newest mail's survey after a while, as a person does, and send the form."""
        link = self.survey_link()
        self.clock.move(timedelta(minutes=10))
        self.web.get(link, headers=BROWSER)
        self.clock.move(timedelta(seconds=12))
        form = {"score": str(score), "comment": comment}
        address = link.partition("?")[0]
        return self.web.post(address, data=form, headers=BROWSER).status_code

    def rows(self, table: str) -> int:
        with self.services.store.read() as connection:
            found = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
            return int(found or 0)


@pytest.fixture
def desk(tmp_path: Path, sqlite_url: str, now: datetime) -> Iterator[Desk]:
    folder = tmp_path / "workspace"
    shutil.copytree(ROOT / "starter", folder)
    environment = {
        "REKINDLE_SECRET_KEY": "for tests only, and long enough for it",
        "CHATWOOT_SECRET": SECRET,
    }
    opened = Desk(folder, sqlite_url, now, environment)
    opened.apply()
    opened.open()
    opened.customer("ana")
    yield opened
    opened.close()


def test_a_new_ticket_is_acknowledged(desk: Desk) -> None:
    desk.post(conversation(1, "conversation_created", desk.clock.now()))
    desk.run()

    assert len(desk.subjects()) == 1


def test_a_solved_ticket_waits_and_then_asks_for_a_score(desk: Desk) -> None:
    desk.solve(1)
    before = desk.subjects()
    desk.later(hours=2)

    assert before == []
    assert len(desk.subjects()) == 1
    assert any("/s/" in link for link in desk.links())


def test_looking_at_every_link_records_nothing(desk: Desk) -> None:
    desk.solve(1)
    desk.later(hours=2)
    events = desk.rows("events")
    desk.clock.move(timedelta(seconds=3))
    for link in desk.links():
        desk.web.head(link, headers=BROWSER, follow_redirects=False)
        desk.web.get(link, headers=BROWSER, follow_redirects=False)

    desk.later(minutes=5)

    assert desk.rows("answers") == 0
    assert desk.rows("consents") == 0
    assert desk.rows("events") == events


def test_a_bad_score_is_recorded_once_alerts_and_starts_the_recovery_once(desk: Desk) -> None:
    desk.solve(1)
    desk.later(hours=2)
    first = desk.answer(2, "slow")
    desk.run()
    desk.answer(2, "slow")
    desk.run()

    assert first == 200
    assert desk.rows("answers") == 1
    assert desk.subjects("leads@example.com") == ["Ticket 1: 2/5. slow"]
    recoveries = "(SELECT * FROM enrollments WHERE journey = 'service_recovery')"
    assert desk.rows(recoveries) == 1


def test_a_reopened_ticket_stops_its_follow_up_and_solving_it_again_starts_a_new_one(
    desk: Desk,
) -> None:
    desk.solve(1)
    desk.clock.move(timedelta(minutes=5))
    desk.reopen(1)
    desk.later(hours=3)
    stopped = desk.subjects()
    desk.solve(1)
    desk.later(hours=2)

    assert stopped == []
    assert len(desk.subjects()) == 1


def test_a_second_ticket_is_not_judged_by_the_first_ones_answer(desk: Desk) -> None:
    desk.solve(1)
    desk.later(hours=2)
    desk.answer(2)
    desk.run()
    alerts = len(desk.subjects("leads@example.com"))
    desk.clock.move(timedelta(days=40))  # past the rest between two surveys
    desk.solve(2)
    desk.later(hours=2)
    desk.later(days=4)

    assert len(desk.subjects("leads@example.com")) == alerts


@pytest.mark.parametrize("secret", ["another", ""])
def test_a_bad_signature_is_refused_and_nothing_is_kept(desk: Desk, secret: str) -> None:
    status = desk.tell(1, "resolved", "open", secret)

    assert status == 401
    assert desk.rows("events") == 0
