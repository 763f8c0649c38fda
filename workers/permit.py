"""Gathers, in sets, what the permission of a batch of messages depends on."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection

from journeys.advance import questions
from journeys.definition import SERVICE
from journeys.permission import (
    CLOSES,
    OPENS,
    Allowed,
    Asked,
    Held,
    Refused,
    Verdict,
    ask,
    heeds_caps,
)
from journeys.timing import zone_of
from rekindle.settings import Settings
from rekindle.workspace.library import Library
from segments.definition import Condition, parse_condition
from segments.subjects import Sort
from store.approvals import find_approved
from store.contacts import (
    Rival,
    Source,
    count_open_tickets,
    load_rivals,
    load_sources,
    lock_customers,
)
from store.customers import load_consents, load_traits
from store.enrollments import load_standing
from store.holds import find_hold
from store.knowledge import DENIED
from store.mailboxes import load_mailbox_consents
from store.messages import Invited, SentLately, last_invitations, sent_lately
from store.records import NOBODY, CustomerId, Enrollment, EnrollmentId, Message, MessageId
from store.suppressions import find_suppressed
from workers.asking import find_holding
from workers.mailboxes import Mailboxes, Twins, gather
from workers.pacing import Pacer, is_late
from workers.pausing import paused_journeys
from workers.questions import reply_to

BAD_SCORE = {"csat": 2, "ces": 3, "nps": 6}  # the highest score that is a bad answer
ONLY_IF = "only_if"


class Contacts(NamedTuple):
    """What customers were sent, want to be sent, and were asked, by customer."""

    sent: Mapping[CustomerId, Sequence[SentLately]]
    rivals: Mapping[CustomerId, Sequence[Rival]]
    invited: Mapping[CustomerId, Sequence[Invited]]


@dataclass(frozen=True)
class Permitted:
    """The verdict on one message, and the address it was asked for."""

    message: Message
    address: str
    verdict: Verdict


def permit(
    tx: Connection, library: Library, batch: Sequence[Message], now: datetime
) -> list[Permitted]:
    """Ask for every message of the batch as its step decides: allowed, held until, or refused."""
    return _Asking(tx, library, batch, now, library.settings).verdicts()


def permit_claims(
    tx: Connection,
    library: Library,
    batch: Sequence[Message],
    now: datetime,
    *,
    makes_up: bool = False,
) -> list[Permitted]:
    """Ask once more, in the transaction that claims them, and for a place in what is paced.

    With `makes_up` places that were slept through are taken now. Mails to mailboxes for which
    another worker asks at this moment are left out, as are all but one to a mailbox whose budget
    they share.
    """
    ours = _locked(tx, library, batch, now)
    asking = _Asking(tx, library, ours, now, library.settings)
    unwanted = asking.unwanted()
    verdicts = asking.verdicts(unwanted)
    allowed = [(one.message, one.address) for one in verdicts if isinstance(one.verdict, Allowed)]
    journeys = {
        message.id: source.journey
        for message, _ in allowed
        if message.enrollment_id and (source := asking.sources.get(message.enrollment_id))
    }
    paced = Pacer(tx, library, now, makes_up).pace(allowed, journeys)
    return [
        Permitted(one.message, one.address, paced.get(one.message.id, one.verdict))
        for one in verdicts
    ]


def permit_again(
    tx: Connection, library: Library, batch: Sequence[Message], now: datetime
) -> list[Permitted]:
    """Ask for claimed messages once more, because something changed: has anybody said no since, or
    stopped the journey? Caps, rest, hours and places were granted with the claim.
    """
    lenient = {"caps": {}, "survey_rest": timedelta(), "quiet_hours": None, "support": None}
    settings = library.settings.model_copy(update={**lenient, "unhappy": "ignore"})
    return _Asking(tx, library, batch, now, settings).verdicts()


def _locked(
    tx: Connection, library: Library, batch: Sequence[Message], now: datetime
) -> list[Message]:
    """Whoever shares a mailbox is locked together: two claims at once would share a budget."""
    mailboxes = _Asking(tx, library, batch, now, library.settings).mailboxes
    locked = lock_customers(tx, mailboxes.customers) | {NOBODY}
    seen: set[str] = set()
    free = []
    for message in batch:
        if not {message.customer_id, *mailboxes.others(message)} <= locked:
            continue
        mailbox = mailboxes.of(message)
        if mailboxes.others(message) and heeds_caps(message.topic, library.settings):
            if mailbox in seen:
                continue
            seen.add(mailbox)
        free.append(message)
    return free


@dataclass(frozen=True)
class _Asking:
    """A batch of messages, and what is known about them; each fact is fetched once for all."""

    tx: Connection
    library: Library
    batch: Sequence[Message]
    now: datetime
    settings: Settings

    @cached_property
    def ids(self) -> list[CustomerId]:
        return sorted({one.customer_id for one in self.batch if one.customer_id != NOBODY})

    @cached_property
    def sources(self) -> Mapping[EnrollmentId, Source]:
        return load_sources(self.tx, {one.enrollment_id for one in self.batch if one.enrollment_id})

    @cached_property
    def traits(self) -> Mapping[CustomerId, Mapping[str, Any]]:
        held = load_traits(self.tx, self.ids, self.now, names=("email", "zone"))
        return {id_: held.get(id_, {}) for id_ in self.ids}

    @cached_property
    def mailboxes(self) -> Mailboxes:
        return Mailboxes(self.tx, self.batch, self.now, self.traits)

    def verdicts(self, unwanted: Collection[MessageId] = ()) -> list[Permitted]:
        """Each for itself, then in the light of what else is to go to its mailbox."""
        alone = self._asked(unwanted)
        refused = {
            message.id
            for message, asked in zip(self.batch, alone, strict=True)
            if isinstance(ask(asked, self.settings, self.now), Refused)
        }
        twins = self.mailboxes.find_twins(self.library, self.sources, refused)
        gone = refused | {id_ for id_, one in twins.items() if one.has_left or one.goes_first}
        permitted = []
        for message, asked in zip(self.batch, alone, strict=True):
            own = twins.get(message.id, Twins())
            together = replace(
                asked,
                is_copy=own.has_left,
                is_second=own.goes_first,
                rivals=self._rivals(message, gone | own.behind),
            )
            verdict = self._mark_late(message, together)
            permitted.append(Permitted(message, asked.address, verdict))
        return permitted

    def _rivals(self, message: Message, without: Collection[MessageId]) -> list[str]:
        """The topics of those that go before it into the same budget; without those that do not
        want it any more.
        """
        rivals = self.mailboxes.waiting(message, self._contacts.rivals)
        return _before(message, [one for one in rivals if one.id not in without], self.settings)

    def _mark_late(self, message: Message, asked: Asked) -> Verdict:
        """The verdict; a late mail that is held stays late, so that it is paced in the end."""
        verdict = ask(asked, self.settings, self.now)
        if isinstance(verdict, Held) and is_late(message, self.now):
            return replace(verdict, paced_at=message.paced_at or self.now)
        return verdict

    def _asked(self, unwanted: Collection[MessageId]) -> list[Asked]:
        tx, settings, now, ids = self.tx, self.settings, self.now, self.ids
        traits, at = self.traits, self.mailboxes
        mailboxes = {at.of(one) for one in self.batch} - {""}
        suppressed = find_suppressed(tx, mailboxes, now)
        said = load_mailbox_consents(tx, mailboxes, now)
        consents = load_consents(tx, ids, now)
        sent, _, invited = self._contacts
        unhappy = self._unhappy()
        paused = paused_journeys(tx, self.library)
        is_on_hold = find_hold(tx) is not None
        approved = self._approved()
        open_tickets = self._open_tickets()
        return [
            Asked(
                topic=one.topic,
                queued_at=one.queued_at or now,
                zone=zone_of(traits.get(one.customer_id, {}).get("zone"), settings.brand.tz),
                survey=one.survey,
                address=address.deliverable if (address := at.addresses[one.id]) else "",
                suppressed=suppressed.get(at.of(one)),
                refused_by_mailbox=said.get(at.of(one), {}).get(one.topic) == DENIED,
                consent=consents.get(one.customer_id, {}).get(one.topic, "unknown"),
                sent=[(before.at, before.topic) for before in at.sent(one, sent)],
                invited_at=_invited_at(at.sent(one, invited), one.enrollment_id),
                unhappy=one.customer_id in unhappy,
                open_tickets=open_tickets,
                ended=source.ended if (source := self._source(one)) else None,
                is_paused=source is not None and source.journey in paused,
                is_on_hold=is_on_hold,
                is_wanted=one.id not in unwanted,
                is_approved=one.enrollment_id in approved,
            )
            for one in self.batch
        ]

    @cached_property
    def _contacts(self) -> Contacts:
        """What each customer at these mailboxes was sent, wants to be sent, and was asked."""
        tx, settings, ids = self.tx, self.settings, self.mailboxes.customers
        since = self.now - _longest_cap(settings)
        capped = ids if settings.caps else []
        asked = ids if any(one.survey for one in self.batch) else []
        return Contacts(
            gather(lambda some: sent_lately(tx, some, since), capped),
            gather(lambda some: load_rivals(tx, some, self.now), capped),
            gather(lambda some: last_invitations(tx, some), asked),
        )

    def _source(self, message: Message) -> Source | None:
        return self.sources.get(message.enrollment_id) if message.enrollment_id else None

    def _unhappy(self) -> set[CustomerId]:
        offered = {one.customer_id for one in self.batch if one.topic != SERVICE and not one.survey}
        if self.settings.unhappy == "ignore":
            return set()
        return find_unhappy(self.tx, self.library, sorted(offered - {NOBODY}), self.now)

    def _approved(self) -> set[EnrollmentId]:
        sensitive = {name for name, topic in self.settings.topics.items() if topic.sensitive}
        ids = {
            one.enrollment_id for one in self.batch if one.topic in sensitive and one.enrollment_id
        }
        return find_approved(self.tx, ids) if ids else set()

    def _open_tickets(self) -> int:
        """Counted only where somebody asks: it looks at every ticket there ever was."""
        is_asked = any(one.topic != SERVICE for one in self.batch)
        if self.settings.support is None or not is_asked:
            return 0
        return count_open_tickets(self.tx, OPENS, CLOSES, self.now)

    def unwanted(self) -> set[MessageId]:
        """Those whose step has an `only_if` that does not hold any more."""
        bound = [one for one in self.batch if self._only_if(one)]
        standing = load_standing(self.tx, [one.enrollment_id for one in bound if one.enrollment_id])
        found: set[MessageId] = set()
        groups: dict[tuple[int, str], list[tuple[Message, Enrollment]]] = {}
        for one in bound:
            stands = standing.get(one.enrollment_id) if one.enrollment_id else None
            if stands is not None and stands.step == one.step:
                groups.setdefault((stands.version_id, one.step), []).append((one, stands))
        for (version_id, step), group in groups.items():
            found |= self._not_wanted(version_id, step, group)
        return found

    def _only_if(self, message: Message) -> bool:
        source = self._source(message)
        graph = self.library.graph(source.version_id) if source else None
        node = graph.nodes.get(message.step) if graph else None
        return node is not None and node.step.only_if is not None

    def _not_wanted(
        self, version_id: Any, step: str, group: Sequence[tuple[Message, Enrollment]]
    ) -> set[MessageId]:
        graph = self.library.graph(version_id)
        assert graph is not None  # its step was just looked up in it
        asked = [one for one in questions(graph, step) if one.name == ONLY_IF]
        together = [stands for _, stands in group]
        answered = reply_to(self.tx, self.library, asked, together, self.now)
        out = {one.id for said, alike in answered if not said[ONLY_IF].holds for one in alike}
        return {message.id for message, stands in group if stands.id in out}


def _longest_cap(settings: Settings) -> timedelta:
    return max((cap.within for cap in settings.caps.values()), default=timedelta())


def _before(message: Message, rivals: Sequence[Rival], settings: Settings) -> list[str]:
    """The topics of those that go before this one into the same budget."""
    own = next((one for one in rivals if one.id == message.id), None)
    if own is None:
        return []
    return [one.topic for one in rivals if one.rank < own.rank and heeds_caps(one.topic, settings)]


def _invited_at(
    invitations: Sequence[Invited], enrollment_id: EnrollmentId | None
) -> datetime | None:
    """The last invitation of another enrollment: a reminder never loses against its own."""
    others = (
        invited.at
        for invited in invitations
        if invited.enrollment_id is None or invited.enrollment_id != enrollment_id
    )
    return next(others, None)


def find_unhappy(
    tx: Connection, library: Library, ids: Sequence[CustomerId], now: datetime
) -> set[CustomerId]:
    """Those with an unsolved ticket, or with a bad answer of the last fortnight as their latest."""
    if not ids:
        return set()
    found = find_holding(tx, library, unhappy_condition(library), Sort.CUSTOMER, ids, now)
    return set(map(CustomerId, found))


def unhappy_condition(library: Library) -> Condition:
    """*Unhappy now* in the language of segments, so that it has no second meaning anywhere."""
    ticket = {"event": list(OPENS), "without_later": list(CLOSES), "same": "ticket_id"}
    answers = [
        {"answer": name, "at_most": BAD_SCORE[survey.kind], "within": "14 days"}
        for name, survey in library.surveys.items()
        if survey.kind in BAD_SCORE
    ]
    return parse_condition({"any": [ticket, *answers]})
