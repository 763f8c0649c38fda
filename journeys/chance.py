"""Chance as a stable hash: the same customer always meets the same luck, also after coming back."""

from collections.abc import Callable
from hashlib import blake2b

from journeys.definition import Split
from journeys.graph import Graph
from store.records import CustomerId

HOLDOUT = "(holdout)"  # no step can be called this, so that no split follows the holdout


def stable_share(customer_id: CustomerId, *names: str) -> float:
    """A number in [0, 1), always the same for these names and spread evenly over customers."""
    return share_by(*names)(customer_id)


def share_by(*names: str) -> Callable[[CustomerId], float]:
    """The same for whoever it is."""
    rest = "".join(f"/{name}" for name in names).encode()

    def share(customer_id: CustomerId) -> float:
        bits = int.from_bytes(blake2b(b"%d%b" % (customer_id, rest), digest_size=8).digest())
        return (bits >> 11) / 2**53  # as many bits as a float holds: it never rounds up to 1

    return share


def arm_of(split: Split, customer_id: CustomerId, journey: str, step: str) -> str:
    """The arm of `split` that this customer always takes: a hash, never a draw."""
    return arm_by(split, journey, step)(customer_id)


def arm_by(split: Split, journey: str, step: str) -> Callable[[CustomerId], str]:
    """The same for whoever it is."""
    share, arms = share_by(journey, step), [(arm.name, arm.share) for arm in split.split]

    def choose(customer_id: CustomerId) -> str:
        point = share(customer_id)
        for name, width in arms:
            point -= width
            if point < 0:
                return name
        return arms[-1][0]

    return choose


def is_held_out(graph: Graph, customer_id: CustomerId) -> bool:
    """Whether this customer is in the journey's control group; sticky over re-entries."""
    return stable_share(customer_id, graph.journey.journey, HOLDOUT) < graph.journey.holdout_share
