"""Random workspaces of a small shop, random edits of them, and a random past."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from rekindle.acting import Answers, act, find_sent
from rekindle.workspace.applying import NotApplied
from store.approvals import answer_approvals, list_open_approvals
from tests.shop import LAYOUT, Shop

EVENTS = ("order.completed", "page.viewed", "ticket.opened", "ticket.solved")
MAILS = ("hello", "offer", "story", "sorry")
CUSTOMERS = 12
TOPICS = ("offers", "news", "service")
Step = dict[str, Any]


@dataclass
class Author:
    """Writes and rewrites a workspace by chance alone: the same seed, the same files."""

    shop: Shop
    chance: Random
    segments: set[str] = field(default_factory=set)
    journeys: dict[str, Step] = field(default_factory=dict)

    def write_first(self) -> None:
        for name in MAILS:
            self.shop.mail(name)
        self.shop.write("surveys/csat.yaml", "survey: csat\nkind: csat\n")
        self.shop.mail("ask", body='{{ survey("csat") }}')
        for number in range(2):
            self.write_segment(f"some_{number}")
            self.write_journey(f"trip_{number}")
        self.write_settings()

    def edit(self) -> None:
        """One to three changes of any kind."""
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice(
                [self._any_segment, self._any_journey, self._any_journey, self.write_settings,
                 self._new_pair, self._drop_journey, self._any_mail, self._reword]
            )()  # fmt: skip

    def apply(self) -> None:
        """A move that leaves somebody no place is refused; then they finish on their version."""
        try:
            self.shop.apply()
        except NotApplied:
            self.move_nobody()
            self.shop.apply()

    def move_nobody(self) -> None:
        for name, written in self.journeys.items():
            self._save(name, {**written, "in_flight": "pin"})

    def write_settings(self) -> None:
        caps = self.chance.choice(["{}", "{all: 1 per 2 days}", "{all: 2 per 12 hours}"])
        quiet = self.chance.choice(["", "quiet_hours: 21:00-08:00", "quiet_hours: 10:00-20:00"])
        self.shop.write(
            "rekindle.yaml",
            "brand: {name: Shop, zone: UTC, address: 1 Street}\n"
            'sender: {from: "Shop <hello@example.com>"}\n'
            'people: {leads: ["mailto:leads@example.com"]}\n'
            "topics: {offers: {consent: assumed}, news: {consent: required}}\n"
            f"limits: {{mails_24h: 1000, share: 100%}}\ncaps: {caps}\n{quiet}\n",
        )

    def write_segment(self, name: str) -> None:
        within = self.chance.choice(["6 hours", "2 days", "30 days"])
        event, other = self.chance.sample(EVENTS, 2)
        count = self.chance.choice(["at_least: 1", "at_least: 2", "exactly: 0", "at_most: 1"])
        rules = [
            f"{{event: {event}, {count}, within: {within}}}",
            f"{{trait: age, at_least: {self.chance.randint(18, 60)}}}",
            f"{{not: {{event: {event}, within: {within}}}}}",
            f"{{message: any, {count}, within: {within}}}",
            f"{{sequence: [{{event: {event}}}, {{event: {other}, within: {within}}}]}}",
            f"{{trend: {{event: {event}}}, over: 2 days, falls_by: 50%, from_at_least: 1}}",
            f"{{any: [{{answer: csat}}, {{last: {{within: 1 day}}, event: {other}}}]}}",
        ]  # fmt: skip
        self.shop.write(
            f"segments/{name}.yaml", f"segment: {name}\nmatch: {self.chance.choice(rules)}\n"
        )
        self.segments.add(name)

    def write_journey(self, name: str) -> None:
        chance, segment = self.chance, self.chance.choice(sorted(self.segments))
        written: Step = {
            "journey": name,
            "topic": chance.choice(TOPICS),
            "start": [{chance.choice(["enters", "leaves"]): segment}, *self._starts(segment)],
            "backfill": chance.choice([True, False]),
            "again": chance.choice(["never", "always", "after exit", "after 10 hours"]),
            **chance.choice(
                [{"holdout": "10%"}, {"holdout": "50%"}, {"holdout": "none", "because": "so"}]
            ),
            "in_flight": chance.choice(["pin", "pin", "move", "drain"]),
            "priority": chance.choice([20, 50, 80]),
            "steps": [*self._steps(chance.randint(1, 5)), self._send()],
        }
        if chance.random() < 0.4:
            written["exit"] = [
                chance.choice([{"event": chance.choice(EVENTS)}, {"leaves": segment}])
            ]
        if chance.random() < 0.3:
            written["goal"] = {"event": "order.completed", "within": "30 days"}
        if chance.random() < 0.2:
            written["pace"] = chance.choice(["1 per 2 hours", "4 per 6 hours"])
        self._save(name, written)

    def _save(self, name: str, written: Step) -> None:
        self.journeys[name] = written
        self.shop.write(f"journeys/{name}.yaml", json.dumps(written))

    def _starts(self, segment: str) -> list[Step]:
        every = {"cron": self.chance.choice(["0 */7 * * *", "30 9 * * *"]), "for": segment}
        return self.chance.choice([[], [{"event": self.chance.choice(EVENTS)}], [{"every": every}]])

    def _send(self) -> Step:
        return {"send": self.chance.choice(MAILS)}

    def _steps(self, count: int) -> list[Step]:
        return [step for _ in range(count) for step in self._some()]

    def _some(self) -> list[Step]:
        """One step or two that belong together."""
        chance = self.chance
        up_to = f"{chance.choice([1, 5, 12, 24])} hours"
        came, vip = {"event": chance.choice(EVENTS)}, {"trait": "age", "at_least": 40}
        late = {"after": "2 hours", "do": chance.choice(["skip", "retime"])}
        either = {"up_to": up_to, "came": [self._send()], "otherwise": [self._send()]}
        arms = [{"name": name, "share": "50%", "steps": [self._send()]} for name in ("one", "two")]
        return chance.choice(
            [
                [self._send()],
                [self._send()],
                [{**self._send(), "only_if": vip}],
                [{"wait": up_to}],
                [{"wait": up_to, "if_late": late}],
                [{"wait_until": "09:00"}],
                [{"wait_for": came, **either}],
                [{"branch": [{"when": came, "steps": [self._send()]}]}],
                [{"split": arms}],
                [{"survey": "csat", "template": "ask"}, {"wait_for": {"answer": "csat"}, **either}],
                [{"approve": "leads", "up_to": up_to, "otherwise": [self._send()]}],
                [{"set": {"age": chance.randint(16, 70)}}],
                [{"emit": "care.taken"}, {"notify": "leads", "message": "Look"}],
            ]
        )  # fmt: skip

    def _any_segment(self) -> None:
        self.write_segment(self.chance.choice(sorted(self.segments)))

    def _any_journey(self) -> None:
        self.write_journey(self.chance.choice(sorted(self.journeys.keys() | {"trip_0"})))

    def _reword(self) -> None:
        """The same steps under other rules, so that a move finds a place for everybody."""
        if self.journeys:
            name = self.chance.choice(sorted(self.journeys))
            again = self.chance.choice(["never", "always", "after exit"])
            status = self.chance.choice(["live", "live", "paused", "draining", "shadow"])
            rules = {"again": again, "status": status, "in_flight": "move"}
            self._save(name, {**self.journeys[name], **rules})

    def _new_pair(self) -> None:
        number = len(self.segments)
        self.write_segment(f"some_{number}")
        self.write_journey(f"trip_{number}")

    def _drop_journey(self) -> None:
        if self.journeys:
            gone = self.chance.choice(sorted(self.journeys))
            del self.journeys[gone]
            (self.shop.folder / "journeys" / f"{gone}.yaml").unlink()

    def _any_mail(self) -> None:
        self.shop.mail(self.chance.choice(MAILS), body=f"Hello {self.chance.random()}")


def people_come(shop: Shop, chance: Random) -> None:
    for number in range(CUSTOMERS):
        zone = chance.choice(["UTC", "Asia/Tokyo", "America/New_York"])
        shop.customer(f"c{number}", age=chance.randint(16, 70), zone=zone)


def live_a_while(shop: Shop, chance: Random, days: int) -> None:
    """Customers and our own people do things, and the engine looks now and then."""
    for _ in range(days * 3):
        shop.clock.move(timedelta(hours=chance.uniform(2, 14)))
        for _ in range(chance.randint(0, 6)):
            happen(shop, chance)
        if chance.random() < 0.3:
            answer(shop, chance)
        if chance.random() < 0.8:
            shop.run()


def happen(shop: Shop, chance: Random) -> None:
    """Something of somebody, told at once or late."""
    late = timedelta(hours=chance.choice([0, 0, 0, 1, 30]))
    customer = f"c{chance.randrange(CUSTOMERS)}"
    shop.happens(chance.choice(EVENTS), customer, ago=late, ticket_id=str(chance.randint(1, 3)))


def answer(shop: Shop, chance: Random) -> None:
    """Our people answer a question, and customers a survey."""
    shop.clock.move(timedelta(minutes=1))
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        asked = [one.id for one in list_open_approvals(tx, now=now)]
        answer_approvals(tx, asked[:2], is_granted=chance.random() < 0.7, by="lea", now=now)
    with shop.services.store.read() as connection:
        sent = find_sent(connection, now - timedelta(days=3), now - timedelta(minutes=1))
    for person, mail in [one for one in sent if one[1].survey][-2:]:
        act(shop.services, person, Answers(now, mail, chance.randint(1, 5), "", ""))
    shop.clock.move(timedelta(minutes=1))


def open_authored(folder: Path, url: str, now: datetime, chance: Random) -> tuple[Shop, Author]:
    """A shop with people in it, for which an author wrote and applied the first files."""
    folder.mkdir()
    shop = Shop(folder, url, now)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    author = Author(shop, chance)
    author.write_first()
    author.apply()
    people_come(shop, chance)
    return shop, author
