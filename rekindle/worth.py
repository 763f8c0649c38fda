"""What a journey is worth, as a document."""

from typing import Any

from journeys.uplift import (
    ALPHA,
    METHOD,
    SPLIT_ALPHA,
    Estimate,
    Group,
    Uplift,
    write_verdict,
)

SPLIT_METHOD = "sequential test of the split (Lindon & Malek 2022)"


def as_document(uplift: Uplift) -> dict[str, Any]:
    """The shape that scripts rely on; shares are parts of 1, money is in the value's own unit."""
    split = uplift.split
    return {
        "standing": uplift.standing,
        "verdict": write_verdict(uplift),
        "mailed": _group(uplift.mailed),
        "held_out": _group(uplift.held_out),
        "conversion": _estimate(uplift.conversion),
        "money_per_customer": _estimate(uplift.money),
        "money": _estimate(uplift.money, times=uplift.mailed.customers),
        "smallest_visible": uplift.smallest_visible,
        "split": {**vars(split), "alpha": SPLIT_ALPHA, "method": SPLIT_METHOD},
        "alpha": ALPHA,
        "method": METHOD,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "customers": group.customers,
        "reached": group.reached,
        "share": round(group.share, 6),
        "value": round(group.value, 2),
        "value_per_customer": round(group.mean, 4),
    }


def _estimate(found: Estimate | None, times: int = 1) -> dict[str, float] | None:
    if found is None:
        return None
    return {name: round(number * times, 6) for name, number in vars(found).items()}
