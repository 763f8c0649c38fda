"""Who else has the mailboxes that a batch of messages goes to, and what they were sent there."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from journeys.definition import SERVICE
from journeys.permission import is_same_occasion
from rekindle.addresses import EmailAddress, canonical
from rekindle.workspace.library import Library
from store.contacts import Copy, Source, load_copies
from store.customers import LONGEST_LIST, load_traits
from store.mailboxes import load_bearers
from store.records import NOBODY, CustomerId, EnrollmentId, Message, MessageId


class Addressed(Protocol):
    """Something that went to an address at an instant."""

    @property
    def at(self) -> datetime: ...
    @property
    def address(self) -> str: ...


Item = TypeVar("Item")
Sent = TypeVar("Sent", bound=Addressed)


@dataclass(frozen=True)
class Twins:
    """What becomes of one email for the other customers at its mailbox."""

    has_left: bool = False  # for another of them
    goes_first: bool = False  # to another, unless that mail is refused or cancelled
    behind: frozenset[MessageId] = frozenset()  # the mails that this one goes before


@dataclass(frozen=True)
class Mailboxes:
    """The mailboxes of a batch; each fact is fetched once for all of it."""

    tx: Connection
    batch: Sequence[Message]
    now: datetime
    traits: Mapping[CustomerId, Mapping[str, Any]]  # of the batch's customers, `email` among them

    @cached_property
    def addresses(self) -> dict[MessageId, EmailAddress | None]:
        """Our own people's address is in the row; a customer's is what is known now."""
        return {
            message.id: EmailAddress.find(
                message.address
                if message.customer_id == NOBODY
                else self.traits.get(message.customer_id, {}).get("email")
            )
            for message in self.batch
        }

    def of(self, message: Message) -> str:
        """Return the mailbox that a message goes to; empty where there is none."""
        address = self.addresses[message.id]
        return address.canonical if address else ""

    @cached_property
    def bearers(self) -> Mapping[str, frozenset[CustomerId]]:
        """All customers who ever had each mailbox."""
        to_customers = {self.of(m) for m in self.batch if m.customer_id != NOBODY}
        return load_bearers(self.tx, to_customers)

    @cached_property
    def customers(self) -> list[CustomerId]:
        """The batch's, and whoever shares a mailbox with them."""
        own = {message.customer_id for message in self.batch} - {NOBODY}
        return sorted(own.union(*self.bearers.values()))

    @cached_property
    def current(self) -> dict[CustomerId, str]:
        """The mailbox that each of these customers has now."""
        others = [id_ for id_ in self.customers if id_ not in self.traits]
        held = gather(lambda ids: load_traits(self.tx, ids, self.now, names=("email",)), others)
        return {
            id_: canonical(traits.get("email")) for id_, traits in {**self.traits, **held}.items()
        }

    def others(self, message: Message) -> frozenset[CustomerId]:
        """Return the other customers who ever had the mailbox that a message goes to."""
        if message.customer_id == NOBODY:
            return frozenset()
        return self.bearers.get(self.of(message), frozenset()) - {message.customer_id}

    def sent(self, message: Message, found: Mapping[CustomerId, Sequence[Sent]]) -> Sequence[Sent]:
        """Of what customers were sent, newest first: the customer's own, and what others got at
        this mailbox.
        """
        own, others = found.get(message.customer_id, ()), self.others(message)
        if not others:
            return own
        mailbox = self.of(message)
        theirs = [
            sent
            for id_ in others
            for sent in found.get(id_, ())
            if canonical(sent.address) == mailbox
        ]
        return sorted((*own, *theirs), key=lambda sent: sent.at, reverse=True)

    def waiting(
        self, message: Message, found: Mapping[CustomerId, Sequence[Item]]
    ) -> Sequence[Item]:
        """Of what has not left yet: the customer's own, and that of who has this mailbox now."""
        own, others = found.get(message.customer_id, ()), self.others(message)
        mailbox = self.of(message)
        theirs = [
            item
            for id_ in others
            if self.current.get(id_) == mailbox
            for item in found.get(id_, ())
        ]
        return [*own, *theirs] if theirs else own

    def find_twins(
        self,
        library: Library,
        sources: Mapping[EnrollmentId, Source],
        refused: Collection[MessageId],
    ) -> dict[MessageId, Twins]:
        """Return what becomes, for other customers at their mailbox, of the very email that each
        message is; `refused` are those of the batch that never leave.
        """
        shared = [
            message
            for message in self.batch
            if message.topic != SERVICE and message.id not in refused and self.others(message)
        ]
        if not shared:
            return {}
        ids = {id_ for m in shared for id_ in (m.customer_id, *self.others(m))}
        templates = {message.template for message in shared}
        found = gather(lambda some: load_copies(self.tx, some, templates), sorted(ids))
        alive = {
            id_: [copy for copy in copies if copy.id not in refused]
            for id_, copies in found.items()
        }
        return {
            message.id: self._twins(message, alive, library, source)
            for message in shared
            if (source := sources.get(message.enrollment_id or EnrollmentId(0)))
        }

    def _twins(
        self,
        message: Message,
        alive: Mapping[CustomerId, Sequence[Copy]],
        library: Library,
        source: Source,
    ) -> Twins:
        own = next((c for c in alive.get(message.customer_id, ()) if c.id == message.id), None)
        graph = library.graph(source.version_id)
        if own is None or own.has_left or own.is_claimed or graph is None:  # it has its turn
            return Twins()
        mailbox, again = self.of(message), graph.journey.again
        twins = [
            copy
            for id_ in self.others(message)
            for copy in alive.get(id_, ())
            if copy.email == own.email
            and mailbox == self._mailbox(copy)
            and is_same_occasion(again, copy, own)
        ]
        return Twins(
            has_left=any(copy.has_left for copy in twins),
            goes_first=any(copy.is_claimed or copy.rank < own.rank for copy in twins),
            behind=frozenset(copy.id for copy in twins if copy.rank > own.rank),
        )

    def _mailbox(self, copy: Copy) -> str:
        """Where it went or goes; the address of what waits may change yet."""
        if copy.has_left or copy.is_claimed:
            return canonical(copy.address)
        return self.current.get(copy.customer_id, "")


Value = TypeVar("Value")


def gather(
    load: Callable[[Sequence[CustomerId]], Mapping[CustomerId, Value]], ids: Iterable[CustomerId]
) -> dict[CustomerId, Value]:
    """Load what there is of any number of customers, as many at a time as a statement takes."""
    asked = list(ids)
    found: dict[CustomerId, Value] = {}
    for start in range(0, len(asked), LONGEST_LIST):
        found |= load(asked[start : start + LONGEST_LIST])
    return found
