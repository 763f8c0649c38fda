"""`/v1/…`: events from Segment's and RudderStack's SDKs.

Answered 200 only once the events are durable; a 503 says that they are not, so that the SDK sends
them again. One bad message is noted in `rejects` and never costs the others. Never a redirect:
some SDKs take one for success.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from starlette.convertors import Convertor, register_url_convertor
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from adapters.documents import parse_json
from adapters.tracking.segment import Call, Parsed, parse_batch, parse_message
from rekindle.errors import Malformed, StoreUnavailable, TooLarge, TooMuch
from rekindle.logs import get_logger
from store.keys import AccessKey
from store.records import Reject
from store.rejects import count_reasons
from store.waits import Waits
from web.bodies import Body, open_body
from web.collecting import Collector, Parcel
from web.new_kinds import NewKinds
from web.requests import services_of, shared
from web.write_keys import find_sender, find_sender_within, may_hold_key

log = get_logger()
MOST_BODY_BYTES = 4 * 1024 * 1024  # RudderStack's SDKs send that much; Segment's stop at 500 KB
RETRY_SECONDS = 5
SECOND = timedelta(seconds=1)
NO_KEY = (
    "no such write key; it is the user of Basic credentials, or `writeKey` of the call or of its "
    "first message, without escapes, in the first 64 KB of a body that is not packed"
)
JSON = "application/json"
TAKEN = b'{"success":true}'
KINDS = {
    "identify": "identify", "i": "identify", "track": "track", "t": "track",
    "page": "page", "p": "page", "screen": "screen", "s": "screen",
    "group": "group", "g": "group", "alias": "alias", "a": "alias",
    "batch": "batch", "b": "batch",
}  # fmt: skip
# Browsers ask before they send, because of the headers; `*` would not cover `authorization`.
OPEN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "retry-after"}
PREFLIGHT = OPEN | {
    "Access-Control-Allow-Headers": "authorization, content-type, x-retry-count",
    "Access-Control-Allow-Methods": "POST, GET, OPTIONS",
    "Access-Control-Max-Age": "86400",
}


class CallName(Convertor[str]):
    """`{kind:call}` in a route: other words are other addresses, whatever the method."""

    regex = "|".join(KINDS)

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("call", CallName())


class Calls(HTTPEndpoint):
    """The addresses SDKs post to; an unknown method is 405."""

    async def options(self, request: Request) -> Response:
        return Response(headers=PREFLIGHT)

    async def post(self, request: Request) -> Response:
        kind = KINDS[request.path_params["kind"]]
        return await safely(partial(_take, kind=kind), request)


class SourceSettings(HTTPEndpoint):
    """What analytics.js asks its CDN for, so that our own address can be its `cdnURL`."""

    async def options(self, request: Request) -> Response:
        return Response(headers=PREFLIGHT)

    async def get(self, request: Request) -> Response:
        key = request.path_params["write_key"]
        scheme, _, host = services_of(request).settings.base_url.rstrip("/").partition("://")
        ours = {"apiKey": key, "apiHost": f"{host}/v1", "protocol": scheme}
        document = {
            "integrations": {"Segment.io": ours},
            "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
            "edgeFunction": {},
            "analyticsNextEnabled": True,
        }
        return JSONResponse(document, headers=OPEN)


routes: list[BaseRoute] = [
    Route("/v1/projects/{write_key}/settings", SourceSettings),
    Route("/v1/projects/{write_key}/settings/", SourceSettings),
    Route("/v1/{kind:call}", Calls),
    Route("/v1/{kind:call}/", Calls),
]


async def safely(take: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """What `take` answers; 400 or 413 for what cannot be read, 429 for what comes too fast, 503 for
    what could not be stored.
    """
    try:
        return await take(request)
    except TooLarge as error:
        return refuse(413, str(error))
    except Malformed as error:
        return refuse(400, str(error))
    except TooMuch as error:
        return refuse(429, str(error), {"Retry-After": str(ceil(error.retry_after / SECOND))})
    except (StoreUnavailable, SQLAlchemyError) as error:
        log.error("events.refused", cause=type(error).__name__)
        return refuse(503, "not stored; send it again", {"Retry-After": str(RETRY_SECONDS)})


async def _take(request: Request, kind: str) -> Response:
    """Raises Malformed, TooMuch, or StoreUnavailable if nothing was stored."""
    body = Body(request, MOST_BODY_BYTES)
    sender = await find_sender(request)
    if sender is None and not await may_hold_key(request, body):
        return refuse(401, NO_KEY)
    named = sender.digest if sender else "a key within the body"
    async with open_body(request, body, named, unpacks_to=MOST_BODY_BYTES) as content:
        document = await content.apply(partial(parse_json, content.data))
        sender = sender or await find_sender_within(request, document)
        if sender is None:
            return refuse(401, NO_KEY)
        call = call_of(request, sender)
        parsed = await content.apply(partial(_parse, kind, document, call))
        waiting = await store(request, sender, parsed, call.received_at)
    rejects = parsed[1]
    if rejects or waiting:
        return accept(rejects, waiting)
    return Response(TAKEN, headers=OPEN, media_type=JSON)


def _parse(kind: str, document: Any, call: Call) -> Parsed:
    return parse_batch(document, call) if kind == "batch" else parse_message(kind, document, call)


def call_of(request: Request, sender: AccessKey) -> Call:
    """What is the same for all messages of this request."""
    channels = _collector(request).settings().known_channels
    now = services_of(request).clock.now()
    return Call(now, sender.trust, sender.label or "api", channels)


async def store(
    request: Request, sender: AccessKey, parsed: Parsed, now: datetime
) -> Mapping[str, int]:
    """All of it durable when this returns; a server is told how many of its events wait for an
    owner, by reason; visitors need none yet. Raises TooLarge, TooMuch or StoreUnavailable if
    nothing was stored.
    """
    events, rejects = parsed
    services, settings = services_of(request), _collector(request).settings()
    await shared(request, NewKinds).admit(services, settings, sender, events)
    if rejects:
        log.warning("messages.rejected", key=sender.name, reasons=count_reasons(rejects))
    if events or rejects:
        parcel = Parcel(f"/v1 {sender.name}", events, rejects, now)
        waiting = await _collector(request).take(parcel)
        if not sender.is_browser:
            return {why: n for why, n in waiting.items() if why != Waits.ANONYMOUS}
    return {}


def _collector(request: Request) -> Collector:
    return shared(request, Collector, services_of(request))


def accept(rejects: Sequence[Reject], waiting: Mapping[str, int]) -> Response:
    """What was not taken and why, and what has no customer yet, beside the word that SDKs wait
    for.
    """
    refused = [{"reason": reject.reason, **(reject.item or {})} for reject in rejects]
    answer = {"success": True, "rejected": refused}
    return JSONResponse(answer | ({"waiting": dict(waiting)} if waiting else {}), headers=OPEN)


def refuse(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    body = {"success": False, "message": sentence}
    return JSONResponse(body, status, headers=OPEN | (headers or {}))
