"""`/v1/events`: CloudEvents 1.0 from anything that speaks them, let in by a write key.

The key is the user of Basic credentials, as for the Segment calls.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.documents import parse_json
from adapters.tracking.cloudevents import parse_cloud_events
from adapters.tracking.segment import Call
from rekindle.errors import Malformed
from web.bodies import read_body, unpack
from web.collecting import collector_of
from web.ingest import MOST_BODY_BYTES, accept, refuse, safely, store
from web.requests import services_of
from web.write_keys import find_sender


async def take_cloud_events(request: Request) -> Response:
    """200 once they are durable; an event that could not be taken is named in `rejected`."""
    return await safely(_take, request)


async def _take(request: Request) -> Response:
    """Raises Malformed, or StoreUnavailable if nothing was stored."""
    services = services_of(request)
    sender = await find_sender(request, None)
    if sender is None:
        return refuse(401, "no such write key")
    raw = await read_body(request, MOST_BODY_BYTES)
    encoding = request.headers.get("content-encoding", "").strip().lower()
    body = unpack(raw, encoding, MOST_BODY_BYTES)
    document = parse_json(body) if body.strip() else {}
    channels = collector_of(request).settings().known_channels
    call = Call(services.clock.now(), sender.trust, sender.label or "api", channels)
    content_type = request.headers.get("content-type", "")
    parsed = parse_cloud_events(content_type, request.headers, document, call)
    events, rejects = parsed
    await store(request, sender, parsed, call.received_at)
    if rejects and not events:
        raise Malformed(rejects[0].reason)
    return accept(rejects)


routes = [Route("/v1/events", take_cloud_events, methods=["POST"])]
