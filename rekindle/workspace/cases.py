"""A file of `tests/` as typed objects: customers, what happens to them, what must come of it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from journeys.parts import Name, Part
from rekindle.durations import Duration

ANY = "any"
HELD_OUT = "held_out"  # instead of an arm: the customer is among those who get nothing
DEFAULT_BEGINNING = "2026-03-02 09:00"  # a Monday morning
TIME_OF_DAY = re.compile(r"([01]?\d|2[0-3]):[0-5]\d\Z")


def _check_moment(written: str) -> str:
    """Raises ValueError for anything but `2026-03-02 09:00`, with or without an offset."""
    try:
        datetime.fromisoformat(written)
    except ValueError as error:
        raise ValueError(
            f"a moment reads like '2026-03-02 09:00', in the brand's zone, not {written!r}"
        ) from error
    return written


def _check_moment_or_time(written: str) -> str:
    return written if TIME_OF_DAY.match(written) else _check_moment(written)


Moment = Annotated[str, AfterValidator(_check_moment)]
MomentOrTime = Annotated[str, AfterValidator(_check_moment_or_time)]


def _as_list(written: Any) -> Any:
    return (written,) if isinstance(written, str) else written


Words = Annotated[
    tuple[str, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str])
]

# --- who -----------------------------------------------------------------------------------------


class Past(Part):
    """Something a customer did before the case begins; of several, `ago` is the latest."""

    event: str
    ago: Duration
    every: Duration | None = None
    times: int = Field(1, ge=1, le=1000)
    channel: str | None = None
    with_: Mapping[str, Any] = Field(default_factory=dict, alias="with")


class Person(Part):
    """A customer of the case. Without `email` among the traits it is NAME@example.com."""

    traits: Mapping[str, Any] = Field(default_factory=dict)
    consents: Mapping[str, Literal["granted", "denied", "unknown"]] = Field(default_factory=dict)
    events: tuple[Past, ...] = ()
    chance: Mapping[Name, Words] = Field(default_factory=dict)  # journey: its arms, or held_out


# --- what must have come of it -------------------------------------------------------------------


class Expectation(Part):
    """One thing to look for; `customer` left out is the first of the case."""

    kind: ClassVar[str]
    customer: str | None = None


class Mail(Expectation):
    """That many mails left that no expectation before has named."""

    kind: ClassVar[str] = "mail"
    mail: str
    to: str | None = None
    subject: str | None = None  # a part of it
    contains: Words = ()  # of the text part
    at: Moment | None = None
    times: int = Field(1, ge=1)


class NoMail(Expectation):
    """Nothing left (or not this mail) that no expectation before has named."""

    kind: ClassVar[str] = "no_mail"
    no_mail: str


class Held(Expectation):
    """The mail waits for leave to go."""

    kind: ClassVar[str] = "held"
    held: str
    because: str = ""


class Refused(Expectation):
    """The mail was refused or cancelled, and will never go."""

    kind: ClassVar[str] = "refused"
    refused: str
    because: str = ""


class Travels(Expectation):
    """The customer's latest enrollment in a journey: where it stands, or how it ended."""

    kind: ClassVar[str] = "journey"
    journey: Name
    key: str | None = None
    at: str | None = None  # a step's id
    ended: str | None = None
    held_out: bool | None = None
    started: bool = True  # false: there is none
    times: int | None = Field(None, ge=1)  # enrollments in all


class Inside(Expectation):
    kind: ClassVar[str] = "in"
    in_: Name = Field(alias="in")


class Outside(Expectation):
    kind: ClassVar[str] = "not_in"
    not_in: Name


class Notice(Expectation):
    """That many notices to a group of people that no expectation before has named."""

    kind: ClassVar[str] = "notice"
    notice: str
    contains: Words = ()
    times: int = Field(1, ge=1)


class NoNotice(Expectation):
    kind: ClassVar[str] = "no_notice"
    no_notice: str


class Called(Expectation):
    """That many calls of a webhook that no expectation before has named."""

    kind: ClassVar[str] = "webhook"
    webhook: str
    with_: Mapping[str, Any] = Field(default_factory=dict, alias="with")  # of the body
    times: int = Field(1, ge=1)


class HasTrait(Expectation):
    kind: ClassVar[str] = "trait"
    trait: str
    is_: Any = Field(None, alias="is")  # nothing: the trait is not set


class Happened(Expectation):
    """That many such events since the case began."""

    kind: ClassVar[str] = "event"
    event: str
    with_: Mapping[str, Any] = Field(default_factory=dict, alias="with")
    times: int = Field(1, ge=0)


EXPECTATIONS: Mapping[str, type[Expectation]] = {
    one.kind: one
    for one in (
        Mail, NoMail, Held, Refused, Travels, Inside, Outside, Notice, NoNotice, Called, HasTrait,
        Happened,
    )
}  # fmt: skip
SHORT = {"no mail": {"no_mail": ANY}, "no notice": {"no_notice": ANY}}


def _kind_among(kinds: Mapping[str, type[Any]], value: object) -> str | None:
    if isinstance(value, Mapping):
        return next((key for key in kinds if key in value), None)
    return getattr(value, "kind", None)


def _expand(written: Any) -> Any:
    return SHORT.get(written, written) if isinstance(written, str) else written


