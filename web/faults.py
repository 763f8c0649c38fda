"""Counts what fails at our addresses: sources that are refused, pages that break.

Anybody may make either happen as often as they like. So it is counted in memory, and told in the
log and the database once in ten seconds at most, however much comes.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace

from sqlalchemy import Connection
from starlette.requests import Request

from rekindle.clock import seconds_running
from rekindle.errors import kind_and_place
from rekindle.logs import get_logger
from rekindle.services import Services
from store.web_faults import FaultKind, WebFault, end_web_faults, note_web_faults
from web.requests import services_of, shared

log = get_logger()
SPACING_SECONDS = 10.0  # between two tellings
WELL_SECONDS = 60.0  # how soon it is written again that something goes well: others may have failed
MOST_NAMES = 50  # of what fails; the rest has a name in common
OTHERS = "…"
LOGGED: Mapping[FaultKind, str] = {"source": "webhook.refused", "page": "page.failed"}
Key = tuple[FaultKind, str]


class Faults:
    """Those of one web application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._failed: dict[Key, WebFault] = {}  # what is not yet told
        self._well: set[Key] = set()
        self._failing: set[Key] = set()  # what was told and has not gone well since
        self._well_at: dict[Key, float] = {}
        self._told_at = float("-inf")
        self._is_planned = False

    def note_failure(self, kind: FaultKind, name: str, reason: str) -> None:
        """Count one; `reason` holds nothing that somebody sent."""
        now = self._services.clock.now()
        with self._lock:
            names = {*self._failing, *self._failed}
            is_one_more = (kind, name) not in names and len(names) >= MOST_NAMES
            key = (kind, OTHERS if is_one_more else name)
            before = self._failed.get(key) or WebFault(kind, key[1], 0, now, now, reason)
            self._failed[key] = replace(
                before, count=before.count + 1, failed_at=now, reason=reason
            )
            self._well.discard(key)
        self._tell_soon()

    def note_success(self, kind: FaultKind, name: str) -> None:
        key = (kind, name)
        with self._lock:
            is_failing = self._failed.pop(key, None) is not None or key in self._failing
            if not is_failing and seconds_running() - self._well_at.get(key, -1e9) < WELL_SECONDS:
                return
            self._well.add(key)
        self._tell_soon()

    def _tell_soon(self) -> None:
        """Tell at once, or together with all that comes until it is time again."""
        wait = self._told_at + SPACING_SECONDS - seconds_running()
        if wait <= 0:
            self._tell()
        elif not self._is_planned:
            with suppress(RuntimeError):  # in a thread there is no loop: it is told with the next
                asyncio.get_running_loop().call_later(wait, self._tell)
                self._is_planned = True

    def _tell(self) -> None:
        with self._lock:
            failed, self._failed = list(self._failed.values()), {}
            well, self._well = self._well, set()
            self._failing = (self._failing | {(f.kind, f.name) for f in failed}) - well
            self._told_at = seconds_running()
            self._well_at |= dict.fromkeys(well, self._told_at)
            self._is_planned = False
        for fault in failed:
            log.warning(LOGGED[fault.kind], name=fault.name, count=fault.count, reason=fault.reason)
        if failed or well:
            self._services.store.submit(_writing(failed, well)).add_done_callback(_hear)


def _writing(failed: list[WebFault], well: set[Key]) -> Callable[[Connection], None]:
    def write(tx: Connection) -> None:
        end_web_faults(tx, well)
        note_web_faults(tx, failed)

    return write


def _hear(done: "Future[None]") -> None:
    """Nobody waits for it: where the database is away, that is what has to be told."""
    if not done.cancelled() and (error := done.exception()) is not None:
        log.error("faults.untold", cause=type(error).__name__)


def faults_of(request: Request) -> Faults:
    """The ones of this application."""
    return shared(request, Faults, services_of(request))


def note_broken_page(request: Request, error: Exception) -> None:
    """Count a page that failed, by what its address begins with: the rest may be a secret."""
    part = request.url.path.split("/")[1]
    faults_of(request).note_failure("page", f"/{part}", kind_and_place(error))
