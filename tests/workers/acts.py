"""What steps that act at once must have come to, whatever crashed: each exactly once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from store.tables import decisions, effects, enrollments, event_kinds, events, traits
from tests.workers.plans import ACTS, NAME

Act = tuple[int, str, int]  # the enrollment, the step and the visit


def check_acts(connection: Connection, now: datetime) -> None:
    """Each act that was decided was done, once; and nothing else was."""
    decided = _load_decided(connection)
    done = {kind: [one for one in decided if one.decision == ACTS[kind][1]] for kind in ACTS}
    assert _emitted(connection) == sorted(map(_written, done["emit"]))
    assert set(map(_act, done["notify"])) <= _notified(connection, now)
    _check_started(connection, done["start"])
    _check_traits(connection, done["set"])


def _load_decided(connection: Connection) -> Sequence[Row[Any]]:
    query = (
        select(decisions, enrollments.c.customer_id)
        .join(enrollments, enrollments.c.id == decisions.c.enrollment_id)
        .where(enrollments.c.journey == NAME)
    )
    return connection.execute(query).all()


def _act(decision: Row[Any]) -> Act:
    return decision.enrollment_id, decision.step, decision.visit


def _written(decision: Row[Any]) -> str:
    return ":".join(map(str, _act(decision)))


def _emitted(connection: Connection) -> list[str]:
    query = select(events.c.message_id).join(event_kinds, event_kinds.c.id == events.c.kind_id)
    found = connection.scalars(query.where(event_kinds.c.name == "loyalty.reached"))
    return sorted(one.removeprefix("rekindle:emit:") for one in found)


def _notified(connection: Connection, now: datetime) -> set[Act]:
    """What our people were told; an effect is there once, as its key sees to it.

    One over which its worker died is not lost: it is done again once that one's time is over.
    """
    is_tried_again = (effects.c.status == "due") & (effects.c.due_at > now)
    query = select(effects).where(
        effects.c.kind == "notify", (effects.c.status == "done") | is_tried_again
    )
    return {_act(one) for one in connection.execute(query)}


def _check_started(connection: Connection, decided: Sequence[Row[Any]]) -> None:
    """Each start made an enrollment of its own, unless one was on its way already."""
    found = connection.execute(select(enrollments).where(enrollments.c.journey == "side")).all()
    made = {one.occurrence.removeprefix("enrollment:") for one in found}
    assert made <= set(map(_written, decided))
    for one in decided:
        on_the_way = [
            each
            for each in found
            if each.customer_id == one.customer_id
            and each.started_at <= one.decided_at
            and (each.ended_at is None or each.ended_at >= one.decided_at)
        ]
        assert _written(one) in made or on_the_way, one


def _check_traits(connection: Connection, decided: Sequence[Row[Any]]) -> None:
    query = select(traits.c.customer_id).where(traits.c.name == "mood")
    assert set(connection.scalars(query)) == {one.customer_id for one in decided}
