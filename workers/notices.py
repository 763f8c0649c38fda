"""Notices to our own people: into the log, as a mail, or through a notification service."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from adapters.notifications import give_notice
from adapters.reach import Reach
from rekindle.errors import TemplateFailed
from rekindle.logs import get_logger
from rekindle.workspace.library import Library
from store.alarms import PLAINLY, clear_alarms, raise_alarm
from store.effects import NO_ENROLLMENT, DueEffect
from store.enrollments import find_place
from store.messages import queue_messages
from store.records import NOBODY
from workers.composing import render_notice
from workers.queueing import header_id

log = get_logger()


Errand = Callable[[], None]  # what must not hold a transaction; raises RekindleError
LOCAL_PART = re.compile(r"([^\s@<>()\[\],;:\"'])[^\s@<>()\[\],;:\"']*@")  # logs hold no addresses
NOTICE_SECONDS = 60.0  # services answer within seconds; their plugins try for longer than that
ROWS = frozenset({"log", "mailto"})  # schemes of targets that are written down and no more


def is_row(receiver: str) -> bool:
    """Whether its notices are done with a row or a line, and nobody outside is waited for."""
    return receiver in ROWS


def prepare_notice(
    tx: Connection, library: Library, effect: DueEffect, now: datetime
) -> Errand | None:
    """Write the notice down, or return what is left to do without the database."""
    text = _words_of(tx, library, effect, now)
    target = str(effect.payload["target"])
    scheme, _, address = target.partition(":")
    match scheme.lower():
        case "log":
            log.info(
                "notice.given",
                effect=effect.id,
                enrollment=effect.enrollment_id,
                step=effect.step,
                words=LOCAL_PART.sub(r"\1•••@", text),
            )
            return None
        case "mailto":
            queue_messages(tx, [_row(library, effect, address, text, now)])
            return None
        case _:
            allow = library.settings.webhook.allow  # names are looked up once nothing is held
            return lambda: give_notice(target, text, Reach.of(allow))


def _words_of(tx: Connection, library: Library, effect: DueEffect, now: datetime) -> str:
    """Return what the notice says; where its own words fail, what it is about, with an alarm.

    The alarm is gone once words of the same step can be written again.
    """
    if effect.enrollment_id == NO_ENROLLMENT:  # was written when it happened
        return str(effect.payload["message"])
    place = find_place(tx, effect.enrollment_id)
    subject = f"{place.journey}/{effect.step}"
    words = str(effect.payload["message"])
    try:
        text = render_notice(tx, library, effect.enrollment_id, words, now)
        if not text.strip():
            raise TemplateFailed("nothing came out.")
    except TemplateFailed as error:
        said = f"the words of the journey {place.journey}'s notice fail at its step {effect.step!r}"
        raise_alarm(tx, PLAINLY, subject, f"{said}: {error} They are given plainly.", now)
        log.warning("notice.unwritten", effect=effect.id, step=effect.step)
        about = f"customer {place.external_id}" if place.external_id else "a customer"
        return (
            f"{about}: {place.journey}, {effect.step}\n\n"
            f"This notice could not be written in its own words: {error}\n\n{words}"
        )
    clear_alarms(tx, PLAINLY, [subject], now)
    return text


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
