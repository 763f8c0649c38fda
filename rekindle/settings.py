"""`rekindle.yaml` as one frozen object; every key has a default, secrets come only from the
environment.
"""

import re
from collections.abc import Mapping
from datetime import time, timedelta
from difflib import get_close_matches
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from rekindle.durations import Duration, parse_duration


class Part(BaseModel):
    """A piece of the settings: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"no time zone is called {name!r}.{near_zone(name)}")
    return name


def near_zone(name: str) -> str:
    """The time zone that was probably meant, as the end of a sentence; else nothing."""
    near = get_close_matches(name, available_timezones(), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


class Brand(Part):
    """Who is writing; also the zone of customers whose own is unknown."""

    name: str = "Shop"
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    language: str = "en"
    address: str = ""

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


class Sender(Part):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)

    address: str = Field("Shop <hello@example.com>", alias="from")
    reply_to: str = ""


class Smtp(Part):
    host: str = "127.0.0.1"
    port: int = Field(25, ge=1, le=65535)
    user: str = ""
    password: SecretStr = SecretStr("")
    tls: Literal["none", "starttls", "tls"] = "none"


class SendGrid(Part):
    api_key: SecretStr = SecretStr("")
    host: str = ""
    webhook_public_key: str = ""
    inbound_secret: SecretStr = SecretStr("")


class Source(Part):
    """What a foreign webhook needs to prove itself; which of these depends on the vendor."""

    secret: SecretStr = SecretStr("")
    app_key: SecretStr = SecretStr("")
    verify_token: SecretStr = SecretStr("")
    header: str = ""


def _some_time(timeout: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= timeout <= timedelta(minutes=5):
        raise ValueError("a call may take from 1 second to 5 minutes")
    return timeout


class Webhooks(Part):
    """What the `webhook` step signs with, so that receivers know who is calling, and how long one
    call may take as a whole; and what of this machine and its network these steps and `notify` may
    call: hosts, addresses and networks, each with a port or without.
    """

    secret: SecretStr = SecretStr("")
    timeout: Annotated[Duration, AfterValidator(_some_time)] = timedelta(seconds=15)
    allow: tuple[str, ...] = ()


class Topic(Part):
    """A kind of mail; `assumed` consent means that silence counts as yes.

    Whether its mails wait for caps and for quiet hours: nothing said is yes for all topics but
    `service`. A `sensitive` one needs a person's yes and an `only_if`.
    `give_up_after`: how long a provider may put a mail off; nothing said is a day for `service`.
    """

    consent: Literal["assumed", "required"] = "assumed"
    sensitive: bool = False
    caps: bool | None = None
    quiet_hours: bool | None = None
    give_up_after: Duration | None = None


class Activity(Part):
    """A customer's own doing: the goal clock's events and the any clock's channels."""

    goal: tuple[str, ...] = ("order.completed",)
    any: tuple[str, ...] = (
        "web", "app", "store", "email", "ticket", "chat", "phone", "social", "review",
    )  # fmt: skip
    value: str = "total"  # the property of a goal's event that says what it was worth


class Cap(Part):
    """At most `count` messages in any stretch of `within`."""

    count: int = Field(ge=0)
    within: Duration


def parse_cap(written: object) -> object:
    """`4 per 7 days`, `2000 per day` as a Cap. Raises ValueError naming the form."""
    if isinstance(written, Cap):
        return written
    match = re.fullmatch(r"\s*(\d+)\s+per\s+(.+)", str(written))
    if not isinstance(written, str) or not match:
        raise ValueError(f"a cap reads like '4 per 7 days', not {written!r}")
    within = parse_duration(match[2] if match[2][0].isdigit() else f"1 {match[2]}")
    if not within:
        raise ValueError(f"{written!r} says so many in no time; write, say, '{match[1]} per day'")
    return {"count": int(match[1]), "within": within}


class QuietHours(Part):
    """A stretch of the customer's local day in which marketing mail waits; may pass midnight."""

    begins: time
    ends: time


