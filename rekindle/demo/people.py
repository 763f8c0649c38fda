"""Generates the customers of a coffee shop; the same seed always makes the same people."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from store.records import IncomingCustomer


class Country(NamedTuple):
    locale: str
    zone: str
    given: Sequence[str]
    family: Sequence[str]


COUNTRIES = (
    Country(
        "en", "Europe/London",
        ("Alice", "Ben", "Chloe", "Daniel", "Ella", "Finn", "Grace", "Harry", "Isla", "Jack",
         "Kate", "Liam", "Mia", "Noah", "Olive", "Peter", "Quinn", "Ruby", "Sam", "Tess"),
        ("Archer", "Baker", "Carter", "Dale", "Ellis", "Fisher", "Gray", "Hill", "Irving", "Jones",
         "Knight", "Lowe", "Marsh", "North", "Olsen", "Page", "Reed", "Stone", "Turner", "Wood"),
    ),
    Country(
        "ar", "Asia/Riyadh",
        ("أمل", "بدر", "جنى", "حسن", "خالد", "دانة", "ريم", "سارة", "طارق", "عمر", "فاطمة", "ليلى"),
        ("الحربي", "الزهراني", "الشمري", "العتيبي", "الغامدي", "القحطاني", "المطيري", "النجار"),
    ),
    Country(
        "fa", "Asia/Tehran",
        ("آرش", "بهار", "پویا", "ترانه", "داریوش", "رویا", "سارا", "شیرین", "کاوه", "مریم", "نیما"),
        ("احمدی", "بهرامی", "جعفری", "رضایی", "شریفی", "صادقی", "کریمی", "موسوی", "نوری", "یزدی"),
    ),
)  # fmt: skip
WEIGHTS = (80, 12, 8)
YEAR = 365.0


@dataclass(frozen=True)
class Person:
    """Somebody with a rhythm of their own. Days count from the beginning of the year."""

    id: str
    name: str
    email: str
    locale: str
    zone: str
    joins_on: float  # negative: was a customer already
    order_gap: float  # usual days between orders
    regularity: float  # shape of the gaps between orders: 1 is chance, 6 is clockwork
    looks_per_order: float  # visits without an order, for each with one
    leaves_on: float | None  # the truth that no shop is told; None: stays
    fades: bool  # the last orders before leaving come slower and slower
    opens: float  # chance to open a mail
    clicks: float  # chance to click in an opened one
    answers: float  # chance to answer a survey
    temper: float  # 0 is never pleased, 1 always
    forgives: float  # chance that a good mail brings somebody back who left

    def is_here_on(self, day: float) -> bool:
        """Whether they are a customer on that day, seen by one who knows the truth."""
        return self.joins_on <= day and (self.leaves_on is None or day < self.leaves_on)


def generate_people(count: int, seed: int) -> tuple[Person, ...]:
    """`count` customers; a longer list begins with the shorter one."""
    return tuple(_person(number, Random(f"{seed}:person:{number}")) for number in range(count))


def _person(number: int, chance: Random) -> Person:
    country = chance.choices(COUNTRIES, WEIGHTS)[0]
    joins_on = -1.0 if chance.random() < 0.6 else chance.uniform(0, YEAR * 0.93)
    order_gap = min(max(chance.lognormvariate(3.5, 0.7), 5.0), 150.0)  # median 33 days
    return Person(
        id=f"c{number + 1:05d}",
        name=f"{chance.choice(country.given)} {chance.choice(country.family)}",
        email=f"c{number + 1:05d}@example.com",
        locale=country.locale,
        zone=country.zone,
        joins_on=joins_on,
        order_gap=order_gap,
        regularity=chance.choice((1.0, 2.0, 3.0, 6.0)),
        looks_per_order=chance.uniform(0.3, 2.0),
        leaves_on=_leaving(joins_on, chance),
        fades=chance.random() < 0.5,
        opens=chance.betavariate(2, 3),
        clicks=chance.betavariate(1.5, 4),
        answers=chance.betavariate(1.5, 3),
        temper=chance.betavariate(5, 2),
        forgives=chance.betavariate(1, 4),
    )


def _leaving(joins_on: float, chance: Random) -> float | None:
    """A third leave within the year; newcomers, as everywhere, soonest."""
    if chance.random() > 0.33:
        return None
    if joins_on < 0:
        return chance.uniform(10, YEAR)
    return joins_on + chance.expovariate(1 / 70)


def as_customer(person: Person) -> IncomingCustomer:
    """What the shop's customers file says of them."""
    traits = {
        "email": person.email,
        "name": person.name,
        "locale": person.locale,
        "zone": person.zone,
    }
    return IncomingCustomer(person.id, traits)