Expected = Annotated[
    Annotated[
        Annotated[Travels, Tag("journey")]
        | Annotated[Mail, Tag("mail")]
        | Annotated[NoMail, Tag("no_mail")]
        | Annotated[Held, Tag("held")]
        | Annotated[Refused, Tag("refused")]
        | Annotated[Inside, Tag("in")]
        | Annotated[Outside, Tag("not_in")]
        | Annotated[Notice, Tag("notice")]
        | Annotated[NoNotice, Tag("no_notice")]
        | Annotated[Called, Tag("webhook")]
        | Annotated[HasTrait, Tag("trait")]
        | Annotated[Happened, Tag("event")],
        Discriminator(
            lambda value: _kind_among(EXPECTATIONS, value),
            custom_error_type="unknown_expectation",
            custom_error_message="this is no expectation: its kind is none of "
            + ", ".join(EXPECTATIONS),
        ),
    ],
    BeforeValidator(_expand),
]

# --- what happens --------------------------------------------------------------------------------


class Act(Part):
    """One thing that happens; `customer` left out is the first of the case."""

    kind: ClassVar[str]
    customer: str | None = None
    note: str = ""


class Advance(Act):
    """Time passes, and everything that falls due meanwhile is done at its own instant.

    With `until` it passes only as far as that comes true, and must come true.
    """

    kind: ClassVar[str] = "advance"
    advance: Duration
    until: Expected | None = None


class Until(Act):
    """Time passes until this moment or, of a time of day, until the clocks next show it."""

    kind: ClassVar[str] = "at"
    at: MomentOrTime


class Does(Act):
    """The customer does something on a channel, now."""

    kind: ClassVar[str] = "event"
    event: str
    channel: str | None = None
    with_: Mapping[str, Any] = Field(default_factory=dict, alias="with")


class Learns(Act):
    """We learn something about the customer; nothing clears a trait."""

    kind: ClassVar[str] = "set"
    set_: Mapping[str, Any] = Field(alias="set", min_length=1)


class Consents(Act):
    kind: ClassVar[str] = "consent"
    consent: Mapping[str, Literal["granted", "denied", "unknown"]] = Field(min_length=1)


class Opens(Act):
    """A minute later the customer opens the latest mail of this template."""

    kind: ClassVar[str] = "open"
    open: str


class Clicks(Act):
    """A minute later the customer follows the first link in it."""

    kind: ClassVar[str] = "click"
    click: str


class Answers(Act):
    """A minute later the customer answers the latest invitation to a survey."""

    kind: ClassVar[str] = "answer"
    answer: Name
    score: int
    comment: str = ""
    solved: Literal["yes", "no", ""] = ""


class Unsubscribes(Act):
    """A minute later the customer unsubscribes by the link in the latest mail of this template."""

    kind: ClassVar[str] = "unsubscribe"
    unsubscribe: str


class Starts(Act):
    """A program or a person starts a journey that has the start `api`."""

    kind: ClassVar[str] = "start"
    start: Name
    with_: Mapping[str, Any] = Field(default_factory=dict, alias="with")


class Approves(Act):
    """One of our people answers what a journey asked about the customer."""

    kind: ClassVar[str] = "approve"
    approve: Name
    says: Literal["yes", "no"] = "yes"


class Expect(Act):
    """What must have come of it by now: one expectation, or a list of them."""

    kind: ClassVar[str] = "expect"
    expect: Annotated[
        tuple[Expected, ...],
        BeforeValidator(
            lambda written: written if isinstance(written, list | tuple) else (written,),
            json_schema_input_type=Expected | list[Expected],
        ),
    ] = Field(min_length=1)


ACTS: Mapping[str, type[Act]] = {
    one.kind: one
    for one in (
        Advance, Until, Expect, Does, Learns, Consents, Opens, Clicks, Answers, Unsubscribes,
        Starts, Approves,
    )
}  # fmt: skip

Step = Annotated[
    Annotated[Advance, Tag("advance")]
    | Annotated[Until, Tag("at")]
    | Annotated[Expect, Tag("expect")]
    | Annotated[Does, Tag("event")]
    | Annotated[Learns, Tag("set")]
    | Annotated[Consents, Tag("consent")]
    | Annotated[Opens, Tag("open")]
    | Annotated[Clicks, Tag("click")]
    | Annotated[Answers, Tag("answer")]
    | Annotated[Unsubscribes, Tag("unsubscribe")]
    | Annotated[Starts, Tag("start")]
    | Annotated[Approves, Tag("approve")],
    Discriminator(
        lambda value: _kind_among(ACTS, value),
        custom_error_type="unknown_step",
        custom_error_message="this is no step of a test: its kind is none of " + ", ".join(ACTS),
    ),
]


class Case(Part):
    """One story: it begins at its moment with its customers, and knows nothing of other cases."""

    case: str = Field(min_length=1)
    note: str = ""
    begins: Moment | None = None
    only: tuple[Name, ...] | None = None  # the journeys that there are; left out: as in the file
    customers: Mapping[str, Person] = Field(default_factory=dict)
    steps: tuple[Step, ...] = Field(min_length=1)


class CaseFile(Part):
    """One file of `tests/`; each of its cases may replace a customer, the beginning or `only`."""

    test: Name
    description: str = ""
    note: str = ""
    begins: Moment = DEFAULT_BEGINNING
    only: tuple[Name, ...] | None = None  # left out: every journey of the workspace
    customers: Mapping[str, Person] = Field(default_factory=dict)
    cases: tuple[Case, ...] = Field(min_length=1)

    def people_of(self, case: Case) -> Mapping[str, Person]:
        """Everybody in `case`, those of the file included."""
        return {**self.customers, **case.customers}

    def beginning_of(self, case: Case) -> str:
        return case.begins or self.begins

    def journeys_of(self, case: Case) -> tuple[Name, ...] | None:
        """The only journeys that there are in `case`; None for all of the workspace."""
        return self.only if case.only is None else case.only
