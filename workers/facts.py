"""What the core is told of enrollments at one step: fetched for all of them together, and told once
to those of whom the same is known.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from journeys.advance import Approval, Facts, Outcome, Question
from journeys.definition import Approve, Send, Step, Survey, Wait, WaitFor, WaitUntil
from journeys.graph import Graph
from journeys.timing import zone_of
from rekindle.workspace.library import Library
from segments.conditions.answer import Answer
from store.approvals import approvals_at
from store.customers import load_traits
from store.messages import messages_at, refused_surveys
from store.records import CustomerId, Enrollment, EnrollmentId
from workers.questions import reply_to

ZONE = "zone"
Told = tuple[Facts, Sequence[Enrollment]]  # facts, and those of whom exactly these are known


@dataclass(frozen=True)
class Own:
    """What is known of each one alone, where deciding the step looks at such a thing."""

    traits: Mapping[CustomerId, Mapping[str, Any]]
    outcomes: Mapping[EnrollmentId, Outcome]
    refused: Mapping[EnrollmentId, Mapping[str, str]]
    approvals: Mapping[EnrollmentId, Approval]

    @property
    def is_any(self) -> bool:
        return bool(self.traits or self.outcomes or self.refused or self.approvals)

    def added_to(self, facts: Facts, one: Enrollment) -> Facts:
        traits = self.traits.get(one.customer_id, {})
        return replace(
            facts,
            zone=zone_of(traits.get(ZONE), facts.zone),
            outcome=self.outcomes.get(one.id),
            refused_surveys=self.refused.get(one.id, {}),
            traits=traits,
            approval=self.approvals.get(one.id),
        )


@dataclass(frozen=True)
class Telling:
    """Reads what is told of a batch at one instant."""

    tx: Connection
    library: Library
    now: datetime
    paused: Collection[str]

    def facts_at(
        self,
        graph: Graph,
        step_id: str,
        asked: Sequence[Question],
        together: Sequence[Enrollment],
    ) -> Iterator[Told]:
        """What is known of those who stand at the step, and the answers to what was asked."""
        step = graph.nodes[step_id].step
        own = self._own(step, together)
        common = Facts(
            zone=self.library.settings.brand.tz,
            asking=self._asking(step),
            is_paused=graph.journey.journey in self.paused,
        )
        for replies, alike in reply_to(self.tx, self.library, asked, together, self.now):
            facts = replace(common, replies=replies)
            if not own.is_any:
                yield facts, alike
                continue
            for one in alike:
                yield own.added_to(facts, one), (one,)

    def _own(self, step: Step, together: Sequence[Enrollment]) -> Own:
        return Own(
            traits=self._traits(step, together),
            outcomes=self._outcomes(step, together),
            refused=self._refused(step, together),
            approvals=self._approvals(step, together),
        )

    def _traits(
        self, step: Step, together: Sequence[Enrollment]
    ) -> Mapping[CustomerId, Mapping[str, Any]]:
        names = _traits_read(step)
        ids = {one.customer_id for one in together}
        return load_traits(self.tx, ids, self.now, names=names) if names else {}

    def _outcomes(
        self, step: Step, together: Sequence[Enrollment]
    ) -> Mapping[EnrollmentId, Outcome]:
        if not isinstance(step, Send | Survey):
            return {}
        return {
            key[0]: Outcome(message.status, message.reason, message.sent_at)
            for key, message in messages_at(self.tx, together).items()
        }

    def _refused(
        self, step: Step, together: Sequence[Enrollment]
    ) -> Mapping[EnrollmentId, Mapping[str, str]]:
        if not isinstance(step, WaitFor) or not isinstance(step.wait_for, Answer):
            return {}
        return refused_surveys(self.tx, [one.id for one in together])

    def _approvals(
        self, step: Step, together: Sequence[Enrollment]
    ) -> Mapping[EnrollmentId, Approval]:
        if not isinstance(step, Approve):
            return {}
        return {
            id_: Approval(one.is_granted, one.answered_by, one.answered_at)
            for id_, one in approvals_at(self.tx, together).items()
        }

    def _asking(self, step: Step) -> tuple[str, ...]:
        is_asking = isinstance(step, Send) and self.library.survey_of_mail(step.template)
        return (step.template,) if isinstance(step, Send) and is_asking else ()


def _traits_read(step: Step) -> set[str]:
    """The traits that deciding this step looks at."""
    retimes = step.if_late is not None and step.if_late.do == "retime"
    match step:
        case Wait(between=None, on=()) if not retimes:
            return set()
        case WaitUntil(wait_until=until) if until.trait is not None:
            return {ZONE, until.trait.partition(".")[0]}
        case Wait() | WaitUntil():
            return {ZONE}
        case _:
            return {ZONE} if retimes else set()