def parse_hours(written: object) -> object:
    """`21:00-08:00` as two times of day. Raises ValueError naming the form."""
    match = re.fullmatch(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*", str(written))
    if not isinstance(written, str) or not match:
        raise ValueError(f"hours read like '21:00-08:00', not {written!r}")
    first, second, third, fourth = (int(part) for part in match.groups())
    if third == 24 and fourth == 0:
        third = 0
    if max(first, third) > 23 or max(second, fourth) > 59:
        raise ValueError(f"a day goes from 00:00 to 24:00; {written!r} is not within it")
    return {"begins": time(first, second), "ends": time(third, fourth)}


def parse_share(written: object) -> float:
    """`20%` as 0.2. Raises ValueError for anything but a percentage from 0 to 100."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", str(written))
    if not match or float(match[1]) > 100:
        raise ValueError(f"a share is a percentage from 0% to 100%, not {written!r}")
    return float(match[1]) / 100


Share = Annotated[float, BeforeValidator(parse_share, json_schema_input_type=str)]


AtMost = Annotated[Cap, BeforeValidator(parse_cap, json_schema_input_type=str)]


class Pace(Part):
    """How fast mails leave: all of them, those to one domain, and those that are late."""

    provider: AtMost | None = None
    domain: AtMost | None = None  # to any one recipient domain
    domains: Mapping[str, AtMost] = Field(default_factory=dict)  # to these instead
    late: AtMost = Cap(count=5000, within=timedelta(hours=1))  # after an outage, a pause, a jam


class Support(Part):
    """When there are more open tickets than this, surveys and offers wait."""

    open_tickets: int = Field(ge=0)


class Breaker(Part):
    """A journey stops itself when more of its last week's mails than this came back badly, and all
    of them when that is so of the mails of all.

    The defaults are where large providers begin to refuse: Google's sender guidelines (complaints
    below 0.1 %, never 0.3 %) and Amazon's enforcement of SES (a review from 5 % of hard bounces,
    below 2 % recommended), read 2026-11.
    """

    bounces: Share = 0.02  # hard ones
    complaints: Share = 0.003
    complaints_warn: Share = 0.001  # an alarm, and nothing stops
    after: int = Field(200, ge=1)  # mails; before that a share says nothing


def _as_names(written: object) -> object:
    return [written] if isinstance(written, str) else written


class Stranger(Part):
    """Who of our people is told of an event that no customer is found for; `where` as in a segment
    asks of its properties.
    """

    event: Annotated[
        tuple[str, ...],
        Field(min_length=1),
        BeforeValidator(_as_names, json_schema_input_type=str | list[str]),
    ]
    where: Mapping[str, Any] = Field(default_factory=dict)
    notify: str
    message: str = "{{ event.name }}: somebody who is no customer yet."


class Limits(Part):
    """What one `apply` may set in motion before it asks."""

    mails_24h: int = Field(5000, ge=0)
    share: Share = 0.2
    floor: int = Field(500, ge=0)  # of people and of emails: with so few of both no share is asked


SERVICE_WAITS = timedelta(days=1)  # what somebody waits for is of no use later
DEFAULT_CHANNEL = "web"  # where neither the event nor its name says
DEFAULT_CHANNELS: Mapping[str, str] = {
    "ticket.*": "ticket",
    "chat.*": "chat",
    "review.*": "review",
    "social.*": "social",
    "order.*": "store",
}


LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Settings(Part):
    """The whole of `rekindle.yaml`."""

    brand: Brand = Brand()
    base_url: str = "http://127.0.0.1:8000"
    sender: Sender = Sender()
    # whose X-Forwarded-For is believed: without more, a proxy on this machine
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = LOOPBACK
    provider: str = "outbox"
    smtp: Smtp = Smtp()
    sendgrid: SendGrid = SendGrid()
    sources: Mapping[str, Source] = Field(default_factory=dict)
    webhook: Webhooks = Webhooks()
    channels: Mapping[str, str] = Field(default_factory=lambda: dict(DEFAULT_CHANNELS))
    topics: Mapping[str, Topic] = Field(
        default_factory=lambda: {
            "offers": Topic(),
            "news": Topic(consent="required"),
            "surveys": Topic(),
        }
    )
    activity: Activity = Activity()
    survey_rest: Duration = timedelta(days=30)
    caps: Mapping[str, Annotated[Cap, BeforeValidator(parse_cap, json_schema_input_type=str)]] = (
        Field(default_factory=dict)
    )
    quiet_hours: Annotated[
        QuietHours | None,
        BeforeValidator(lambda v: v and parse_hours(v), json_schema_input_type=str | None),
    ] = None
    unhappy: Literal["hold", "ignore"] = "hold"  # offers to those with an open ticket
    pace: Pace = Pace()
    support: Support | None = None
    breaker: Breaker = Breaker()
    give_up_after: Duration = timedelta(days=3)  # of the provider's putting a mail off
    keep_emails: Duration = timedelta(days=730)  # what they said, for reading them in a browser
    keep_parked: Duration = timedelta(days=365)  # events that no customer was found for
    people: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    strangers: tuple[Stranger, ...] = ()
    limits: Limits = Limits()

    def patience_for(self, topic: str) -> timedelta:
        """How long a provider may put off a mail on `topic` before it is given up."""
        said = self.topics[topic].give_up_after if topic in self.topics else None
        if said is None and topic == "service":
            return min(SERVICE_WAITS, self.give_up_after)
        return self.give_up_after if said is None else said

    @property
    def known_channels(self) -> frozenset[str]:
        """The workspace's channels: where people act, and where events without one are put."""
        return frozenset((*self.activity.any, *self.channels.values(), DEFAULT_CHANNEL))

    def channel_for(self, name: str) -> str:
        """The channel of an event that names none; of its name's patterns the first that fits."""
        fitting = (channel for glob, channel in self.channels.items() if _fits(glob, name))
        return next(fitting, DEFAULT_CHANNEL)


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, glob.lower().split("*"))), re.DOTALL)


