"""Programs that may read and act: an API key, sent as `Authorization: Bearer KEY`."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from store.keys import AccessKey, find_key
from web.requests import services_of

SCHEME = "Bearer"


def require_api_key(request: Request) -> AccessKey:
    """The key that this request bears. Raises HTTPException 401 unless it is let in."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == SCHEME.lower() and key.strip():
        with services_of(request).store.read() as connection:
            if found := find_key(connection, key.strip(), "api"):
                return found
    raise HTTPException(
        401,
        "An API key is needed: `rekindle keys add --api` makes one.",
        headers={"WWW-Authenticate": SCHEME},
    )
