"""Mails as they left: shown in the dashboard, and at `/m/{token}` to whoever cannot read theirs."""

import re
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from rekindle.services import Services
from store.copies import load_copy
from store.messages import load_stored
from store.records import MessageId
from templates.copies import unpack_copy
from web.link_rate import note_look
from web.requests import services_of
from web.survey_pages import gone_page

# As in a mail program: pictures and styles, no scripts, no forms, nothing of this site's.
READER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-popups allow-top-navigation"
)
PIXEL = re.compile(r'<img src="[^"]*/o/[^"]*" width="1" height="1"[^>]*>')


@dataclass(frozen=True)
class Copy:
    """A mail as it left, taken apart; a part it did not have is empty."""

    subject: str
    headers: tuple[tuple[str, str], ...]
    html: str
    text: str


def find_copy(services: Services, message_id: MessageId) -> Copy | None:
    """From the outbox, as stored for service mails or as packed; None where none is kept."""
    file = services.outbox / f"{message_id}.eml"
    if file.is_file():
        return take_apart(file.read_bytes())
    with services.store.read() as connection:
        stored = load_stored(connection, [message_id]).get(message_id)
        packed = None if stored else load_copy(connection, message_id)
    if packed is not None:
        subject, html, text = unpack_copy(packed.body, packed.outline)
        return Copy(subject, (), html, text)
    return take_apart(stored) if stored else None


def take_apart(mime: bytes) -> Copy:
    mail = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(mime)
    return Copy(
        subject=str(mail["Subject"] or ""),
        headers=tuple((name, str(value)) for name, value in mail.items()),
        html=_body(mail, "html"),
        text=_body(mail, "plain"),
    )


async def read_mail(request: Request) -> Response:
    """The mail in the browser, for as long as a copy is kept."""
    services = services_of(request)
    message_id = services.signer.read_view(request.path_params["token"])
    if message_id is None:
        return gone_page(request, status=404)
    await note_look(request, message_id, "view")
    copy = find_copy(services, message_id)
    if copy is None:
        return gone_page(request, status=410)
    html = PIXEL.sub("", copy.html)  # whoever is here is counted by this very look
    return HTMLResponse(html, headers={"Content-Security-Policy": READER_POLICY})


routes = [Route("/m/{token}", read_mail, methods=["GET"])]


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
