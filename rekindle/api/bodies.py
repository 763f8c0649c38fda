"""Bodies of requests: JSON, however they are labelled; and in words why one is not."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.documents import json_fault

SEND_JSON = "Send one JSON object in UTF-8."
NO_TEXT = f"the body cannot be read: it is no text, or nested too deeply. {SEND_JSON}"
UNREADABLE = "There was an error parsing the body"  # fastapi: routing, read 2026-11


class AnyIsJson:
    """Middleware: a body is read as JSON also where its label is missing or wrong.

    A page of somebody else's can make a browser send such bodies unasked, but not with our keys:
    the API takes those from a header that it would have to ask leave for, and looks at no cookie.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            MutableHeaders(scope=scope)["content-type"] = "application/json"
        await self.app(scope, receive, send)


def what_is_wrong(error: RequestValidationError) -> str:
    """The first few mistakes, each with its place."""
    return "; ".join(_problem(found, error.body) for found in error.errors()[:5])


def _problem(found: dict[str, Any], body: Any) -> str:
    if found["type"] == "json_invalid":
        return _no_json(str(body), found["loc"][-1], found["ctx"]["error"])
    if found["type"] == "missing" and found["loc"] == ("body",):
        return f"the body is empty. {SEND_JSON}"
    if found["loc"] == ("body",) and not isinstance(body, dict):
        return f"the body is no JSON object. {SEND_JSON}"
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"


def _no_json(text: str, at: int, why: str) -> str:
    before = text[:at]
    line, column = before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1
    return f"the body is no JSON, at line {line}, column {column}: {json_fault(why)}. {SEND_JSON}"
