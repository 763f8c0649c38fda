"""The application behind `/api/v1`: its operations, and errors as JSON with a sentence."""

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from rekindle.api import approvals, customers, journeys, messages, plans, segments, surveys
from rekindle.api.asking import REFUSED, proven
from rekindle.api.bodies import NO_TEXT, UNREADABLE, AnyIsJson, what_is_wrong
from rekindle.errors import (
    Malformed,
    NotAnAddress,
    NotFound,
    NotNow,
    StoreUnavailable,
    WrongUse,
    kind_and_place,
)
from rekindle.logs import get_logger
from rekindle.services import Services
from web.api_keys import require_api_key
from web.faults import note_broken_page
from web.requests import FormLimit
from web.security import SAFE_METHODS

log = get_logger()
RETRY_SECONDS = 30
STATUS: dict[type[Exception], int] = {
    NotFound: 404,
    WrongUse: 422,
    Malformed: 422,
    NotAnAddress: 422,
    NotNow: 409,
}


def mount_api(services: Services) -> Mount:
    """The API at its address, to stand beside the other routes."""
    return Mount("/api/v1", create_api(services))


def create_api(services: Services) -> FastAPI:
    """Everything under `/api/v1`; all of it but the OpenAPI document asks for an API key."""
    api = FastAPI(
        title="Rekindle",
        version="1",
        summary="Customers, segments, journeys, approvals, messages, surveys and plans.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": "/api/v1"}],
        root_path_in_servers=False,
    )
    for part in (customers, segments, journeys, approvals, messages, surveys, plans):
        api.include_router(part.router, dependencies=[Depends(proven)], responses=REFUSED)
    for expected in STATUS:
        api.add_exception_handler(expected, _say_what_is_wrong)
    api.add_exception_handler(HTTPException, _say_status)
    api.add_exception_handler(RequestValidationError, _say_where)
    api.add_exception_handler(StoreUnavailable, _say_later)
    api.add_exception_handler(Exception, _say_sorry)
    api.add_middleware(FormLimit)
    api.add_middleware(KeyFirst)
    api.add_middleware(AnyIsJson)
    api.state.services = services
    return api


class KeyFirst:
    """Middleware: what would change something is not read before its key is let in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            request = Request(scope)
            try:
                await run_in_threadpool(require_api_key, request)
            except HTTPException as error:
                app = _say_status(request, error)
            except StoreUnavailable as error:
                app = _say_later(request, error)
        await app(scope, receive, send)


def _trouble(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers=headers)


def _say_what_is_wrong(_request: Request, error: Exception) -> Response:
    return _trouble(STATUS[type(error)], str(error))


def _say_status(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = NO_TEXT if error.detail == UNREADABLE else str(error.detail)
    return _trouble(error.status_code, said, dict(error.headers or {}))


def _say_where(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _trouble(422, what_is_wrong(error))


def _say_later(_request: Request, error: Exception) -> Response:
    log.error("store.unavailable", cause=type(error).__name__)
    wait = {"Retry-After": str(RETRY_SECONDS)}
    return _trouble(503, "The database does not answer at the moment.", wait)


def _say_sorry(request: Request, error: Exception) -> Response:
    log.error("api.failed", cause=kind_and_place(error))
    note_broken_page(request, error)
    return _trouble(500, "Something is wrong on our side.")
