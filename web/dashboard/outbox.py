"""`/outbox`: every mail, and each as it looks, from the copy that was kept."""

from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rekindle.services import Services
from store.figures import count_mails
from store.messages import load_stored
from store.portraits import MailLine, find_mail, list_mails
from store.records import MessageId
from web.dashboard.showing import show, show_missing
from web.requests import services_of
from web.security import MAIL_POLICY

MAILS_SHOWN = 50


@dataclass(frozen=True)
class Copy:
    """A mail as it left, taken apart."""

    subject: str
    headers: tuple[tuple[str, str], ...]
    html: str
    text: str


def show_outbox(request: Request) -> Response:
    status = request.query_params.get("status", "")
    before = request.query_params.get("before", "")
    with services_of(request).store.read() as connection:
        mails = list_mails(
            connection,
            status=status,
            before=int(before) if before.isdecimal() else None,
            limit_rows=MAILS_SHOWN + 1,
        )
        counts = count_mails(connection)
    values = {
        "mails": mails[:MAILS_SHOWN],
        "has_more": len(mails) > MAILS_SHOWN,
        "counts": counts,
        "status": status,
    }
    return show(request, "outbox", values)


def show_mail(request: Request) -> Response:
    services = services_of(request)
    mail = _find(request)
    if mail is None:
        return show_missing(request, "There is no such mail.")
    copy = find_copy(services, mail)
    return show(request, "mail", {"mail": mail, "copy": copy})


def show_mail_html(request: Request) -> Response:
    """The HTML part alone, for the frame that shows it; it can neither run nor fetch anything."""
    mail = _find(request)
    copy = find_copy(services_of(request), mail) if mail else None
    headers = {"Content-Security-Policy": MAIL_POLICY}
    return HTMLResponse(copy.html if copy else "", 200 if copy else 404, headers=headers)


def find_copy(services: Services, mail: MailLine) -> Copy | None:
    """The mail as it left: from the outbox, or as stored for a service mail; None if not kept."""
    file = services.outbox / f"{mail.id}.eml"
    if file.is_file():
        return take_apart(file.read_bytes())
    with services.store.read() as connection:
        stored = load_stored(connection, [mail.id]).get(mail.id)
    return take_apart(stored) if stored else None


def take_apart(mime: bytes) -> Copy:
    """A mail's subject, headers and both bodies; what is missing is empty."""
    mail = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(mime)
    return Copy(
        subject=str(mail["Subject"] or ""),
        headers=tuple((name, str(value)) for name, value in mail.items()),
        html=_body(mail, "html"),
        text=_body(mail, "plain"),
    )


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return part.get_content() if part is not None else ""


def _find(request: Request) -> MailLine | None:
    number = request.path_params["message_id"]
    with services_of(request).store.read() as connection:
        return find_mail(connection, MessageId(number))
