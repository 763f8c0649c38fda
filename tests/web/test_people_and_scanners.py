"""Whatever scanners look at and whenever: what counts is what people sent."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from store.tables import answers
from tests.web.conftest import PHONE, Site

SCANNERS = [PHONE, "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Mozilla/5.0", "Barracuda/1.0"]
POSING = SCANNERS[:2]
LAZY = [0, 0.1, 0.5, 1, 2.5, 4, 9, 30]


@dataclass(order=True)
class Request:
    """One request at an instant, in seconds; a form remembers when its page was asked for."""

    at: float
    method: str = field(compare=False)
    link: str = field(compare=False)
    agent: str = field(compare=False)
    opened_at: float = field(compare=False, default=-1)
    trap: str = field(compare=False, default="")
    is_person: bool = field(compare=False, default=False)


def a_person(chance: random.Random, at: float, times: int) -> Iterator[Request]:
    """Opens the page, answers, and goes back to change it, quickly or days later."""
    link = "survey:"
    for _ in range(times):
        yield Request(at, "GET", link, PHONE, is_person=True)
        opened_at = at
        at += chance.choice([1.1, 1.5, 4, 40, 400])
        score = chance.randint(1, 5)
        yield Request(at, "POST", f"survey:{score}", PHONE, opened_at, is_person=True)
        at += chance.choice([0.9, 1.2, 2, 4, 86_400])
        link = f"survey:{score}:change"


def a_scanner(chance: random.Random, at: float) -> Iterator[Request]:
    """Looks at everything, and may press the button in each of the ways that tell on it."""
    agent = chance.choice(SCANNERS)
    for _ in range(chance.randint(2, 6)):
        link = chance.choice(
            ["decoy", "unsubscribe", "open", "click:1", "survey:", "survey:1", "survey:5"]
        )
        yield Request(at, chance.choice(["GET", "GET", "HEAD"]), link, agent)
        at += chance.choice(LAZY)
    sign = chance.choice([None, "hurried", "trapped", "known", "several"])
    if sign is None:
        return
    yield Request(at, "GET", "survey:1", agent)
    sends = at + (chance.choice([0, 0.3, 0.9]) if sign == "hurried" else 5)
    agent = "Barracuda/1.0" if sign == "known" else chance.choice(POSING)
    trap = "x@y.example" if sign == "trapped" else ""
    for score in (1, 3, 5) if sign == "several" else (1,):
        yield Request(sends, "POST", f"survey:{score}", agent, at, trap)
        sends += chance.choice([0.2, 1, 2.9])


def play(site: Site, requests: list[Request]) -> None:
    message = site.message(site.customer("c1"), topic="surveys", survey="csat")
    customer = site.rows(answers.metadata.tables["messages"])[-1].customer_id
    signer = site.services.signer
    path = site.survey_path(message)
    begin = site.clock.now()
    pages: dict[float, str] = {}
    for request in sorted(requests):
        site.clock.at = begin + timedelta(seconds=request.at)
        kind, _, number = request.link.partition(":")
        score, _, change = number.partition(":")
        address = {
            "survey": f"{path}?score={score}{'&change=1' if change else ''}",
            "click": f"/c/{signer.sign_click(message, 'https://shop.example.com/')}",
            "decoy": f"/c/{signer.sign_click(message, 0, 'e')}",
            "open": f"/o/{signer.sign_open(message)}",
            "unsubscribe": f"/u/{signer.sign_unsubscribe(message, customer, 'surveys')}",
        }[kind]
        headers = {"user-agent": request.agent}
        if request.method == "POST":
            form = {"score": score, "leave_empty": request.trap, "page": pages[request.opened_at]}
            site.client.post(path, data=form, headers=headers)
        else:
            answer = site.client.request(request.method, address, headers=headers)
            if made := re.search(r'name="page" value="([^"]+)"', answer.text):
                pages[request.at] = made[1]


def meddled_with(person: list[Request], scanners: list[Request]) -> bool:
    """A scanner that sends a form in the very moment in which the person does is left out."""
    sent = [one.at for one in scanners if one.method == "POST"]
    return any(abs(one.at - at) < 3 for one in person if one.method == "POST" for at in sent)


def a_tale(seed: int) -> tuple[list[Request], list[Request]]:
    chance = random.Random(seed)
    while True:
        person = list(a_person(chance, chance.choice([3, 20, 60, 600]), chance.randint(0, 3)))
        scanners = [
            request
            for _ in range(chance.randint(0, 3))
            for request in a_scanner(
                chance,
                chance.choice([1, *(one.at + chance.uniform(-5, 5) for one in person)]),
            )
            if request.at > 0
        ]
        if not meddled_with(person, scanners):
            return person, [one for one in scanners if one.method != "POST" or one.opened_at > 0]


@pytest.mark.parametrize("seed", range(12))
def test_the_answer_is_what_the_person_sent_last(small_site, seed):
    check(small_site, seed)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 300))
def test_the_answer_is_what_the_person_sent_last_in_many_tales(small_site, seed):
    check(small_site, seed)


def check(site: Site, seed: int) -> None:
    person, scanners = a_tale(seed)

    play(site, person + scanners)

    sent = [int(one.link[-1]) for one in person if one.method == "POST"]
    changes = zip(sent, [None, *sent], strict=False)
    different = [score for score, before in changes if score != before]
    counted = [row.score for row in site.rows(answers) if row.is_counted]
    current = [row.score for row in site.rows(answers) if row.is_current]
    assert counted == different, (person, scanners)
    assert current == sent[-1:]
