"""What a case can see: who its customers are, what they were sent, where they stand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from adapters.email.base import OutgoingEmail
from rekindle.acting import SentMail
from rekindle.errors import RekindleError
from rekindle.testkit.stage import OUR_PEOPLE, EmptyStage
from store.customers import load_traits
from store.events import load_timeline
from store.portraits import MailLine, Trip, load_mails, load_memberships, load_trips
from store.records import CustomerId, EnrollmentId, StoredEvent
from store.tables import effects
from workers.composing import render_notice


@dataclass
class World:
    """One case under way. `named` has the mails that an expectation has spoken of already."""

    stage: EmptyStage
    begins: datetime
    people: Mapping[str, CustomerId]
    named: set[int] = field(default_factory=set)
    told: set[int] = field(default_factory=set)  # and the notices
    numbers: Iterator[int] = field(
        default_factory=count
    )  # of what happens, so that all of it counts

    @property
    def now(self) -> datetime:
        return self.stage.clock.at

    @property
    def zone(self) -> ZoneInfo:
        return self.stage.services.settings.brand.tz

    def whose(self, name: str | None) -> str:
        """The customer that is meant; where none is named, the first."""
        return name or next(iter(self.people))

    def mails_of(self, customer: str) -> list[MailLine]:
        """Every mail to one customer whatever became of it, oldest first."""
        with self.stage.services.store.read() as connection:
            return load_mails(connection, self.people[customer])[::-1]

    def content(self, mail: MailLine) -> OutgoingEmail | None:
        """The mail as it left; None if it has not."""
        return self.stage.recorded.mails.get(mail.id)

    def latest(self, customer: str, *, template: str = "", survey: str = "") -> SentMail:
        """The latest mail that reached them. Raises RekindleError if there is none."""
        for one in reversed(self.mails_of(customer)):
            is_meant = one.template == template if template else one.survey == survey
            if is_meant and self.content(one) is not None:
                return SentMail(one.id, one.template, one.topic, one.survey, one.at)
        what = f"the mail {template}" if template else f"an invitation to {survey}"
        raise RekindleError(f"{customer} has not had {what} so far.")

    def trips_of(self, customer: str) -> Sequence[Trip]:
        """Every enrollment, the latest first."""
        with self.stage.services.store.read() as connection:
            return load_trips(connection, self.people[customer])

    def segments_of(self, customer: str) -> set[str]:
        with self.stage.services.store.read() as connection:
            return {one[0] for one in load_memberships(connection, self.people[customer])}

    def traits_of(self, customer: str) -> Mapping[str, object]:
        with self.stage.services.store.read() as connection:
            id_ = self.people[customer]
            return load_traits(connection, [id_], self.now).get(id_, {})

    def events_of(self, customer: str) -> list[StoredEvent]:
        """What happened since the case began."""
        with self.stage.services.store.read() as connection:
            events = load_timeline(connection, self.people[customer], self.now)
        return [one for one in events if one.occurred_at >= self.begins]

    def notices(self) -> list[tuple[int, str, str]]:
        """Every notice to our own people: its number, the group, the words; oldest first."""
        services = self.stage.services
        with services.store.read() as connection:
            return [
                (number, target.removeprefix("mailto:").removesuffix(f"@{OUR_PEOPLE}"),
                 render_notice(connection, services.library(), enrollment_id, words, self.now))
                for number, enrollment_id, target, words in _load_notices(connection)
            ]  # fmt: skip

    def calls(self) -> list[tuple[int, str, Mapping[str, object]]]:
        """Every call of a webhook: its number, the address, the body; oldest first."""
        query = select(effects.c.id, effects.c.payload).where(effects.c.kind == "webhook")
        with self.stage.services.store.read() as connection:
            rows = connection.execute(query.order_by(effects.c.id)).all()
        return [(row.id, row.payload["url"], row.payload["body"]) for row in rows]


def _load_notices(connection: Connection) -> list[tuple[int, EnrollmentId, str, str]]:
    query = (
        select(effects.c.id, effects.c.enrollment_id, effects.c.payload)
        .where(effects.c.kind == "notify")
        .order_by(effects.c.id)
    )
    return [
        (row.id, EnrollmentId(row.enrollment_id), row.payload["target"], row.payload["message"])
        for row in connection.execute(query)
    ]


def moment_of(written: str, zone: ZoneInfo) -> datetime:
    """A written moment, in `zone` where it names none."""
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def show(instant: datetime, zone: ZoneInfo) -> str:
    """An instant as clocks of that zone show it."""
    return f"{instant.astimezone(zone):%a %d %b %Y %H:%M}"
