"""From facts to bytes: one message, complete and ready for any provider."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from re import compile as pattern
from typing import Any

from markupsafe import escape

from rekindle.addresses import EmailAddress
from rekindle.settings import Brand, Sender
from templates.compile import CompiledMail
from templates.context import Told, build_context
from templates.copies import PackedCopy, pack_copy
from templates.links import MailLinks, Signer
from templates.mime import Envelope, build
from templates.render import SERVICE, RenderedMail, render
from templates.rendering import Stopwatch

UNSAFE_IN_FEEDBACK_ID = pattern(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Letterhead:
    """What all mails of one workspace share."""

    brand: Brand
    sender: Sender
    base_url: str
    signer: Signer
    data: Mapping[str, Any] = field(default_factory=dict)
    stopwatch: Stopwatch | None = None  # bounds the processor's time for one message


@dataclass(frozen=True)
class Letter:
    """What belongs to one message, whatever it says."""

    message_id: int
    customer_id: int
    header_id: str  # Message-ID, fixed before the first try
    to: str
    topic: str


@dataclass(frozen=True)
class ComposedMail:
    """Everything an OutgoingEmail holds, and where its numbered links lead."""

    subject: str
    html: str
    text: str
    mime: bytes
    sender: str
    reply_to: str
    headers: tuple[tuple[str, str], ...]
    edition: str
    addresses: tuple[str, ...]  # of links 1, 2, …: `store.editions` keeps them
    copy: PackedCopy | None  # of what can be read in a browser; None: nothing says where


def compose(mail: CompiledMail, letter: Letter, told: Told, head: Letterhead) -> ComposedMail:
    """Write one message. The same arguments always give the same bytes.

    `told.now` is its date. Raises TemplateFailed, and Unsupported for an address without a server.
    """
    links = MailLinks(
        head.signer, head.base_url.rstrip("/"), letter.message_id, letter.customer_id, letter.topic
    )
    context = build_context(told, head.brand, head.data)
    rendered = render(mail, context, links, head.stopwatch)
    headers = tuple(message_headers(mail, links, head))
    return ComposedMail(
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        mime=build(rendered, envelope(letter, told, head, headers)),
        sender=head.sender.address,
        reply_to=head.sender.reply_to,
        headers=headers,
        edition=mail.edition,
        addresses=mail.links,
        copy=pack_copy(rendered.subject, rendered.html, rendered.text, mail.outline),
    )


def envelope(
    letter: Letter, told: Told, head: Letterhead, headers: tuple[tuple[str, str], ...] = ()
) -> Envelope:
    return Envelope(
        from_=head.sender.address,
        to=letter.to,
        header_id=letter.header_id,
        date=told.now,
        reply_to=head.sender.reply_to,
        headers=headers,
    )


def message_headers(
    mail: CompiledMail, links: MailLinks, head: Letterhead
) -> Iterator[tuple[str, str]]:
    """What mailboxes and mail robots need to know about a message."""
    domain = domain_of(head.sender.address)
    if links.topic != SERVICE:
        # RFC 8058 §3.1: both headers, one https address, a POST to it unsubscribes
        yield "List-Unsubscribe", f"<{links.unsubscribe_url}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"
        yield "List-Id", f"<{_safe(links.topic)}.{domain}>"
    if links.topic == SERVICE or mail.surveys:
        yield "Auto-Submitted", "auto-generated"  # RFC 3834 §5: vacation robots keep quiet
    # Gmail's feedback loop: up to four fields, the last one constant for the sender
    yield "Feedback-ID", f"{_safe(mail.name)}:{_safe(links.topic)}:rekindle:{_safe(domain)}"


def compose_notice(
    words: str, subject: str, letter: Letter, told: Told, head: Letterhead
) -> ComposedMail:
    """A few words to our own people, as a mail: no links of ours, nothing to unsubscribe from."""
    html = f"<!DOCTYPE html><html><body><p>{escape(words)}</p></body></html>"
    rendered = RenderedMail(" ".join(subject.split()), html, words + "\n")
    headers = (("Auto-Submitted", "auto-generated"),)
    mime = build(rendered, envelope(letter, told, head, headers))
    return ComposedMail(
        rendered.subject, html, rendered.text, mime, head.sender.address, head.sender.reply_to,
        headers, edition="", addresses=(), copy=None,
    )  # fmt: skip


@lru_cache(maxsize=64)
def domain_of(sender: str) -> str:
    """The domain of `Name <address>`."""
    address = EmailAddress.find(sender)
    return address.domain if address else "localhost"


def _safe(text: str) -> str:
    return UNSAFE_IN_FEEDBACK_ID.sub("_", text)
