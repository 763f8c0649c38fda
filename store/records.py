"""Frozen rows and the values that travel between the layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple, NewType

from rekindle.addresses import canonical

CustomerId = NewType("CustomerId", int)
EventId = NewType("EventId", int)
EnrollmentId = NewType("EnrollmentId", int)
MessageId = NewType("MessageId", int)
DefinitionId = NewType("DefinitionId", int)
UserId = NewType("UserId", int)

NOTHING: Mapping[str, Any] = {}  # shared: nobody changes it
NOBODY = CustomerId(0)  # owner of events that are parked, and of messages to our own people


class Actor(StrEnum):
    """Who did it: only a customer's own acts are activity."""

    CUSTOMER = "customer"
    AGENT = "agent"
    REKINDLE = "rekindle"


class Trust(StrEnum):
    """How far a source may be believed about identity and consent."""

    SERVER = "server"  # a server-side write key, the API: may merge, grant consent, change an email
    BROWSER = "browser"  # anybody can hold its key: may not change an email, grant consent or merge
    HELPDESK = "helpdesk"  # proves who wrote, not who they are: attaches by address, never merges
    FILE = "file"  # imported by the operator: as a server


class Identity(NamedTuple):
    """One way to recognise a customer: `external`, `email`, `phone`, `anonymous`, `helpdesk` or
    `social`.
    """

    kind: str
    value: str

    @classmethod
    def of_email(cls, address: str) -> "Identity":
        """The mailbox that `address` names; the empty identity, nobody's, where it names none."""
        return cls("email", canonical(address))

    @classmethod
    def of_phone(cls, number: str) -> "Identity":
        """Numbers are compared by their digits and a leading plus."""
        plus = "+" if number.strip().startswith("+") else ""
        return cls("phone", plus + "".join(filter(str.isdigit, number)))


class IncomingEvent(NamedTuple):
    """A foreign event in our words, before anybody knows whose it is.

    A tuple, since files hold millions: a dataclass takes three times as long to make.
    """

    name: str  # canonical: lower case, noun.past_participle
    occurred_at: datetime
    message_id: str
    identities: tuple[Identity, ...]  # most certain first
    channel: str | None = None  # None: the default for its name
    properties: Mapping[str, Any] = NOTHING
    source: str = "api"
    trust: Trust = Trust.SERVER
    actor: Actor = Actor.CUSTOMER
    original_name: str | None = None
    traits: Mapping[str, Any] = NOTHING  # of an identify
    consents: Mapping[str, str] = NOTHING  # topic to granted, denied, unknown
    previous: Identity | None = None  # of an alias: this one becomes the same customer
    is_known_since_occurred: bool = False  # imported history: known_at = occurred_at


@dataclass(frozen=True)
class IncomingCustomer:
    """A row of a customers file: what it says is known from the beginning."""

    external_id: str
    traits: Mapping[str, Any] = field(default_factory=dict)  # email, locale, zone among them
    consents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reject:
    """An item that was not taken, and why, in words for its sender."""

    reason: str
    item: Any = None


