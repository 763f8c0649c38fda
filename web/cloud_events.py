"""`/v1/events`: CloudEvents 1.0 from anything that speaks them, let in by a write key.

The key is the user of Basic credentials, as for the Segment calls.
"""

from functools import partial

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.documents import parse_json
from adapters.tracking.cloudevents import parse_cloud_events
from adapters.tracking.segment import Call, Parsed
from rekindle.errors import Malformed
from web.bodies import Body, open_body
from web.ingest import MOST_BODY_BYTES, accept, call_of, refuse, safely, store
from web.write_keys import find_sender


async def take_cloud_events(request: Request) -> Response:
    """200 once they are durable; an event that could not be taken is named in `rejected`."""
    return await safely(_take, request)


async def _take(request: Request) -> Response:
    """Raises Malformed, TooMuch, or StoreUnavailable if nothing was stored."""
    sender = await find_sender(request)
    if sender is None:
        return refuse(401, "no such write key")
    body = Body(request, MOST_BODY_BYTES)
    async with open_body(request, body, sender.digest, unpacks_to=MOST_BODY_BYTES) as content:
        call = call_of(request, sender)
        events, rejects = await content.apply(partial(_parse, request.headers, content.data, call))
        waiting = await store(request, sender, (events, rejects), call.received_at)
    if rejects and not events:
        raise Malformed(rejects[0].reason)
    return accept(rejects, waiting)


def _parse(headers: Headers, data: bytes, call: Call) -> Parsed:
    document = parse_json(data) if data.strip() else {}
    return parse_cloud_events(headers.get("content-type", ""), headers, document, call)


routes = [
    Route(path, take_cloud_events, methods=["POST"]) for path in ("/v1/events", "/v1/events/")
]
