"""What is said of one customer's drift at one instant."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class DriftFigures:
    """All numbers a person or a sentence needs; lengths are in days of 24 hours."""

    clock: str  # goal: what the shop lives from; any: every own act
    state: str  # active, cooling, drifting, dormant, lost
    is_new: bool  # fewer than three event days and not lost; shown beside the state
    n: int  # event days
    usual_days: (
        float | None
    )  # median gap, every gap counting alike; None before the second event day
    lately_days: float | None  # median gap, recent gaps counting more
    silence_days: float
    stays: float  # chance that this silence reaches `limit_days`
    limit_days: float  # the lapse limit of the workspace
    # chance of no event within the horizon, as published for today; None: first active today
    risk: float | None
    next_state: str | None  # None once lost
    next_state_at: datetime | None
    lost_at: datetime
