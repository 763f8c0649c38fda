"""Notices to our own people: into the log, as a mail, or through a notification service."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Connection

from rekindle.errors import ProviderUnavailable, RekindleError
from rekindle.workspace.library import Library
from store.effects import DueEffect
from store.messages import queue_messages
from store.records import NOBODY
from workers.composing import render_notice
from workers.queueing import header_id

log = structlog.get_logger()


Errand = Callable[[], None]  # what must not hold a transaction; raises RekindleError
NOTICE_SECONDS = 60.0  # services answer within seconds; their plugins try for longer than that
ROWS = frozenset({"log", "mailto"})  # schemes of targets that are written down and no more


def is_row(receiver: str) -> bool:
    """Whether its notices are done with a row or a line, and nobody outside is waited for."""
    return receiver in ROWS


def prepare_notice(
    tx: Connection, library: Library, effect: DueEffect, now: datetime
) -> Errand | None:
    """Write the notice down, or return what is left to do without the database.

    Raises RekindleError if its words cannot be rendered.
    """
    words = str(effect.payload["message"])
    text = render_notice(tx, library, effect.enrollment_id, words, now)
    target = str(effect.payload["target"])
    scheme, _, address = target.partition(":")
    match scheme:
        case "log":
            # ids only in logs: the words of the notice stay in the database, beside the effect
            log.info(
                "notice.given", effect=effect.id, enrollment=effect.enrollment_id, step=effect.step
            )
            return None
        case "mailto":
            queue_messages(tx, [_row(library, effect, address, text, now)])
            return None
        case _:
            return lambda: _tell_through_apprise(target, text)


def _row(
    library: Library, effect: DueEffect, address: str, text: str, now: datetime
) -> dict[str, Any]:
    first_line = text.strip().splitlines()[0] if text.strip() else "Rekindle"
    return {
        "customer_id": NOBODY,
        "enrollment_id": None,
        "step": effect.step,
        "visit": 1,
        "template": "notice",
        "topic": "service",
        "survey": None,
        "address": address,
        "status": "queued",
        "reason": "",
        # whom it is about: whoever erases them erases this too
        "payload": {
            "subject": first_line[:200],
            "text": text,
            "enrollment_id": effect.enrollment_id,
        },
        "queued_at": now,
        "due_at": now,
        "attempts": 0,
        "header_id": header_id(library, f"notice.{effect.id}", now),
    }


def _tell_through_apprise(target: str, text: str) -> None:
    try:
        import apprise
    except ModuleNotFoundError as error:
        raise RekindleError(
            "this target needs the extra 'notify': pip install 'rekindle[notify]'."
        ) from error
    told = apprise.Apprise()
    if not told.add(target) or not told.notify(body=text):
        raise ProviderUnavailable("the notification service did not take the notice.")
