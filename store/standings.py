"""Turns of judgement: an answer or a click that counted and does no more, or the reverse."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert

from store.tables import standings


def note_turns(tx: Connection, kind: str, counted: Mapping[int, bool], now: datetime) -> None:
    """From `now` on these rows are judged so; call it only for those that were judged otherwise."""
    if counted:
        rows = [
            {"kind": kind, "subject_id": id_, "is_counted": is_counted, "known_at": now}
            for id_, is_counted in counted.items()
        ]
        tx.execute(insert(standings), rows)
