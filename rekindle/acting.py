"""Carries out what made-up people do with their mails, as the web does for real ones."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from rekindle.services import Services
from store.consents import save_preferences
from store.customers import ids_of
from store.knowledge import DENIED
from store.records import MessageId
from store.tables import customers, messages
from templates.links import SurveyInvitation
from web.surveys import Form, find_asked, record_answer
from web.tracking import record_request
from web.visits import Visitor, record_visit

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LOOKS = Visitor("GET", AGENT)
FILLING_IN = timedelta(seconds=25)
SHOP = "https://shop.example.com/"


@dataclass(frozen=True)
class SentMail:
    """What a person finds in their mailbox."""

    message_id: MessageId
    template: str
    topic: str
    survey: str | None
    sent_at: datetime


@dataclass(frozen=True)
class Opens:
    at: datetime
    mail: SentMail


@dataclass(frozen=True)
class Clicks:
    at: datetime
    mail: SentMail


@dataclass(frozen=True)
class Answers:
    at: datetime
    mail: SentMail
    score: int
    comment: str
    solved: str  # yes, no, or empty


@dataclass(frozen=True)
class Unsubscribes:
    at: datetime
    mail: SentMail


Act = Opens | Clicks | Answers | Unsubscribes


def find_sent(
    connection: Connection, after: datetime, until: datetime
) -> list[tuple[str, SentMail]]:
    """Mails to customers that left in (`after`, `until`], each with its customer's external id."""
    query = (
        select(
            customers.c.external_id,
            messages.c.id,
            messages.c.template,
            messages.c.topic,
            messages.c.survey,
            messages.c.sent_at,
        )
        .join(customers, customers.c.id == messages.c.customer_id)
        .where(messages.c.sent_at > after, messages.c.sent_at <= until)
        .order_by(messages.c.id)
    )
    return [(row[0], SentMail(MessageId(row[1]), *row[2:])) for row in connection.execute(query)]


def act(services: Services, person: str, done: Act) -> None:
    """Do what `done` says, at its instant."""
    match done:
        case Opens(at=at, mail=mail):
            _request(services, mail, "open", at)
        case Clicks(at=at, mail=mail):
            _request(services, mail, "click:1", at)
        case Answers():
            _answer(services, done)
        case Unsubscribes(at=at, mail=mail):
            _unsubscribe(services, person, mail, at)


def _request(services: Services, mail: SentMail, link: str, at: datetime) -> None:
    address = None if link == "open" else SHOP
    with services.store.begin() as tx:
        record_request(tx, mail.message_id, link, address, LOOKS, at)


def _answer(services: Services, answer: Answers) -> None:
    """Look at the page, think, send the form."""
    assert answer.mail.survey is not None
    invitation = SurveyInvitation(answer.mail.message_id, answer.mail.survey)
    sent_at = answer.at + FILLING_IN
    with services.store.begin() as tx:
        record_visit(tx, answer.mail.message_id, f"survey:{answer.score}", LOOKS, answer.at)
    asked = find_asked(services, invitation, sent_at)
    if asked is None or sent_at >= asked.invitation.closes_at:
        return
    form = Form(answer.score, answer.comment, answer.solved, page_made_at=answer.at)
    with services.store.begin() as tx:
        record_answer(tx, asked, form, AGENT, sent_at)


def _unsubscribe(services: Services, person: str, mail: SentMail, at: datetime) -> None:
    with services.store.begin() as tx:
        record_visit(tx, mail.message_id, "unsubscribe", LOOKS, at)
        customer_id = ids_of(tx, [person])[person]
        save_preferences(tx, customer_id, mail.message_id, {mail.topic: DENIED}, at)