def _fits(glob: str, name: str) -> bool:
    return _pattern(glob).fullmatch(name) is not None


# What belongs to the place where a process runs rather than to the meaning of segments and
# journeys: read from the folder when a process starts, everything else from what was applied.
DEPLOYMENT_KEYS = (
    "base_url", "trusted_proxies", "sender", "provider", "smtp", "sendgrid", "sources", "people",
    "webhook",
)  # fmt: skip

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def fill_variables(value: Any, environment: Mapping[str, str]) -> Any:
    """`value` with every `${NAME}` and `${NAME:-default}` replaced; an unset NAME without default
    becomes empty.
    """
    match value:
        case str():
            return VARIABLE.sub(lambda m: environment.get(m[1], "") or m[2] or "", value)
        case dict():
            return {key: fill_variables(item, environment) for key, item in value.items()}
        case list():
            return [fill_variables(item, environment) for item in value]
        case _:
            return value


def find_unset_variables(value: Any, environment: Mapping[str, str]) -> list[str]:
    """Names used as `${NAME}` without a default that the environment does not set."""
    match value:
        case str():
            return [
                m[1] for m in VARIABLE.finditer(value) if m[2] is None and not environment.get(m[1])
            ]
        case dict():
            return [
                name for item in value.values() for name in find_unset_variables(item, environment)
            ]
        case list():
            return [name for item in value for name in find_unset_variables(item, environment)]
        case _:
            return []


def provider_settings(settings: Settings) -> str:
    """Everything that decides whether a provider takes our emails, secrets included: to compare,
    never to store or show.
    """
    parts = [settings.sender, settings.smtp, settings.sendgrid]
    values = [getattr(part, name) for part in parts for name in type(part).model_fields]
    known = [v.get_secret_value() if isinstance(v, SecretStr) else v for v in values]
    return repr([settings.provider, *known])
