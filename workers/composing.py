"""Writes the mails of a batch: facts fetched in sets, then each mail rendered on its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from adapters.email.base import OutgoingEmail
from rekindle.errors import TemplateFailed, Unsupported
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.editions import save_editions
from store.enrollments import find_customer_of
from store.messages import Sending
from store.records import NOBODY, EnrollmentId, Message, MessageId
from templates.compile import compile_mail
from templates.context import Told, build_context
from templates.mail import ComposedMail, Letter, Letterhead, compose, compose_notice
from templates.render import render_words
from workers.telling import Reader, locale_of, tell_about


def compose_all(
    services: Services,
    messages: Sequence[Message],
    addresses: Mapping[MessageId, str],
    stored: Mapping[MessageId, bytes],
    now: datetime,
) -> tuple[list[OutgoingEmail], list[Sending]]:
    """The mails ready to leave, and those that cannot be written with the reason.

    One whose bytes are `stored` leaves as those very bytes.
    """
    library = services.library()
    head = _letterhead(services, library)
    with services.store.read() as connection:
        readers = [Reader(one.customer_id, one.enrollment_id) for one in messages]
        told = tell_about(connection, library, readers, now)
    emails: list[OutgoingEmail] = []
    failed: list[Sending] = []
    editions: dict[str, Sequence[str]] = {}
    for message, facts in zip(messages, told, strict=True):
        try:
            mail = _write(library, head, message, addresses[message.id], facts)
        except (TemplateFailed, Unsupported) as error:
            failed.append(Sending(message.id, "refused", str(error)))
            continue
        editions[mail.edition] = mail.addresses
        emails.append(_outgoing(message, addresses[message.id], mail, stored.get(message.id)))
    _keep_editions(services, editions)
    return emails, failed


def _letterhead(services: Services, library: Library) -> Letterhead:
    settings = library.settings
    return Letterhead(
        settings.brand, settings.sender, settings.base_url, services.signer, library.data
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


def _keep_editions(services: Services, editions: Mapping[str, Sequence[str]]) -> None:
    """Where the links of these mails lead, before any of them leaves."""
    numbered = {edition: links for edition, links in editions.items() if links}
    if numbered:
        with services.store.begin() as tx:
            save_editions(tx, numbered)


def render_notice(
    tx: Connection, library: Library, enrollment_id: EnrollmentId, words: str, now: datetime
) -> str:
    """The words of a notice about one enrollment. Raises TemplateFailed."""
    reader = Reader(find_customer_of(tx, enrollment_id), enrollment_id)
    facts = tell_about(tx, library, [reader], now)[0]
    context = build_context(facts, library.settings.brand, library.data)
    return render_words(words, context, library.settings.brand.language)
