"""What an address that leads nowhere, or that nobody can read, is answered: programs in their own
form, people with a page in the brand's language.
"""

from urllib.parse import unquote_to_bytes

from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rekindle.errors import StoreUnavailable
from rekindle.locales import direction
from rekindle.logs import get_logger
from web.ingest import refuse
from web.pages import page
from web.requests import services_of
from web.texts import more_texts

log = get_logger()
NUL = b"\x00"  # PostgreSQL stores no text with it
UNREADABLE = "This address holds a character that is not UTF-8, or NUL."
DATA = ("api", "v1")  # answered in the form of what is asked for
PLAIN = ("hooks", "assets", "metrics", "healthz", "readyz")  # asked for by programs


class ReadableAddress:
    """Middleware: a path or query with bytes that no text can hold is answered 400."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.app
        if scope["type"] == "http" and not _is_text(scope):
            app = refusal(Request(scope), 400, UNREADABLE)
        await app(scope, receive, send)


def _is_text(scope: Scope) -> bool:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    try:
        written = unquote_to_bytes(path) + unquote_to_bytes(scope["query_string"])
        written.decode()
    except UnicodeError:
        return False
    return NUL not in written


async def say_what_is_wrong(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal(request, error.status_code, error.detail, dict(error.headers or {}))


def refusal(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """`detail` is a sentence, or the name of the status."""
    if request.url.path.split("/")[1] in (*DATA, *PLAIN):
        return refusal_of_program(request, status, detail, headers)
    return _page(request, status, detail, headers)


def refusal_of_program(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """The same for whatever program it is, without a page, which costs."""
    match request.url.path.split("/")[1]:
        case "api":
            return JSONResponse({"error": detail}, status, headers=headers)
        case "v1":
            return refuse(status, detail, headers)
        case _:
            return PlainTextResponse(f"{detail}\n", status, headers=headers)


def _page(request: Request, status: int, detail: str, headers: dict[str, str] | None) -> Response:
    try:
        library = services_of(request).library()
        language = library.settings.brand.language
        words = more_texts(language, language)
        answer: Response = page(
            request,
            "notice",
            {
                "message": words["nothing_here"] if status == 404 else detail,
                "locale": language,
                "direction": direction(language),
            },
            status=status,
            library=library,
        )
    except (StoreUnavailable, SQLAlchemyError) as error:
        log.error("store.unavailable", cause=type(error).__name__)
        answer = PlainTextResponse(f"{detail}\n", status)
    answer.headers.update(headers or {})
    return answer
