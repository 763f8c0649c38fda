"""Does effects that are not mails to customers: today, notices to our own people."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from rekindle.errors import RekindleError, TemplateFailed
from rekindle.services import Services
from rekindle.workspace.library import Library
from store.effects import DueEffect, claim_due_effects, finish_effect
from store.messages import queue_messages
from store.records import NOBODY
from workers.composing import render_notice
from workers.queueing import header_id

log = structlog.get_logger()

BATCH = 100
RETRY_AFTER = timedelta(minutes=5)
MOST_ATTEMPTS = 8


def do_effects(services: Services, now: datetime) -> int:
    """Do up to a batch of due effects; how many were due. A failing one is tried again, later
    failed for good.
    """
    library = services.library()
    with services.store.begin() as tx:
        due = claim_due_effects(tx, now, BATCH)
        for effect in due:
            if services.is_rehearsal:
                finish_effect(tx, effect.id, "done")
            else:
                _do(tx, library, effect, now)
    return len(due)


def _do(tx: Connection, library: Library, effect: DueEffect, now: datetime) -> None:
    try:
        with tx.begin_nested():
            text = render_notice(
                tx, library, effect.enrollment_id, str(effect.payload["message"]), now
            )
            _tell(tx, library, effect, text, now)
    except TemplateFailed as error:
        finish_effect(tx, effect.id, "failed", error=str(error))
        log.error("notice.failed", effect=effect.id, reason=str(error))
    except RekindleError as error:
        is_last = effect.attempts + 1 >= MOST_ATTEMPTS
        status, due_at = (
            ("failed", None) if is_last else ("due", now + RETRY_AFTER * 2**effect.attempts)
        )
        finish_effect(tx, effect.id, status, error=str(error), due_at=due_at)
        log.warning("notice.failed", effect=effect.id, reason=str(error))
    else:
        finish_effect(tx, effect.id, "done")


def _tell(tx: Connection, library: Library, effect: DueEffect, text: str, now: datetime) -> None:
    """Raises RekindleError if the target cannot be reached now."""
    scheme, _, address = str(effect.payload["target"]).partition(":")
    match scheme:
        case "log":
            # ids only in logs: the words of the notice stay in the database, beside the effect
            log.info(
                "notice.given", effect=effect.id, enrollment=effect.enrollment_id, step=effect.step
            )
        case "mailto":
            queue_messages(tx, [_row(library, effect, address, text, now)])
        case _:
            _tell_through_apprise(str(effect.payload["target"]), text)


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
        "payload": {"subject": first_line[:200], "text": text},
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
        raise RekindleError("the notification service did not take the notice")
