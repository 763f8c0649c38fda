"""Programs that may read and act: an API key, sent as `Authorization: Bearer KEY`."""

from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request

from store.keys import AccessKey, find_key
from web.requests import services_of

SCHEME = "Bearer"
MISSING = (
    "There is no API key: send `Authorization: Bearer KEY`; `rekindle keys add --api` makes one."
)
UNKNOWN = "This API key is not known, or was revoked."  # which of the two, no stranger is told


def require_api_key(request: Request) -> AccessKey:
    """The key that this request bears; it is looked up once. Raises HTTPException 401 unless it is
    let in.
    """
    if found := getattr(request.state, "api_key", None):
        return cast(AccessKey, found)
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != SCHEME.lower() or not key.strip():
        raise _refused(MISSING)
    with services_of(request).store.read() as connection:
        if found := find_key(connection, key.strip(), "api"):
            request.state.api_key = found
            return found
    raise _refused(UNKNOWN)


def _refused(because: str) -> HTTPException:
    return HTTPException(401, because, headers={"WWW-Authenticate": SCHEME})
