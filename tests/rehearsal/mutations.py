"""Random workspaces of a small shop, random edits of them, and a random past."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from tests.shop import LAYOUT, Shop

EVENTS = ("order.completed", "page.viewed", "ticket.opened", "ticket.solved")
MAILS = ("hello", "offer", "story", "sorry")
CUSTOMERS = 12
TOPICS = ("offers", "news", "service")


@dataclass
class Author:
    """Writes and rewrites a workspace by chance alone: the same seed, the same files."""

    shop: Shop
    chance: Random
    segments: set[str] = field(default_factory=set)
    journeys: set[str] = field(default_factory=set)

    def write_first(self) -> None:
        for name in MAILS:
            self.shop.mail(name)
        for number in range(2):
            self.write_segment(f"some_{number}")
            self.write_journey(f"trip_{number}")
        self.write_settings()

    def edit(self) -> None:
        """One to three changes of any kind."""
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice(
                [self._any_segment, self._any_journey, self._any_journey, self.write_settings,
                 self._new_pair, self._drop_journey, self._any_mail]
            )()  # fmt: skip

    def write_settings(self) -> None:
        caps = self.chance.choice(["{}", "{all: 1 per 2 days}", "{all: 2 per 12 hours}"])
        quiet = self.chance.choice(["", "quiet_hours: 21:00-08:00", "quiet_hours: 10:00-20:00"])
        self.shop.write(
            "rekindle.yaml",
            "brand: {name: Shop, zone: UTC, address: 1 Street}\n"
            'sender: {from: "Shop <hello@example.com>"}\n'
            "topics: {offers: {consent: assumed}, news: {consent: required}}\n"
            f"limits: {{mails_24h: 1000, share: 100%}}\ncaps: {caps}\n{quiet}\n",
        )

    def write_segment(self, name: str) -> None:
        within = self.chance.choice(["6 hours", "2 days", "30 days"])
        event = self.chance.choice(EVENTS)
        count = self.chance.choice(["at_least: 1", "at_least: 2", "exactly: 0", "at_most: 1"])
        rules = [
            f"{{event: {event}, {count}, within: {within}}}",
            f"{{trait: age, at_least: {self.chance.randint(18, 60)}}}",
            f"{{not: {{event: {event}, within: {within}}}}}",
            f"{{message: any, {count}, within: {within}}}",
        ]
        self.shop.write(
            f"segments/{name}.yaml", f"segment: {name}\nmatch: {self.chance.choice(rules)}\n"
        )
        self.segments.add(name)

    def write_journey(self, name: str) -> None:
        chance, segment = self.chance, self.chance.choice(sorted(self.segments))
        lines = [
            f"journey: {name}",
            f"topic: {chance.choice(TOPICS)}",
            "start:",
            f"  - {chance.choice(['enters', 'leaves'])}: {segment}",
            *([f"  - event: {chance.choice(EVENTS)}"] if chance.random() < 0.5 else []),
            f"backfill: {chance.choice(['true', 'false'])}",
            f"again: {chance.choice(['never', 'always', 'after exit', 'after 10 hours'])}",
            *chance.choice([["holdout: 10%"], ["holdout: 50%"], ["holdout: none", "because: so"]]),
            *([f"exit: [{{event: {chance.choice(EVENTS)}}}]"] if chance.random() < 0.4 else []),
            "steps:",
            *self._steps(chance.randint(1, 5)),
        ]
        self.shop.write(f"journeys/{name}.yaml", "\n".join(lines) + "\n")
        self.journeys.add(name)

    def _steps(self, count: int) -> list[str]:
        lines = []
        for _ in range(count):
            mail, hours = self.chance.choice(MAILS), self.chance.choice([1, 5, 12, 24])
            came = f"{{event: {self.chance.choice(EVENTS)}}}"
            lines += self.chance.choice(
                [
                    [f"  - send: {mail}"],
                    [f"  - send: {mail}"],
                    [f"  - wait: {hours} hours"],
                    [f"  - wait_for: {came}", f"    up_to: {hours} hours",
                     f"    otherwise: [{{send: {mail}}}]"],
                    ["  - branch:", f"      - when: {came}",
                     f"        steps: [{{send: {mail}}}]"],
                ]
            )  # fmt: skip
        return [*lines, f"  - send: {self.chance.choice(MAILS)}"]

    def _any_segment(self) -> None:
        self.write_segment(self.chance.choice(sorted(self.segments)))

    def _any_journey(self) -> None:
        self.write_journey(self.chance.choice(sorted(self.journeys | {"trip_0"})))

    def _new_pair(self) -> None:
        number = len(self.segments)
        self.write_segment(f"some_{number}")
        self.write_journey(f"trip_{number}")

    def _drop_journey(self) -> None:
        if self.journeys:
            gone = self.chance.choice(sorted(self.journeys))
            self.journeys.discard(gone)
            (self.shop.folder / "journeys" / f"{gone}.yaml").unlink()

    def _any_mail(self) -> None:
        self.shop.mail(self.chance.choice(MAILS), body=f"Hello {self.chance.random()}")


def people_come(shop: Shop, chance: Random) -> None:
    for number in range(CUSTOMERS):
        zone = chance.choice(["UTC", "Asia/Tokyo", "America/New_York"])
        shop.customer(f"c{number}", age=chance.randint(16, 70), zone=zone)


def live_a_while(shop: Shop, chance: Random, days: int) -> None:
    """Customers do things, and the engine looks now and then."""
    for _ in range(days * 3):
        shop.clock.move(timedelta(hours=chance.uniform(2, 14)))
        for _ in range(chance.randint(0, 6)):
            happen(shop, chance)
        if chance.random() < 0.8:
            shop.run()


def happen(shop: Shop, chance: Random) -> None:
    """Something of somebody, told at once or late."""
    late = timedelta(hours=chance.choice([0, 0, 0, 1, 30]))
    customer = f"c{chance.randrange(CUSTOMERS)}"
    shop.happens(chance.choice(EVENTS), customer, ago=late, ticket_id=str(chance.randint(1, 3)))


def open_authored(folder: Path, url: str, now: datetime, chance: Random) -> tuple[Shop, Author]:
    """A shop with people in it, for which an author wrote and applied the first files."""
    folder.mkdir()
    shop = Shop(folder, url, now)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    author = Author(shop, chance)
    author.write_first()
    shop.apply()
    people_come(shop, chance)
    return shop, author
