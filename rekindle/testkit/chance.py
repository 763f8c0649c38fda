"""Finds the customer number whose luck is as a case wants it: chance is a hash of that number."""

from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from journeys.chance import arm_of, is_held_out
from journeys.definition import Split
from journeys.graph import Graph
from rekindle.errors import RekindleError
from rekindle.workspace.cases import HELD_OUT
from store.records import CustomerId

MOST_TRIES = 200_000


def find_number(
    graphs: Sequence[Graph], wanted: Mapping[str, Sequence[str]], taken: Collection[CustomerId]
) -> CustomerId:
    """The first free number that is held out, and takes the arms, as `wanted` says by journey.

    Where nothing is wanted of a journey the customer is not held out of it, unless everybody is.
    Raises RekindleError if nobody has that luck.
    """
    free = (CustomerId(n) for n in range(1, MOST_TRIES) if n not in taken)
    for number in islice(free, MOST_TRIES):
        if all(_fits(graph, number, wanted.get(graph.journey.journey, ())) for graph in graphs):
            return number
    raise RekindleError(f"nobody has the luck that is asked for here: {dict(wanted)}.")


def _fits(graph: Graph, number: CustomerId, arms: Sequence[str]) -> bool:
    share = graph.journey.holdout_share
    if share < 1 and is_held_out(graph, number) != (HELD_OUT in arms):
        return False
    return all(
        arm_of(node.step, number, graph.journey.journey, node.id) in arms
        for node in graph.nodes.values()
        if isinstance(node.step, Split) and {arm.name for arm in node.step.split} & set(arms)
    )
