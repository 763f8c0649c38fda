"""What the core is told about one customer, and what it says in return."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from store.records import Enrollment, Said

SENT = ("sent", "delivered", "bounced", "complained")  # the provider took it, whatever came later
WAITING = ("queued", "held", "sending")


class Reply(NamedTuple):
    """The answer to a question, and the first instant at which time alone may change it."""

    holds: bool
    next_check_at: datetime | None = None


@dataclass(frozen=True)
class Outcome:
    """What has become of the message of this step and visit; `at` is when the provider took it."""

    status: str
    reason: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Approval:
    """What has become of the question to our own people; None is no answer yet."""

    is_granted: bool | None = None
    by: str = ""
    at: datetime | None = None  # of the answer


@dataclass(frozen=True)
class Facts:
    """What the core is told about one customer to decide one step.

    `refused_surveys` has the surveys whose invitation never left, each with the reason; `traits`
    are the customer's own at the instant of the look; `asking` names the mails that are invitations
    to a survey. While a journey is paused only exits and
    the goal are looked at.
    """

    zone: ZoneInfo
    replies: Mapping[str, Reply] = field(default_factory=dict)
    outcome: Outcome | None = None
    refused_surveys: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, Any] = field(default_factory=dict)
    approval: Approval | None = None
    asking: Collection[str] = ()
    is_paused: bool = False

    @property
    def has_begun(self) -> bool:
        """Whether the step has acted already and waits for what comes of it."""
        return self.outcome is not None or self.approval is not None


@dataclass(frozen=True)
class QueueMessage:
    """A mail to the customer; the shell asks permission and makes the row."""

    template: str
    topic: str
    survey: str | None = None


@dataclass(frozen=True)
class Tell:
    """A notice to our own people; `message` is a template."""

    people: str
    message: str


@dataclass(frozen=True)
class StartJourney:
    """Another journey begins for this customer, with the same event."""

    journey: str


@dataclass(frozen=True)
class SetTraits:
    """Traits of the customer, known from now on; None clears."""

    traits: Mapping[str, Any]


@dataclass(frozen=True)
class EmitEvent:
    """An event of this customer."""

    name: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class CallWebhook:
    """A word to another system."""

    url: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class AskApproval:
    """A question to our own people, which they may answer until then."""

    people: str
    message: str
    until: datetime


Effect = QueueMessage | Tell | StartJourney | SetTraits | EmitEvent | CallWebhook | AskApproval


class Decision(NamedTuple):
    """The whole consequence of one look at one customer."""

    enrollment: Enrollment
    said: Said | None = None
    effects: tuple[Effect, ...] = ()
    look_again_at: datetime | None = None  # None while it waits: until something happens
    waits: bool = False
