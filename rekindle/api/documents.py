"""The shapes of what the API answers; those that a command prints too may grow more fields."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """An answer; what it holds beyond its fields is passed on."""

    model_config = ConfigDict(extra="allow")


class EventDocument(Document):
    name: str
    channel: str
    occurred_at: datetime
    message_id: str
    properties: dict[str, Any]


class PlaceDocument(Document):
    segment: str
    since: datetime | None
    next_check_at: datetime | None


class StepDocument(Document):
    step: str
    visit: int
    due_at: datetime
    decision: str
    reason: str


class EnrollmentDocument(Document):
    journey: str
    customer: str
    key: str
    entered_at: datetime
    ended_at: datetime | None
    ended: str | None
    steps: list[StepDocument]


class MailDocument(Document):
    id: int
    template: str
    status: str
    reason: str
    at: datetime


class MailboxDocument(Document):
    """Where a customer's email goes, and what forbids it, whoever else has that address."""

    address: str
    suppressed: str | None
    consents: dict[str, str]


class CustomerDocument(Document):
    """As `rekindle customer ID --json`."""

    id: str
    traits: dict[str, Any]
    identities: list[dict[str, str]]
    consents: dict[str, str]
    mailbox: MailboxDocument
    events: list[EventDocument]
    segments: list[PlaceDocument]
    drift: dict[str, Any]
    enrollments: list[EnrollmentDocument]
    messages: list[MailDocument]
    answers: list[dict[str, Any]]


class ToldDocument(Document):
    id: str


class ExportedDocument(Document):
    """All that is stored of one customer: a list for each noun of `rekindle export`."""

    id: str
    traits: dict[str, Any]


class ErasedDocument(Document):
    erased: str


class MergedDocument(Document):
    id: str
    merged: list[str]


class SuppressedDocument(Document):
    suppressed: list[str]


class UnsuppressedDocument(Document):
    unsuppressed: list[str]


class SegmentDocument(Document):
    segment: str
    description: str
    size: int


class SegmentsDocument(Document):
    segments: list[SegmentDocument]


class MemberDocument(Document):
    customer: str
    since: datetime | None


class MembersDocument(Document):
    """One page; `after` leads to the next, null after the last."""

    segment: str
    members: list[MemberDocument]
    after: str | None


class ConditionDocument(Document):
    condition: dict[str, Any]
    depth: int
    holds: bool
    next_check_at: datetime | None


class ExplainedDocument(Document):
    segment: str
    customer: str
    holds: bool
    conditions: list[ConditionDocument]


class JourneyDocument(Document):
    """Its figures, as `rekindle report journey --json`; `stopped` says why nobody starts."""

    journey: str
    started: int
    active: int
    finished: int
    goal: int
    exited: int
    merged: int
    failed: int
    held_out: int
    mails: dict[str, int]
    uplift: dict[str, Any] | None
    stopped: str | None


class JourneysDocument(Document):
    journeys: list[JourneyDocument]


class StateDocument(Document):
    journey: str
    stopped: str | None


class StartedDocument(Document):
    journey: str
    customer: str
    enrollment: int


class ExitedDocument(Document):
    journey: str
    customer: str
    ended: int


class ApprovalDocument(Document):
    """A question to our own people, and the ids of the steps that follow each answer."""

    id: int
    journey: str
    step: str
    customer: str
    people: str
    message: str
    asked_at: datetime
    until: datetime
    after_yes: list[str]
    after_no: list[str]


class ApprovalsDocument(Document):
    """The oldest first; `after` leads to the next page, null after the last."""

    approvals: list[ApprovalDocument]
    after: int | None


class AnsweredDocument(Document):
    answered: int


class MessageDocument(MailDocument):
    """One mail; `customer` is empty for a notice to our own people."""

    customer: str
    topic: str
    survey: str | None
    to: str


class DeliveryDocument(Document):
    kind: str
    occurred_at: datetime
    is_machine: bool


class MessageInFull(MessageDocument):
    delivery_events: list[DeliveryDocument]


class MessagesDocument(Document):
    """The latest first; `before` leads to the next page, null after the last."""

    messages: list[MessageDocument]
    before: int | None


class SurveyDocument(Document):
    """As `rekindle report survey --json`; no figures where fewer than five answered."""

    survey: str
    kind: str
    invited: int
    delivered: int
    answered: int
    response_rate: dict[str, Any] | None
    score: dict[str, Any] | None
    histogram: dict[str, int]
    machine_answers: int


class SurveysDocument(Document):
    surveys: list[SurveyDocument]


class PlanDocument(Document):
    """As `rekindle plan --json`."""

    segments: list[dict[str, Any]]
    journeys: list[dict[str, Any]]
    mails_24h: int
    within_limits: bool
