"""What templates are told: plain, frozen values turned into the names that marketers write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from rekindle.settings import Brand
from store.records import Customer
from templates.facts import bounded_facts
from templates.sandbox import Facts
from templates.survey_card import SurveyCard, SurveyCards

ALWAYS_THERE = frozenset({"id", "email", "first_name", "name"})  # of `customer`, whatever is known


@dataclass(frozen=True)
class Past:
    """How often something happened, and when."""

    count: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True)
class History:
    """What a customer did, up to now."""

    orders: Past = Past()
    tickets: Past = Past()
    visits: Past = Past()


@dataclass(frozen=True)
class Occasion:
    """The event that started the enrollment."""

    name: str
    occurred_at: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Said:
    """A customer's answer to one survey."""

    score: int
    comment: str = ""


@dataclass(frozen=True)
class Drifting:
    """A customer's drift, `sentence` in the reader's language."""

    state: str
    risk: float | None  # None on the day of their first act
    silence: int  # days
    sentence: str


@dataclass(frozen=True)
class Told:
    """Everything a mail may say about one customer at one instant."""

    customer: Customer
    now: datetime
    zone: tzinfo  # where the customer lives
    event: Occasion | None = None
    answers: Mapping[str, Said] = field(default_factory=dict)
    drift: Drifting | None = None
    history: History = History()
    code: str | None = None  # one unused code of a pool
    cards: Mapping[str, SurveyCard] = field(default_factory=dict)  # the surveys a mail may ask


def build_context(
    told: Told, brand: Brand, data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The names of a template, all but those that belong to one message (links, words)."""
    return {
        "customer": customer_facts(told.customer),
        "event": _event_facts(told.event),
        "answer": _answer_facts(told.answers),
        "drift": Facts("drift", vars(told.drift) if told.drift else {}),
        "history": _history_facts(told.history),
        "data": Facts("data", data),
        "brand": Facts("brand", {"name": brand.name, "address": brand.address, "zone": brand.zone}),
        "now": told.now.astimezone(told.zone),
        "survey": SurveyCards(told.cards),
        **({} if told.code is None else {"code": told.code}),
    }


def customer_facts(customer: Customer) -> Facts:
    """The traits, with `id`, and `name` and `first_name` that are always there.

    `name` falls back to the address and the id: it names people to our own team. `first_name` is
    empty where nobody knows it, so that `customer.first_name or "friend"` reads well.
    """
    traits = customer.traits
    first, last = _words(traits, "first_name"), _words(traits, "last_name")
    name = _words(traits, "name") or f"{first} {last}".strip()
    return bounded_facts("customer", {
        **traits,
        "id": customer.external_id,
        "email": customer.email,
        "first_name": first or name.partition(" ")[0],
        "name": name or customer.email or customer.external_id,
    })  # fmt: skip


def _words(traits: Mapping[str, Any], name: str) -> str:
    camel = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
    value = traits.get(name, traits.get(camel))
    return value.strip() if isinstance(value, str) else ""


def _event_facts(event: Occasion | None) -> Facts:
    if event is None:
        return Facts("event")
    own = {"name": event.name, "occurred_at": event.occurred_at}
    return bounded_facts("event", {**own, **event.properties})


def _answer_facts(answers: Mapping[str, Said]) -> Facts:
    return Facts("answer", {
        survey: bounded_facts(f"answer.{survey}", {"score": said.score, "comment": said.comment})
        for survey, said in answers.items()
    })  # fmt: skip


def _history_facts(history: History) -> Facts:
    pasts = {"orders": history.orders, "tickets": history.tickets, "visits": history.visits}
    return Facts("history", {
        name: Facts(f"history.{name}", vars(past)) for name, past in pasts.items()
    })  # fmt: skip