@dataclass(frozen=True)
class Receipt:
    """What became of a batch; accepted + duplicates + rejected = items."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    customer_ids: tuple[CustomerId, ...] = ()  # whose picture changed
    # message ids of accepted events that have no customer yet, and why
    waiting: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Returned:
    """What a mail that came back says of one recipient."""

    recipient: str  # in canonical form; empty where it does not say
    kind: str  # bounce, complaint, auto_reply, reply, report
    hard: bool  # of a bounce: the address is no more
    status: str  # enhanced status, or empty
    mark: str  # of the mail it is from: the same bytes have the same one
    header_id: str = ""  # Message-ID of ours that it is about, or empty
    said: str = ""  # of a bounce: the server's words, without addresses


@dataclass(frozen=True)
class Report:
    """What a provider says became of a mail."""

    mark: str  # the provider's id of this report: known by it when it comes again
    kind: str  # delivered, opened, clicked, bounced, complained, refused, unsubscribed
    address: str  # in canonical form
    occurred_at: datetime
    message_id: int | None = None  # ours, as we handed it over
    provider_message_id: str = ""
    is_machine: bool = False
    suppression: str = ""  # why this address is not mailed again, or empty
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Customer:
    id: CustomerId
    external_id: str
    traits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def email(self) -> str:
        value = self.traits.get("email")
        return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class StoredEvent:
    id: EventId
    customer_id: CustomerId
    name: str
    channel: str
    actor: Actor
    occurred_at: datetime
    known_at: datetime
    message_id: str
    source: str
    original_name: str | None
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Definition:
    """One version of something a marketer wrote, as applied."""

    id: DefinitionId
    kind: str
    name: str
    version: int
    digest: str
    body: str | None  # None: retired
    known_at: datetime


Cause = Literal["event", "time", "late", "definition", "refit", "first"]
# why somebody entered or left a segment at the very instant that is said of it
ON_TIME: tuple[Cause, ...] = ("event", "time")
# why everybody is looked at. late: it had failed before; time: there are figures of a new day
Because = Literal["first", "definition", "refit", "late", "time"]


class Evaluation(NamedTuple):
    """What a segment says of one customer at one instant."""

    customer_id: CustomerId
    holds: bool
    # never later than the first instant at which time alone can change it
    next_check_at: datetime | None


@dataclass(frozen=True)
class Membership:
    """A stored place of one customer in one segment."""

    segment: str
    customer_id: CustomerId
    is_member: bool
    since: datetime | None
    next_check_at: datetime | None


make = tuple.__new__  # a named tuple of all its values, in two thirds of the time of its own way


class Enrollment(NamedTuple):
    """One customer's trip through one journey version, and where it stands.

    A tuple, since one is made for every step there is: a dataclass takes three times as long.
    """

    id: EnrollmentId
    journey: str
    version_id: DefinitionId
    customer_id: CustomerId
    key: str
    event_id: EventId | None
    is_held_out: bool
    started_at: datetime
    step: str
    visit: int
    arrived_at: datetime
    ended: str | None = None

    def moved(self, step: str, arrived_at: datetime) -> "Enrollment":
        """At another step; what `_replace` does, in a third of its time."""
        place = (step, self.visit, arrived_at, self.ended)
        return make(Enrollment, self[:8] + place)

    def over(self, ended: str) -> "Enrollment":
        """The same, out of its journey for that reason."""
        return self._replace(ended=ended)


class Said(NamedTuple):
    """A decision as it is kept: what was decided at which step, why, and for which instant."""

    step: str
    visit: int
    decision: str
    reason: str
    due_at: datetime


@dataclass(frozen=True)
class Message:
    """One mail to one customer, from queued to its last delivery event."""

    id: MessageId
    customer_id: CustomerId
    enrollment_id: EnrollmentId | None
    step: str
    visit: int
    template: str
    topic: str
    survey: str | None
    address: str
    status: str
    reason: str
    header_id: str
    payload: Mapping[str, Any] | None = None
    queued_at: datetime | None = None
    due_at: datetime | None = None
    handed_over_at: datetime | None = None
    sent_at: datetime | None = None
    paced_at: datetime | None = None  # the instant at which it has its place


@dataclass(frozen=True)
class Answer:
    """What one customer said, one revision of it."""

    survey: str
    customer_id: CustomerId
    message_id: MessageId
    score: int
    comment: str
    answered_at: datetime
    is_counted: bool = True
    revision: int = 1
    enrollment_id: EnrollmentId | None = None
    key: str = ""
    solved: str = ""  # whether the problem is solved: yes, no, or empty where nobody said


@dataclass(frozen=True)
class Hit:
    """One request to a signed link, before anybody judges it."""

    id: int  # order of arrival
    message_id: MessageId
    link: str  # click:3, survey:5, unsubscribe, open, decoy
    method: str
    agent: str
    occurred_at: datetime
