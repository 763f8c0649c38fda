"""Who may post events: a write key, as Basic user or in the body.

It is asked for before a body is parsed: one in the body is looked for in its first bytes as they
came, and read from the document only once one of those is let in.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from rekindle.clock import seconds_running
from rekindle.services import Services
from store.keys import AccessKey, digest_of, find_key
from web.bodies import Body
from web.credentials import read_basic
from web.requests import services_of, shared

REMEMBERED = 5.0  # seconds: how long a revoked key may still be let in
KEY_AS_SENT = re.compile(rb'"writeKey"\s*:\s*"([\x21\x23-\x5b\x5d-\x7e]{1,200})"')
MOST_KEYS_TRIED = 3  # an event may have a property of that name


@dataclass
class KeyRing:
    """The keys that were let in lately, so that not every request asks the database."""

    kept: dict[str, tuple[AccessKey, float]] = field(default_factory=dict)

    async def find(self, services: Services, key: str) -> AccessKey | None:
        """Raises StoreUnavailable."""
        digest, running = digest_of(key), seconds_running()
        if (known := self.kept.get(digest)) and running < known[1]:
            return known[0]
        found = await run_in_threadpool(_look_up, services, key)
        if found:
            self.kept[digest] = (found, running + REMEMBERED)
        else:
            self.kept.pop(digest, None)
        return found


def _look_up(services: Services, key: str) -> AccessKey | None:
    with services.store.read() as connection:
        return find_key(connection, key)


async def find_sender(request: Request) -> AccessKey | None:
    """The key in the header, if it is let in."""
    key = _user(request)
    return await shared(request, KeyRing).find(services_of(request), key) if key else None


async def may_hold_key(request: Request, body: Body) -> bool:
    """Whether `body` may be parsed to see who sent it, by what it begins with.

    A header that names somebody counts before the body, which is not read then; what is packed is
    not looked into.
    """
    if _user(request):
        return False
    begun = await body.begin()
    named = dict.fromkeys(match.group(1).decode() for match in KEY_AS_SENT.finditer(begun))
    for key in list(named)[:MOST_KEYS_TRIED]:
        if await shared(request, KeyRing).find(services_of(request), key):
            return True
    return False


async def find_sender_within(request: Request, document: Any) -> AccessKey | None:
    """The key that a document bears, if it is let in."""
    key = _key_in(document)
    return await shared(request, KeyRing).find(services_of(request), key) if key else None


def _user(request: Request) -> str:
    return read_basic(request.headers.get("authorization", ""))[0]


def _key_in(document: Any) -> str:
    """`writeKey` of the call, else of its first message, where browsers put it."""
    match document:
        case {"writeKey": str(key)} if key:
            return key
        case {"batch": [{"writeKey": str(key)}, *_]}:
            return key
        case _:
            return ""
