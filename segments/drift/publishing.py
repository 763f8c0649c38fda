"""The daily risk in SQL: published for everybody as of one hour of the brand's day."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    Float,
    Select,
    Update,
    case,
    cast,
    func,
    select,
    union_all,
    update,
)

from segments.dates import day_start
from segments.drift.correction import Recalibration
from segments.drift.formulas import DAY, Belief, Terms, constant, corrected, weights_of
from segments.drift.priors import Priors
from segments.drift.rhythms import KEPT, STATISTICS, Asked, Counting, whole
from segments.instants import LONG_AGO, Micros, micros
from segments.lexicon import Lexicon
from store.tables import drift_states, microseconds

OTHER = {"goal": "any"}  # the clock that helps to tell the risk of another
MINE, THEIRS = Terms(), Terms("other_prior_")


def publish(lexicon: Lexicon, clock: str, asked: Asked) -> Update:
    """The risk as of the day's publication, where that of another day is kept; none for those of
    whom nothing was known by then.
    """
    awaiting, helper = _awaiting(asked, clock), OTHER.get(clock)
    mine = _as_published(Counting(lexicon, clock, MINE), awaiting)
    theirs = None
    if helper is not None:
        theirs = _as_published(Counting(lexicon, helper, THEIRS), awaiting)
    known = _risks(mine, theirs).cte("known")
    is_theirs = known.c.customer_id == awaiting.c.id
    found = select(awaiting.c.id, known.c.risk).outerjoin(known, is_theirs).subquery()
    return (
        update(drift_states)
        .where(KEPT.clock == clock, KEPT.customer_id == found.c.id)
        .values(risk=found.c.risk, risk_at=whole("given_published_at"))
    )


def risk_values(
    priors: Priors,
    other: Priors | None,
    recalibration: Recalibration,
    published_at: datetime,
) -> dict[str, Any]:
    """What `publish` is run with, beside the ids."""
    theirs = {} if other is None else THEIRS.values(other)
    return {
        **MINE.values(priors),
        **theirs,
        **weights_of(recalibration),
        "given_published_at": microseconds(published_at),
    }


def _awaiting(asked: Asked, clock: str) -> CTE:
    """Those whose risk is of another day."""
    is_of_another_day = func.coalesce(micros(KEPT.risk_at), LONG_AGO) != whole("given_published_at")
    return (
        select(KEPT.customer_id.label("id"))
        .where(*asked.rows(clock), KEPT.n > 0, is_of_another_day)
        .cte("awaiting")
    )


def _as_published(counting: Counting, asked: CTE) -> CTE:
    """Statistics as of the publication: what is kept, or the log for who was wound since.

    What was wound before then counts nothing that was not known yet, what came late included.
    """
    is_asked = (KEPT.clock == counting.clock, KEPT.n > 0, KEPT.customer_id.in_(select(asked.c.id)))
    wound_at, published_at = micros(KEPT.wound_at), whole("given_published_at")
    kept = select(
        KEPT.customer_id,
        *(KEPT[name] for name in STATISTICS),
        micros(KEPT.last_at).label("last_at"),
    ).where(*is_asked, wound_at <= published_at)
    came = select(KEPT.customer_id.label("id")).where(*is_asked, wound_at > published_at)
    acts = counting.acts(came.cte(), published_at)
    logged = counting.summed(acts, is_incremental=False).c
    last_at = day_start(logged.last_day, counting.lexicon.zone).label("last_at")
    again = select(logged.customer_id, *(logged[name] for name in STATISTICS), last_at)
    return union_all(kept, again).cte().prefix_with("MATERIALIZED")


def _risks(mine: CTE, theirs: CTE | None) -> Select[Any]:
    row = mine.c
    silence = _silence(row.last_at)
    chance = Belief(row.n, row.ee, MINE).inactive(silence)
    source: Any = mine
    other = chance
    if theirs is not None:
        source = mine.outerjoin(theirs, theirs.c.customer_id == row.customer_id)
        said = Belief(theirs.c.n, theirs.c.ee, THEIRS).inactive(_silence(theirs.c.last_at))
        other = case((theirs.c.customer_id.is_(None), chance), else_=said)
    risk = corrected(chance, other, silence, row.n, row.dec, row.fst, MINE.horizon_days)
    return select(row.customer_id, risk.label("risk")).select_from(source)


def _silence(last_at: Micros) -> Any:
    return cast(whole("given_published_at") - last_at, Float) / constant(DAY)
