"""`/u/{token}`: which messages a customer wants; one POST without any page unsubscribes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rekindle.errors import TooMuch
from rekindle.locales import direction
from rekindle.services import Services
from rekindle.settings import Topic
from store.consents import find_last_refusal, find_reader, save_preferences
from store.customers import load_consents, load_customers
from store.knowledge import DENIED, GRANTED, UNKNOWN
from store.mailboxes import load_mailbox_consents
from store.records import CustomerId
from surveys.wordings import fill, unsubscribe_texts
from templates.links import Unsubscription
from web.link_rate import note_look, require_rate
from web.pages import page
from web.requests import FormLimit, read_form, services_of, write
from web.survey_pages import gone_page
from web.texts import mask_address, more_texts, topic_label

Action = Literal["confirm", "confirm_all", "keep", "undo", "save"]
ACTIONS: tuple[Action, ...] = ("confirm", "confirm_all", "keep", "undo", "save")
SAID = {
    "confirm": "done", "confirm_all": "done_all", "keep": "kept", "undo": "resubscribed",
    "save": "saved",
}  # fmt: skip
DAY_SECONDS = 86_400
ONE_CLICK = ("list-unsubscribe", "one-click")  # RFC 8058 §3.1, compared without regard to case


@dataclass(frozen=True)
class Preferences:
    """What one customer allows at present, for the page."""

    topic: str
    address: str
    locale: str | None
    allowed: Mapping[str, bool]


@dataclass(frozen=True)
class Consents:
    """What was said of each topic by a customer and with their mailbox, and so what is allowed."""

    said: Mapping[str, str]
    refused: Mapping[str, str]
    topics: Mapping[str, Topic]

    def allows(self, name: str) -> bool:
        said, is_assumed = self.said.get(name), self.topics[name].consent == "assumed"
        is_willing = said == GRANTED or (said != DENIED and is_assumed)
        return is_willing and self.refused.get(name) != DENIED

    def is_open(self, name: str) -> bool:
        """Whether nobody has refused it, and nobody allowed it."""
        return self.said.get(name, UNKNOWN) == UNKNOWN and self.refused.get(name) != DENIED


async def show_preferences(request: Request) -> Response:
    """The page; looking at it changes nothing."""
    services = services_of(request)
    token = services.signer.read_unsubscribe(request.path_params["token"])
    if token is None:
        return gone_page(request, status=404)
    await note_look(request, token.message_id, "unsubscribe")
    return _show(request, find_preferences(services, token, services.clock.now()))


async def change_preferences(request: Request) -> Response:
    """One click from the mail client, or a button of the page; the same again changes nothing."""
    services = services_of(request)
    token = services.signer.read_unsubscribe(request.path_params["token"])
    if token is None:
        return gone_page(request, status=404)
    require_rate(request, token.message_id)
    form = await read_form(request)
    now = services.clock.now()
    # RFC 8058 §3.2: no redirect, no cookie, no question; a mail client shows nothing of the answer
    if _is_one_click(form):
        await _save(services, token, {token.topic: DENIED}, now)
        return PlainTextResponse("Unsubscribed.\n")
    action = next((one for one in ACTIONS if one == form.get("action")), None)
    topics = tuple(services.settings.topics)
    choices: Mapping[str, str] = {}
    if action == "undo" and form.get("of") != "confirm":
        choices = find_undone(services, token, now)
    elif action is not None:
        choices = choices_of(action, token.topic, topics, form)
    await _save(services, token, choices, now)
    found = find_preferences(services, token, now)
    said = SAID[action] if action else None
    if action == "undo" and set(choices) != {token.topic}:
        said = SAID["save"]
    return _show(request, found, action, said, status=200 if action else 400)


async def preferences(request: Request) -> Response:
    return await (change_preferences if request.method == "POST" else show_preferences)(request)


routes = [
    Route("/u/{token}", preferences, methods=["GET", "POST"], middleware=[Middleware(FormLimit)]),
]


def choices_of(
    action: Action, topic: str, topics: tuple[str, ...], form: Mapping[str, str]
) -> dict[str, str]:
    """What pressing a button says of each topic."""
    match action:
        case "confirm":
            return {topic: DENIED}
        case "confirm_all":
            return dict.fromkeys((*topics, topic), DENIED)
        case "undo":
            return {topic: GRANTED}
        case "save":
            return {one: GRANTED if f"topic.{one}" in form else DENIED for one in topics}
        case "keep":
            return {}


def find_undone(services: Services, token: Unsubscription, now: datetime) -> dict[str, str]:
    """Return what brings back the topics that the last refusal stopped, and no others.

    What was allowed before is granted; what nobody had spoken of waits for a yes, as before.
    """
    with services.store.read() as connection:
        reader = find_reader(connection, token.customer_id, token.message_id, now)
        refusal = find_last_refusal(connection, *reader)
        if refusal is None:
            return {token.topic: GRANTED}
        before = refusal.at - timedelta(microseconds=1)
        then = _load_consents(connection, services, token, reader, before, is_past=True)
    stopped = {
        name: GRANTED for name in refusal.topics if name in then.topics and then.allows(name)
    }
    unspoken = {n: UNKNOWN for n in refusal.topics - stopped.keys() if then.is_open(n)}
    return {**stopped, **unspoken} if stopped else {token.topic: GRANTED}


def _load_consents(
    connection: Connection,
    services: Services,
    token: Unsubscription,
    reader: tuple[CustomerId, str],
    at: datetime,
    *,
    is_past: bool = False,
) -> Consents:
    """Of every topic the settings know, and of the email's own."""
    customer_id, mailbox = reader
    known_by = at if is_past else None
    said = load_consents(connection, [customer_id], at, known_by=known_by)
    refused = load_mailbox_consents(connection, [mailbox], at, known_by=known_by)
    topics = {token.topic: Topic(), **services.settings.topics}
    return Consents(said.get(customer_id, {}), refused.get(mailbox, {}), topics)


