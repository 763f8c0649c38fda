"""Builders: a customer, what is told about them, and mails in the layout of the engine."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from zoneinfo import ZoneInfo

from rekindle.settings import Brand, Sender
from store.records import Customer, CustomerId
from templates.compile import compile_mail
from templates.context import Told, build_context
from templates.links import MailLinks, Signer
from templates.mail import ComposedMail, Letter, Letterhead, compose
from templates.render import RenderedMail, render
from templates.survey_card import SurveyCard

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BASE = "https://mail.example.com"
SIGNER = Signer("secret")
BRAND = Brand(name="Shop", address="1 Street, City")
CSAT = SurveyCard("csat", "How was it?", "Bad", "Good", (1, 2, 3, 4, 5), "en")


def a_mail(body: str = "<p>Hello</p>", subject: str = "Hello", rest: str = "") -> str:
    """The source of a mail in the engine's own layout."""
    return (
        f'{{% extends "layouts/brand" %}}{{% block subject %}}{subject}{{% endblock %}}'
        f"{{% block body %}}{body}{{% endblock %}}{rest}"
    )


def told(**known: object) -> Told:
    """`traits` and whatever else Told takes."""
    traits = {"first_name": "Ana", **(known.pop("traits", None) or {})}  # type: ignore[dict-item]
    customer = Customer(CustomerId(3), "c3", traits)
    facts = {"now": NOW, "zone": ZoneInfo("Asia/Riyadh"), "cards": {"csat": CSAT}, **known}
    return Told(customer, **facts)  # type: ignore[arg-type]


def links(topic: str = "offers") -> MailLinks:
    return MailLinks(SIGNER, BASE, 42, 3, topic)


def rendered(
    source: str, locale: str = "en", topic: str = "offers", more: dict[str, str] | None = None,
    **known: object,
) -> RenderedMail:  # fmt: skip
    mail = compile_mail("mail", locale, {"mail": source, **(more or {})}, language=locale)
    return render(mail, build_context(told(**known), BRAND), links(topic))


def html_of(body: str, **known: object) -> str:
    return rendered(a_mail(body), **known).html  # type: ignore[arg-type]


def text_of(body: str, **known: object) -> str:
    """The text part of a mail, without the layout's head and foot."""
    text = rendered(a_mail(body), **known).text  # type: ignore[arg-type]
    return text.removeprefix("Shop").partition("\n\nShop\n1 Street, City")[0].strip()


def composed(source: str, topic: str = "offers", **known: object) -> ComposedMail:
    sender = Sender.model_validate({"from": "Shop <hello@shop.example.com>"})
    head = Letterhead(BRAND, known.pop("sender", sender), BASE, SIGNER)  # type: ignore[arg-type]
    letter = Letter(42, 3, "42@shop.example.com", str(known.pop("to", "ana@example.com")), topic)
    return compose(compile_mail("mail", "en", {"mail": source}), letter, told(**known), head)


def parsed(mime: bytes) -> EmailMessage:
    return message_from_bytes(mime, policy=policy.default)
