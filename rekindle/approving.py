"""What our own people are asked, for dashboard and API: what would follow, and answering."""

from collections.abc import Collection, Iterator

from journeys.definition import Approve
from journeys.graph import FINISHED, SKIPPED, Graph, Node
from rekindle.services import Services
from store.approvals import OpenApproval, WaitingStep, answer_approvals, find_open_of_step

AT_ONCE = 1_000  # answers in one transaction
STEPS_SHOWN = 6
YES, NO = "", "otherwise"  # the ways out of an `approve`


def what_follows(services: Services, asked: OpenApproval, way: str) -> list[Node]:
    """The next steps after YES or NO, as far as they are sure; none where the journey ends."""
    graph = services.library().graph(asked.version_id)
    if graph is None or asked.step not in graph.nodes:
        return []
    return list(_walk(graph, graph.nodes[asked.step].edge(way).to))[:STEPS_SHOWN]


def _walk(graph: Graph, at: str) -> Iterator[Node]:
    """Up to and with the step at which the ways part."""
    while at != FINISHED:
        node = graph.nodes[at]
        yield node
        ways = {edge.to for edge in node.edges if edge.label != SKIPPED}
        if isinstance(node.step, Approve) or len(ways) != 1:
            return
        (at,) = ways


def answer_some(services: Services, ids: Collection[int], *, is_granted: bool, by: str) -> int:
    """Answer those of these questions that are open still; how many were."""
    with services.store.begin() as tx:
        now = services.clock.now()
        answered = answer_approvals(tx, ids, is_granted=is_granted, by=by, now=now)
    services.wake.advance(answered)
    return len(answered)


def answer_step(services: Services, step: WaitingStep, *, is_granted: bool, by: str) -> int:
    """Answer all open questions of a step but those asked after its newest; how many were."""
    count = 0
    while ids := _next_of(services, step):
        count += answer_some(services, ids, is_granted=is_granted, by=by)
    return count


def _next_of(services: Services, step: WaitingStep) -> list[int]:
    now = services.clock.now()
    with services.store.read() as connection:
        return find_open_of_step(
            connection, step.journey, step.step, step.newest, now, limit_rows=AT_ONCE
        )
