"""What was learned about how far the risk is off: numbers, without what it takes to learn them."""

from dataclasses import dataclass, fields
from typing import Any, Self

CERTAIN = 1e-9  # chances are kept this far from 0 and 1


@dataclass(frozen=True)
class Recalibration:
    """Weights of the inputs in the log-odds of the risk."""

    intercept: float = 0.0
    chance: float = 1.0  # of what the model says, in log-odds
    silence: float = 0.0  # of the silence against recent activity
    count: float = 0.0  # of ln(event days)
    recent: float = 0.0  # of ln(event days, fading with the horizon)
    other: float = 0.0  # of what the model says of the other clock, in log-odds
    sample: int = 0  # silences learned from; 0: the model's chance stands as it is
    off_by: float = 0.0  # foretold less observed, on the newest look back

    @classmethod
    def read(cls, row: Any) -> Self:
        """From a row of drift_recalibrations."""
        return cls(**{field.name: getattr(row, field.name) for field in fields(cls)})


AS_IT_IS = Recalibration()
