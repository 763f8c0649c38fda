"""Writes the bytes of a mail: a fixed frame, two base64 bodies, headers that any server takes."""

from binascii import b2a_base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from re import compile as pattern

from rekindle.addresses import parse_named
from rekindle.errors import NEEDS_SMTPUTF8, NotAnAddress, Unsupported, UnsupportedAddress
from templates.render import RenderedMail

# RFC 2046 §5.1.1: must not occur in a part; base64 has no underscore
BOUNDARY = "=_rekindle"
BASE64_LINE = 76  # RFC 2045 §6.8
LONGEST_PLAIN_HEADER = (
    900  # RFC 5322 §2.1.1: lines end before 998; longer ones are encoded and folded
)
ENCODED_BYTES = (
    45  # of text in one encoded word, whose 75 characters (RFC 2047 §2) hold 60 of base64
)
SPECIAL = pattern(r'[()<>\[\]:;@\\,."]')
PLAIN_ADDRESS = pattern(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9.-]+")
LINE_END = pattern(r"[\r\n\0]")


@dataclass(frozen=True)
class Envelope:
    """What a message bears beside its content."""

    from_: str  # `Shop <hello@example.com>`
    to: str
    header_id: str  # Message-ID, with or without angle brackets
    date: datetime
    reply_to: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def build(rendered: RenderedMail, envelope: Envelope) -> bytes:
    """The whole mail: CRLF line ends, no line over 998 bytes, dots not stuffed.

    Raises Unsupported for addresses and headers that cannot be written without SMTPUTF8.
    """
    head = "\r\n".join(
        f"{name}: {value}" for name, value in _headers(rendered.subject, envelope) if value
    )
    return b"".join((
        head.encode("ascii"),
        b"\r\n\r\n--", _BOUNDARY, b"\r\n", _PLAIN, _base64(rendered.text),
        b"\r\n--", _BOUNDARY, b"\r\n", _HTML, _base64(rendered.html),
        b"\r\n--", _BOUNDARY, b"--\r\n",
    ))  # fmt: skip


_BOUNDARY = BOUNDARY.encode()
_ENCODING = b"Content-Transfer-Encoding: base64\r\n\r\n"
_PLAIN = b"Content-Type: text/plain; charset=utf-8\r\n" + _ENCODING
_HTML = b"Content-Type: text/html; charset=utf-8\r\n" + _ENCODING


def _headers(subject: str, envelope: Envelope) -> Iterator[tuple[str, str]]:
    yield "From", write_address(envelope.from_)
    yield "To", _write_recipient(envelope.to)
    yield "Reply-To", write_address(envelope.reply_to) if envelope.reply_to else ""
    yield "Subject", write_text(subject)
    yield "Date", format_datetime(envelope.date)
    yield "Message-ID", f"<{envelope.header_id.strip('<>')}>"
    for name, value in envelope.headers:
        yield name, write_text(value)
    yield "MIME-Version", "1.0"
    yield "Content-Type", f'multipart/alternative; boundary="{BOUNDARY}"'


@lru_cache(maxsize=4096)
def write_address(written: str) -> str:
    """`Name <address>` as a header says it. Raises Unsupported for what needs SMTPUTF8."""
    if PLAIN_ADDRESS.fullmatch(written):
        return written
    try:
        name, mailbox = parse_named(written)
    except NotAnAddress as error:
        raise Unsupported(str(error)) from error
    address = mailbox.deliverable
    if not address.isascii():
        raise Unsupported(NEEDS_SMTPUTF8)
    if not name:
        return address
    if not name.isascii():
        return f"{write_text(name)} <{address}>"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>' if SPECIAL.search(name) else f"{name} <{address}>"


def _write_recipient(written: str) -> str:
    try:
        return write_address(written)
    except Unsupported as error:
        raise UnsupportedAddress(str(error)) from error


def write_text(text: str) -> str:
    """A header's value; what is not plain ASCII becomes RFC 2047 encoded words, folded."""
    if LINE_END.search(text):
        raise Unsupported("a header cannot hold a line end.")
    if text.isascii() and len(text) <= LONGEST_PLAIN_HEADER and "=?" not in text:
        return text
    words = (b2a_base64(part, newline=False).decode("ascii") for part in _chunks(text))
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in words)


def _chunks(text: str) -> Iterator[bytes]:
    """The text in stretches that fit an encoded word, no character torn apart."""
    chunk = b""
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(chunk) + len(encoded) > ENCODED_BYTES:
            yield chunk
            chunk = b""
        chunk += encoded
    yield chunk


def _base64(text: str) -> bytes:
    encoded = b2a_base64(text.encode("utf-8", "replace"), newline=False)
    return b"\r\n".join(_lines(encoded))


def _lines(encoded: bytes) -> Sequence[bytes]:
    return [encoded[at : at + BASE64_LINE] for at in range(0, len(encoded), BASE64_LINE)]
