"""What the core is told about one customer, and what it says in return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from store.records import Enrollment

SENT = ("sent", "delivered", "bounced", "complained")  # the provider took it, whatever came later
WAITING = ("queued", "held", "sending")


@dataclass(frozen=True)
class Reply:
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
class Facts:
    """What the core is told about one customer to decide one step.

    `refused_surveys` has the surveys whose invitation never left, each with the reason.
    """

    zone: ZoneInfo
    replies: Mapping[str, Reply] = field(default_factory=dict)
    outcome: Outcome | None = None
    refused_surveys: Mapping[str, str] = field(default_factory=dict)


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


Effect = QueueMessage | Tell | StartJourney


@dataclass(frozen=True)
class Said:
    """A decision as it is kept: what was decided at which step, why, and for which instant."""

    step: str
    visit: int
    decision: str
    reason: str
    due_at: datetime


@dataclass(frozen=True)
class Decision:
    """The whole consequence of one look at one customer."""

    enrollment: Enrollment
    said: Said | None = None
    effects: tuple[Effect, ...] = ()
    look_again_at: datetime | None = None  # None while it waits: until something happens
    waits: bool = False
