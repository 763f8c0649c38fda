"""`/hooks/{source}`: webhooks of helpdesks, each with its own signature.

A genuine webhook is answered 200 whatever it holds, because vendors repeat or switch off what
fails; what we cannot map is noted in `rejects`.
"""

from datetime import datetime
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.helpdesk.base import Helpdesk, NotOurs, RawRequest, find_helpdesk
from adapters.tracking.segment import Parsed
from rekindle.errors import Malformed, StoreUnavailable, TooLarge, TooMuch, WebhookNotGenuine
from rekindle.logs import get_logger
from rekindle.services import Services
from rekindle.settings import Settings, Source
from store.intake import record_events
from store.records import IncomingEvent, Receipt, Reject
from store.rejects import note_rejects
from web.bodies import Body, open_body
from web.faults import faults_of
from web.requests import services_of, write

log = get_logger()
MOST_BODY_BYTES = 1024 * 1024  # of one conversation's; nobody is known before all of it is read
RETRY_SECONDS = 30


class Webhook(HTTPEndpoint):
    """One source's address; an unknown method is 405."""

    async def get(self, request: Request) -> Response:
        """Some vendors ask whether anybody is there before they send."""
        found = find_helpdesk(request.path_params["source"])
        return _say(200, "here") if found else _say(404, "no such source")

    async def post(self, request: Request) -> Response:
        source = request.path_params["source"]
        try:
            return await _take(request, source)
        except WebhookNotGenuine as error:
            if source in services_of(request).settings.sources:
                faults_of(request).note_failure("source", source, str(error))
            return _say(401, str(error))
        except TooLarge as error:
            return _say(413, str(error))
        except Malformed as error:
            return _say(400, str(error))
        except TooMuch as error:
            return _say(429, str(error), {"Retry-After": str(RETRY_SECONDS)})
        except (StoreUnavailable, SQLAlchemyError) as error:
            log.error("webhook.lost", source=source, cause=type(error).__name__)
            return _say(503, "not stored", {"Retry-After": str(RETRY_SECONDS)})


routes: list[BaseRoute] = [Route("/hooks/{source}", Webhook), Route("/hooks/{source}/", Webhook)]


async def _take(request: Request, source: str) -> Response:
    """Raises WebhookNotGenuine, Malformed, TooMuch, or StoreUnavailable if nothing was stored."""
    helpdesk = find_helpdesk(source)
    if helpdesk is None:
        return _say(404, "no such source")
    services = services_of(request)
    opened = helpdesk(services.settings.sources.get(source, Source()))
    async with open_body(request, Body(request, MOST_BODY_BYTES), source) as content:
        raw = RawRequest(
            method=request.method,
            path=request.url.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=content.data,
        )
        opened.verify(raw, services.clock.now())
        faults_of(request).note_success("source", source)
        events, rejects = await content.apply(partial(_read, opened, raw, services.clock.now()))
    await _keep(services, source, events, rejects)
    return _say(200, "ok")


def _read(helpdesk: Helpdesk, raw: RawRequest, now: datetime) -> Parsed:
    try:
        return helpdesk.read(raw, now), ()
    except NotOurs as error:
        return (), (Reject(str(error)),)


async def _keep(
    services: Services, source: str, read: tuple[IncomingEvent, ...], rejects: tuple[Reject, ...]
) -> None:
    settings = services.settings
    events = _in_known_channels(read, settings)

    def work(tx: Connection) -> Receipt:
        known_at = services.clock.now()
        note_rejects(tx, source, rejects, known_at)
        return record_events(tx, events, now=known_at, settings=settings)

    receipt = await write(services, work)
    if receipt.customer_ids:
        services.wake.changed()


def _in_known_channels(
    events: tuple[IncomingEvent, ...], settings: Settings
) -> tuple[IncomingEvent, ...]:
    """A channel that the workspace does not have is the default of the event's name."""
    known = settings.known_channels
    return tuple(
        event if event.channel in known else event._replace(channel=None) for event in events
    )


def _say(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{sentence}\n", status, headers=headers)
