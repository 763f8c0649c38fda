"""Chance as a stable hash: the same customer always meets the same luck, also after coming back."""

from hashlib import blake2b

from journeys.definition import Split
from journeys.graph import Graph
from store.records import CustomerId

HOLDOUT = "(holdout)"  # no step can be called this, so that no split follows the holdout


def stable_share(customer_id: CustomerId, *names: str) -> float:
    """A number in [0, 1), always the same for these names and spread evenly over customers."""
    text = "/".join((str(customer_id), *names))
    bits = int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
    return (bits >> 11) / 2**53  # as many bits as a float holds, so that it never rounds up to 1


def arm_of(split: Split, customer_id: CustomerId, journey: str, step: str) -> str:
    """The arm of `split` that this customer always takes: a hash, never a draw."""
    point = stable_share(customer_id, journey, step)
    for arm in split.split:
        point -= arm.share
        if point < 0:
            return arm.name
    return split.split[-1].name


def is_held_out(graph: Graph, customer_id: CustomerId) -> bool:
    """Whether this customer is in the journey's control group; sticky over re-entries."""
    return stable_share(customer_id, graph.journey.journey, HOLDOUT) < graph.journey.holdout_share
