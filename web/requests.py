"""What handlers share: the services behind a request, who asks, bounded forms, grouped writes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.documents import storable_text
from rekindle.services import Services
from web.visits import Visitor

T = TypeVar("T")
P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)
MOST_DIGITS = 18  # of a row's number; so many always fit into 64 bits
NO_FORM = "This form cannot be read."
LONGEST_LABEL = 512  # bytes of `Content-Type`; a boundary has 70 at most (RFC 2046 5.1.1)
LARGEST_FORM = 64 * 1024  # bytes; the longest comment fits several times, whatever its alphabet


class Work(Protocol[T_co]):
    """A small write, run inside somebody's transaction."""

    def __call__(self, tx: Connection, /) -> T_co: ...


def services_of(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


def shared(request: Request, kind: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Return the one `kind` of this application, made of `args` when it is first asked for."""
    state = request.app.state
    if not hasattr(state, "shared"):
        state.shared = {}
    held: dict[Any, Any] = state.shared
    if kind not in held:
        held[kind] = kind(*args, **named)
    found: T = held[kind]
    return found


def visitor_of(request: Request) -> Visitor:
    return Visitor(request.method, request.headers.get("user-agent", ""))


async def write(services: Services, work: Work[T_co]) -> T_co:
    """Run `work` in a savepoint of the next common commit; answered once that is durable.

    Tried once more where another process was in the way (a deadlock, the same row twice).
    """
    try:
        return await _submitted(services, work)
    except (IntegrityError, OperationalError):
        return await _submitted(services, work)


async def _submitted(services: Services, work: Work[T_co]) -> T_co:
    done: T_co = await asyncio.wrap_future(services.store.submit(work))
    return done


async def read_form(request: Request) -> Mapping[str, str]:
    """The text fields of a form, of either encoding; files and repeated names are passed over, and
    so is what no database holds (NUL).

    Raises HTTPException 400 for what is none.
    """
    try:
        async with request.form(max_files=5, max_fields=100) as form:
            texts = [(name, value) for name, value in form.items() if isinstance(value, str)]
            return {name: storable_text(value) for name, value in texts}
    except HTTPException as error:
        words = NO_FORM if error.status_code == 400 else error.detail
        raise HTTPException(error.status_code, words) from error


def read_id(written: str) -> int | None:
    """The number of a row as it stands in an address; None for what numbers none."""
    is_number = written.isascii() and written.isdecimal() and len(written) <= MOST_DIGITS
    return int(written) if is_number else None


class RowId(Convertor[int]):
    """`{name:id}` in a route: other numbers than a row can have are other addresses."""

    regex = f"[0-9]{{1,{MOST_DIGITS}}}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("id", RowId())


class FormLimit:
    """Middleware: a body of more than `LARGEST_FORM` bytes is answered 413 and not read further,
    and one whose label is longer than any is answered 400.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        labels = [value for name, value in scope.get("headers", ()) if name == b"content-type"]
        if sum(map(len, labels)) > LONGEST_LABEL:  # it costs much to read
            raise HTTPException(400, NO_FORM)
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > LARGEST_FORM:
                raise HTTPException(413, "This form is too large.")
            return message

        await self.app(scope, bounded, send)
