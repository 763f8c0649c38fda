"""Server-rendered pages: the engine's own, or the workspace's file of the same name."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rekindle.errors import kind_and_place
from rekindle.services import Services
from rekindle.workspace.library import Library
from web.faults import Faults
from web.requests import services_of

PAGES = files("templates") / "web"
STATIC = {"pages.css": "text/css", "dashboard.css": "text/css", "mark.svg": "image/svg+xml"}
DAY = 86_400


class Pages:
    """Renders pages; a page that the workspace broke is shown as we wrote it."""

    def __init__(self, services: Services, faults: Faults) -> None:
        self._services, self._faults = services, faults
        self._own = _environment(_source_of)
        self._overridden = _environment(self._workspace_source)

    def render(self, name: str, values: Mapping[str, Any], library: Library) -> str:
        page = f"web/{name}"
        if page in library.templates:
            try:
                return self._overridden.get_template(page).render(values)
            except Exception as error:  # whatever their page did, the customer sees ours
                reason = kind_and_place(error)
                self._faults.note_failure("page", f"templates/{page}.html.j2", reason)
        return self._own.get_template(page).render(values)

    def _workspace_source(self, name: str) -> str | None:
        return self._services.library().templates.get(name) or _source_of(name)


def page(
    request: Request,
    name: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    library: Library | None = None,
) -> HTMLResponse:
    """The page called `name`; `values` are what it shows, `library` what it was made by."""
    pages: Pages = request.app.state.pages
    library = library or services_of(request).library()
    shared = {
        "brand": library.settings.brand,
        "asset": asset_url,
        "locale": "en",
        "direction": "ltr",
    }
    return HTMLResponse(pages.render(name, {**shared, **values}, library), status)


async def serve_asset(request: Request) -> Response:
    """A stylesheet or picture of ours; its address changes with its content, so it may be kept."""
    name = request.path_params["name"]
    if name not in STATIC:
        return Response("There is no such file.\n", 404, media_type="text/plain")
    headers = {"Cache-Control": f"public, max-age={DAY * 365}, immutable"}
    return Response(_asset(name), media_type=STATIC[name], headers=headers)


def asset_url(name: str) -> str:
    return f"/assets/{name}?v={sha256(_asset(name)).hexdigest()[:12]}"


@lru_cache(maxsize=len(STATIC))
def _asset(name: str) -> bytes:
    return (PAGES / "assets" / name).read_bytes()


def _source_of(name: str) -> str | None:
    source = PAGES / f"{name.removeprefix('web/')}.html.j2"
    return source.read_text(encoding="utf-8") if source.is_file() else None


def _environment(load: Any) -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=FunctionLoader(lambda name: _with_freshness(load, name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _with_freshness(load: Any, name: str) -> tuple[str, None, Any] | None:
    source = load(name)
    return None if source is None else (source, None, lambda: load(name) == source)
