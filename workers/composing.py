"""Writes the mails of a batch: facts fetched in sets, then each mail rendered on its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from adapters.email.base import OutgoingEmail
from journeys.definition import SERVICE
from rekindle.clock import processor_seconds
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.enrollments import find_customer_of
from store.messages import load_stored
from store.records import NOBODY, EnrollmentId, Message, MessageId
from templates.compile import compile_mail
from templates.context import Told, build_context
from templates.copies import PackedCopy
from templates.mail import ComposedMail, Letter, Letterhead, compose, compose_notice
from templates.render import render_words
from workers.telling import Reader, locale_of, tell_about


@dataclass(frozen=True)
class Draft:
    """A mail yet to be written: its message, where it goes and all that it may say."""

    message: Message
    address: str
    facts: Told
    stored: bytes | None = None  # service mail that was handed over before: leaves as these bytes

    @property
    def is_kept(self) -> bool:
        """Whether its bytes must outlive this process, because it is sent again when in doubt."""
        return self.message.topic == SERVICE and self.stored is None


@dataclass(frozen=True)
class Written:
    """A mail ready to leave, where its numbered links lead, and its copy to be kept, if any."""

    email: OutgoingEmail
    edition: str
    links: tuple[str, ...]
    copy: PackedCopy | None = None


@dataclass(frozen=True)
class Desk:
    """Writes mails, one at a time, for any thread."""

    library: Library
    head: Letterhead

    def write(self, draft: Draft) -> Written:
        """Raises TemplateFailed and Unsupported."""
        mail = _write(self.library, self.head, draft.message, draft.address, draft.facts)
        email = _outgoing(draft.message, draft.address, mail, draft.stored)
        is_stored = draft.is_kept or draft.stored is not None  # whole
        return Written(email, mail.edition, mail.addresses, None if is_stored else mail.copy)


def open_desk(services: Services, library: Library) -> Desk:
    return Desk(library, _letterhead(services, library))


def load_drafts(
    services: Services,
    library: Library,
    messages: Sequence[Message],
    addresses: Mapping[MessageId, str],
    now: datetime,
) -> list[Draft]:
    """What each of `messages` needs to be written, read in sets."""
    with services.store.read() as connection:
        readers = [Reader(one.customer_id, one.enrollment_id) for one in messages]
        told = tell_about(connection, library, readers, now)
        stored = load_stored(connection, [one.id for one in messages if one.topic == SERVICE])
    return [
        Draft(message, addresses[message.id], facts, stored.get(message.id))
        for message, facts in zip(messages, told, strict=True)
    ]


def _letterhead(services: Services, library: Library) -> Letterhead:
    settings = library.settings
    return Letterhead(
        settings.brand,
        settings.sender,
        settings.base_url,
        services.signer,
        library.data,
        processor_seconds,
    )


def _write(
    library: Library, head: Letterhead, message: Message, address: str, facts: Told
) -> ComposedMail:
    letter = Letter(message.id, message.customer_id, message.header_id, address, message.topic)
    if message.customer_id == NOBODY:
        payload = message.payload or {}
        words, subject = str(payload.get("text", "")), str(payload.get("subject", ""))
        return compose_notice(words, subject, letter, facts, head)
    language = library.settings.brand.language
    wanted = locale_of(facts.customer)
    mail = compile_mail(message.template, wanted, library.templates, language=language)
    return compose(mail, letter, facts, head)


def _outgoing(
    message: Message, address: str, mail: ComposedMail, stored: bytes | None
) -> OutgoingEmail:
    return OutgoingEmail(
        message_id=message.id,
        header_id=message.header_id,
        sender=mail.sender,
        to=address,
        mime=stored or mail.mime,
        subject=mail.subject,
        html=mail.html,
        text=mail.text,
        headers=mail.headers,
        topic=message.topic,
        reply_to=mail.reply_to,
    )


def render_notice(
    tx: Connection, library: Library, enrollment_id: EnrollmentId, words: str, now: datetime
) -> str:
    """The words of a notice about one enrollment. Raises TemplateFailed."""
    reader = Reader(find_customer_of(tx, enrollment_id), enrollment_id)
    facts = tell_about(tx, library, [reader], now)[0]
    context = build_context(facts, library.settings.brand, library.data)
    return render_words(words, context, library.settings.brand.language, processor_seconds)