def find_preferences(services: Services, token: Unsubscription, now: datetime) -> Preferences:
    """What the customer allows of every topic the settings know, and of the mail's own."""
    with services.store.read() as connection:
        reader = find_reader(connection, token.customer_id, token.message_id, now)
        id_, mailbox = reader
        customer = load_customers(connection, [id_], now).get(id_)
        found = _load_consents(connection, services, token, reader, now)
    locale = customer.traits.get("locale") if customer else None
    return Preferences(
        topic=token.topic,
        address=mask_address(mailbox) if customer else "•••",
        locale=locale if isinstance(locale, str) else None,
        allowed={name: found.allows(name) for name in found.topics},
    )


def _is_one_click(form: Mapping[str, str]) -> bool:
    return any((name.lower(), value.strip().lower()) == ONE_CLICK for name, value in form.items())


async def _save(
    services: Services, token: Unsubscription, choices: Mapping[str, str], now: datetime
) -> None:
    def save(tx: Connection) -> bool:
        return save_preferences(tx, token.customer_id, token.message_id, choices, now)

    try:
        is_new = await write(services, save)
    except TooMuch as error:
        raise HTTPException(429, str(error), {"Retry-After": str(DAY_SECONDS)}) from error
    if is_new:
        services.wake.changed()


def _show(
    request: Request,
    preferences: Preferences,
    action: Action | None = None,
    said: str | None = None,
    *,
    status: int = 200,
) -> Response:
    language = services_of(request).settings.brand.language
    texts = unsubscribe_texts(preferences.locale, language)
    locale = texts["locale"]
    named = {"topic": topic_label(preferences.topic), "address": preferences.address}
    values: dict[str, Any] = {
        "locale": locale,
        "direction": direction(locale),
        "words": {name: fill(text, locale, **named) for name, text in texts.items()},
        "more": more_texts(locale, language),
        "topic": preferences.topic,
        "topics": [(one, topic_label(one), ok) for one, ok in preferences.allowed.items()],
        "action": action,
        "said": said,
        "is_subscribed": preferences.allowed[preferences.topic],
    }
    return page(request, "preferences", values, status=status)
