"""`/outbox`: every mail, and each as it looks, from the copy that was kept."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from store.figures import count_mails
from store.portraits import MailLine, find_mail, list_mails
from store.records import MessageId
from web.copies import find_copy
from web.dashboard.showing import show, show_missing
from web.requests import read_id, services_of
from web.security import MAIL_POLICY

MAILS_SHOWN = 50


def show_outbox(request: Request) -> Response:
    status = request.query_params.get("status", "")
    before = request.query_params.get("before", "")
    with services_of(request).store.read() as connection:
        mails = list_mails(
            connection,
            status=status,
            before=read_id(before),
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
    copy = find_copy(services, mail.id)
    return show(request, "mail", {"mail": mail, "copy": copy})


def show_mail_html(request: Request) -> Response:
    """The HTML part alone, for the frame that shows it; it can neither run nor fetch anything."""
    mail = _find(request)
    copy = find_copy(services_of(request), mail.id) if mail else None
    headers = {"Content-Security-Policy": MAIL_POLICY}
    return HTMLResponse(copy.html if copy else "", 200 if copy else 404, headers=headers)


def _find(request: Request) -> MailLine | None:
    number = request.path_params["message_id"]
    with services_of(request).store.read() as connection:
        return find_mail(connection, MessageId(number))
