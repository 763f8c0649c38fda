"""Whoever has a link of an email follows it again and again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from httpx2 import Response
from sqlalchemy import Engine, event, func, select

from store import consents as consents_store
from store import hits as hits_store
from store.session import Store
from store.tables import answers, consents, delivery_events, hits
from tests.web.conftest import Site
from web.link_rate import FORMS, LOOKS, LinkRate

TIMES = 40
MOST_HITS, MOST_CHANGES_A_DAY, MOST_OPENS_A_DAY = 8, 12, 10


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if whoever asks took days over it: by the minute there are never too many. Bounds are
    smaller, so that they are soon met.
    """
    monkeypatch.setattr(hits_store, "MOST_HITS", MOST_HITS)
    monkeypatch.setattr(hits_store, "MOST_OPENS_A_DAY", MOST_OPENS_A_DAY)
    monkeypatch.setattr(hits_store, "MOST_LOOKS_A_DAY", 20)
    monkeypatch.setattr(hits_store, "MOST_FORMS", 15)
    monkeypatch.setattr(consents_store, "MOST_CHANGES_A_DAY", MOST_CHANGES_A_DAY)
    monkeypatch.setattr(LinkRate, "may_look", lambda *_: True)
    monkeypatch.setattr(LinkRate, "may_send", lambda *_: True)


def count_of(store: Store, table: Any) -> int:
    with store.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@contextmanager
def counted_rows(store: Store) -> Iterator[list[int]]:
    """How many statements ran, and how many values were bound: what a request costs, but for rows
    that are read.
    """
    found = [0, 0]

    def count(_c: Any, _cursor: Any, _text: str, values: Any, _context: Any, many: bool) -> None:
        found[0] += 1
        found[1] += sum(map(len, values)) if many else len(values)

    engines: set[Engine] = {store._writer, store._reader}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", count)
    yield found
    for engine in engines:
        event.remove(engine, "before_cursor_execute", count)


def links_of(site: Site) -> dict[str, Callable[[int], Response]]:
    """One way to ask for each kind of link, all of one email."""
    customer = site.customer("c1")
    message = site.message(customer, survey="csat")
    site.pass_time(minutes=5)
    signer, client = site.services.signer, site.client
    survey = f"/s/{signer.sign_survey(message, 'csat')}"
    unsubscribe = f"/u/{signer.sign_unsubscribe(message, customer, 'offers')}"
    return {
        "pixel": lambda _: client.get(f"/o/{signer.sign_open(message)}"),
        "click": lambda _: client.get(f"/c/{signer.sign_click(message, 'https://a.example')}"),
        "view": lambda _: client.get(f"/m/{signer.sign_view(message)}"),
        "survey": lambda n: client.get(f"{survey}?score={1 + n % 5}"),
        "answer": lambda n: client.post(survey, data={"score": str(1 + n % 5)}),
        "preferences": lambda _: client.get(unsubscribe),
        "choice": lambda n: client.post(unsubscribe, data={"action": ["confirm", "undo"][n % 2]}),
    }


KINDS = ("pixel", "click", "view", "survey", "answer", "preferences", "choice")


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("kind", KINDS)
def test_a_later_time_costs_no_more_than_the_first_few(small_site: Site, kind: str):
    ask, store = links_of(small_site)[kind], small_site.services.store
    costs: list[tuple[int, int]] = []
    for number in range(TIMES):
        small_site.pass_time(seconds=2)
        with counted_rows(store) as cost:
            ask(number)
        costs.append((cost[0], cost[1]))

    assert max(costs[MOST_HITS:]) <= max(costs[:MOST_HITS])
    kept = [count_of(store, table) for table in (hits, delivery_events, answers, consents)]
    small_site.pass_time(seconds=2)
    ask(TIMES)
    assert kept == [count_of(store, table) for table in (hits, delivery_events, answers, consents)]


@pytest.mark.usefixtures("unhurried")
def test_no_more_is_kept_of_one_email_than_a_day_can_tell(small_site: Site):
    ask, store = links_of(small_site)["pixel"], small_site.services.store
    for number in range(MOST_OPENS_A_DAY + 10):
        ask(number)
    kept = count_of(store, hits)
    small_site.pass_time(days=1, seconds=1)
    ask(0)

    assert (kept, count_of(store, hits)) == (MOST_OPENS_A_DAY, MOST_OPENS_A_DAY + 1)


@pytest.mark.usefixtures("unhurried")
def test_a_no_is_taken_however_often_choices_were_changed(site: Site):
    choose = links_of(site)["choice"]
    statuses = [choose(number).status_code for number in range(MOST_CHANGES_A_DAY + 1)]
    with site.services.store.read() as connection:
        query = select(consents.c.status).order_by(consents.c.id.desc()).limit(1)
        last = connection.execute(query).scalar_one()

    assert statuses == [200] * (MOST_CHANGES_A_DAY + 1)
    assert choose(1).status_code == 429  # a yes
    assert choose(0).status_code == 200  # a no
    assert last in ("granted", "denied")


def test_what_comes_too_fast_is_answered_and_not_noted(site: Site):
    asks = links_of(site)
    looks = {
        kind: [asks[kind](number).status_code for number in range(LOOKS.amount)]
        for kind in ("pixel", "click", "survey", "preferences")
    }

    assert looks["pixel"] == [200] * LOOKS.amount
    assert looks["click"] == [302] * LOOKS.amount
    assert count_of(site.services.store, hits) == hits_store.MOST_OPENS_A_DAY


def test_forms_that_come_too_fast_are_told_to_wait(site: Site):
    asks = links_of(site)
    answered = [asks["answer"](number).status_code for number in range(FORMS.amount)]
    answer = asks["answer"](0)

    assert answered == [200] * FORMS.amount
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert asks["survey"](0).status_code == 200
