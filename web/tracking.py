"""`/c/{token}` sends on to the one address that was signed; `/o/{token}` is an empty picture."""

from base64 import b64decode
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from rekindle.errors import StoreUnavailable
from rekindle.logs import get_logger
from rekindle.services import Services
from store.editions import find_address
from store.records import MessageId
from templates.addresses import web_address
from templates.links import DECOY, Click
from web.link_rate import LinkRate
from web.requests import services_of, shared, visitor_of, write
from web.survey_pages import gone_page
from web.visits import Visitor, record_act, record_visit

log = get_logger()
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # 1 × 1, transparent
FRESH = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


async def follow_link(request: Request) -> Response:
    """On to the address the mail named; a click if a person followed it."""
    services = services_of(request)
    click = services.signer.read_click(request.path_params["token"])
    if click is None:
        return gone_page(request, status=404)
    address = _address_of(services, click)
    await _note(request, click.message_id, _link(click), address)
    if click.is_decoy:
        return PlainTextResponse("There is nothing here.\n", headers=FRESH)
    if address is None:
        return gone_page(request, status=410)
    return redirection(address)


async def show_pixel(request: Request) -> Response:
    """An open, if a person's mail program asked for it."""
    services = services_of(request)
    message_id = services.signer.read_open(request.path_params["token"])
    if message_id is not None:
        await _note(request, message_id, "open", None)
    status = 404 if message_id is None else 200
    return Response(PIXEL, status, media_type="image/gif", headers=FRESH)


routes = [
    Route("/c/{token}", follow_link, methods=["GET"], name="click"),
    Route("/o/{token}", show_pixel, methods=["GET"], name="open"),
]


def record_request(
    tx: Connection,
    message_id: MessageId,
    link: str,
    address: str | None,
    visitor: Visitor,
    now: datetime,
) -> bool:
    """Keep a request to a click link or the pixel; True if a person clicked or opened."""
    visit = record_visit(tx, message_id, link, visitor, now)
    if visit is None or link == "decoy" or visitor.method == "HEAD":
        return False
    if link == "open":
        record_act(tx, visit, "opened", now)
    else:
        record_act(tx, visit, "clicked", now, url=address or "", link=link)
    return visit.verdict.is_person


async def _note(request: Request, message_id: MessageId, link: str, address: str | None) -> None:
    """Keep the request, if there are not too many; whoever follows a link arrives even while the
    database does not answer.
    """
    if not shared(request, LinkRate).may_look(message_id):
        return
    services, visitor = services_of(request), visitor_of(request)
    now = services.clock.now()

    def work(tx: Connection) -> bool:
        return record_request(tx, message_id, link, address, visitor, now)

    try:
        is_act = await write(services, work)
    except (StoreUnavailable, SQLAlchemyError) as error:
        log.error("hit.lost", message_id=message_id, cause=type(error).__name__)
        return
    if is_act:
        services.wake.changed()


def redirection(address: str) -> Response:
    """On to what a browser would ask for if the mail's link had led there by itself."""
    if page := web_address(address):  # already quoted
        return Response(status_code=302, headers={"Location": page, **FRESH})
    return RedirectResponse(address, 302, headers=FRESH)


def _link(click: Click) -> str:
    if click.is_decoy:
        return "decoy"
    if click.address is not None:
        return f"click:{sha256(click.address.encode()).hexdigest()[:8]}"
    return f"click:{click.number}"


def _address_of(services: Services, click: Click) -> str | None:
    """Only what we signed: the address itself, or its number in the edition that was sent."""
    if click.address is not None:
        return click.address or None
    if click.number in (None, DECOY):
        return None
    with services.store.read() as connection:
        return find_address(connection, click.edition, click.number)
