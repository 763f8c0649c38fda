"""`/hooks/sendgrid/events`: what became of mails, as SendGrid reports it and signs.

Anything but a 2xx is sent again for a day, so a genuine batch is answered 200 whatever it holds.
"""

from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.inbound.sendgrid import read_reports, verify_reports
from rekindle.errors import Malformed, StoreUnavailable, TooLarge, TooMuch, WebhookNotGenuine
from rekindle.logs import get_logger
from store.records import CustomerId
from store.reports import record_reports
from web.bodies import Body, open_body
from web.faults import faults_of
from web.requests import services_of, write

log = get_logger()
SOURCE = "sendgrid"
MOST_BODY_BYTES = 4 * 1024 * 1024  # SendGrid posts at 768 kB


async def take_reports(request: Request) -> Response:
    """200 once everything that follows is durable."""
    try:
        await _take(request)
    except WebhookNotGenuine as error:
        if services_of(request).settings.provider == SOURCE:
            faults_of(request).note_failure("source", SOURCE, str(error))
        return PlainTextResponse(f"{error}\n", 401)
    except TooLarge as error:
        return PlainTextResponse(f"{error}\n", 413)
    except Malformed as error:
        return PlainTextResponse(f"{error}\n", 400)
    except TooMuch as error:
        return PlainTextResponse(f"{error}\n", 429, {"Retry-After": "30"})
    except (StoreUnavailable, SQLAlchemyError) as error:
        log.error("webhook.lost", source=SOURCE, cause=type(error).__name__)
        return PlainTextResponse("not stored\n", 503, {"Retry-After": "30"})
    return PlainTextResponse("ok\n")


routes: list[BaseRoute] = [
    Route("/hooks/sendgrid/events", take_reports, methods=["POST"]),
    Route("/hooks/sendgrid/events/", take_reports, methods=["POST"]),
]


async def _take(request: Request) -> None:
    """Raises WebhookNotGenuine, Malformed, TooMuch, or StoreUnavailable if nothing was stored."""
    services = services_of(request)
    key, now = services.settings.sendgrid.webhook_public_key, services.clock.now()
    async with open_body(request, Body(request, MOST_BODY_BYTES), SOURCE) as content:
        verify_reports(key, request.headers, content.data, now)
        faults_of(request).note_success("source", SOURCE)
        reports, unread = await content.apply(partial(read_reports, content.data, now))

    def work(tx: Connection) -> set[CustomerId]:
        return record_reports(tx, reports, services.clock.now())

    if await write(services, work):
        services.wake.changed()
    log.info("mail.reported", reports=len(reports), unread=unread)
