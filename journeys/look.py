"""One look at those who stand at one step, and what can be said of each: stay, go, end."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from journeys.decisions import Decision, Effect, Facts
from journeys.graph import FINISHED, Graph, Node
from store.records import Enrollment, Said, make

Rule = Callable[[Enrollment], Decision]  # about one of those who stand at the step looked at
Leave = Callable[[Enrollment, datetime], Decision]  # the step, at that instant


class Look(NamedTuple):
    """One look at those who stand at one step: all that a decision is made of but who it is."""

    graph: Graph
    node: Node
    facts: Facts
    now: datetime

    def holds(self, question: str) -> bool:
        return self.facts.replies[question].holds

    def leaving(
        self, decision: str, reason: str = "", *, way: str = "", effects: tuple[Effect, ...] = ()
    ) -> Leave:
        """Leave the step by `way`; what follows counts from the instant that is given."""
        to = self.node.edge(way).to

        def leave(one: Enrollment, at: datetime) -> Decision:
            said = make(Said, (one.step, one.visit, decision, reason, at))
            stands = one.over("finished") if to == FINISHED else one.moved(to, at)
            return make(Decision, (stands, said, effects, None, False))

        return leave

    def going(
        self,
        decision: str,
        reason: str = "",
        *,
        way: str = "",
        at: datetime | None = None,
        effects: tuple[Effect, ...] = (),
    ) -> Rule:
        """Leave the step by `way`; what follows counts from `at`, or from the arrival here.

        It counts from the look only where nothing better is known: lateness must not add up.
        """
        leave = self.leaving(decision, reason, way=way, effects=effects)
        return lambda one: leave(one, at or one.arrived_at)

    def retime(self, one: Enrollment, arrived_at: datetime, at: datetime, reason: str) -> Decision:
        """Stay at this step as if it were reached then, to be looked at again at `at`."""
        said = Said(one.step, one.visit, "retimed", reason, at)
        return Decision(one.moved(one.step, arrived_at), said, (), at, at > self.now)

    def ending(self, how: str, reason: str) -> Rule:
        def end(one: Enrollment) -> Decision:
            said = Said(one.step, one.visit, how, reason, self.now)
            return Decision(one.over(how), said)

        return end


def stay(
    one: Enrollment, until: datetime | None = None, effects: tuple[Effect, ...] = ()
) -> Decision:
    """Wait here: until then, or until something happens."""
    return make(Decision, (one, None, effects, until, True))
