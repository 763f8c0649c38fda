"""Whether a person or a machine answered or clicked, as it was judged at an instant.

Later evidence may turn a judgement; each turn is kept, so that the past can be asked as it was.
"""

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, func, not_, select

from segments.instants import micros
from store.tables import standings

if TYPE_CHECKING:
    from segments.compilation import Compilation


def stands_at(
    kind: str,
    id_: ColumnElement[int],
    stands_now: ColumnElement[bool],
    compilation: "Compilation",
) -> ColumnElement[bool]:
    """Whether it counted as a person's: by the last turn until then, or against the first after."""
    turns = select(standings.c.is_counted).where(
        standings.c.kind == kind, standings.c.subject_id == id_
    )
    known_at = standings.c.known_at
    is_by_then = compilation.known_at(micros(known_at)) <= compilation.at
    so_far = turns.where(is_by_then).order_by(known_at.desc(), standings.c.id.desc())
    later = turns.with_only_columns(not_(standings.c.is_counted)).order_by(known_at, standings.c.id)
    return func.coalesce(_first(so_far), _first(later), stands_now)


def _first(turns: Select[Any]) -> ColumnElement[Any]:
    return turns.limit(1).correlate_except(standings).scalar_subquery()
