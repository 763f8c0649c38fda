"""Decides whose each event is, and whom it links or merges; touches nothing but its own memory.

The rules follow the trust each source has (`store.records.Trust`): an address attaches, it never
merges; an id that belongs to nobody simply links; only an alias, or an identify that carries both
ids, of a trusted source merges.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from store.identities import ANONYMOUS, EMAIL, EXTERNAL, PERSONAL, PHONE, Link
from store.records import NOBODY, CustomerId, Identity, IncomingEvent, Trust

TRUSTED = (Trust.SERVER, Trust.FILE)
IDENTIFIED = "customer.identified"


@dataclass
class Directory:
    """Who is known by what; grows while the events of a batch are worked through in their order."""

    owners: dict[Identity, set[CustomerId]]
    links: list[Link] = field(default_factory=list)
    merged: dict[CustomerId, CustomerId] = field(default_factory=dict)

    def only_owner(self, identity: Identity) -> CustomerId:
        """The one customer who has this identity; NOBODY where none or several do."""
        owners = self.current_owners(identity)
        return next(iter(owners)) if len(owners) == 1 else NOBODY

    def current_owners(self, identity: Identity) -> Collection[CustomerId]:
        owners = self.owners.get(identity, ())
        return {self.survivor(owner) for owner in owners} if self.merged else owners

    def survivor(self, customer: CustomerId) -> CustomerId:
        """Who this customer is after the merges so far."""
        while customer in self.merged:
            customer = self.merged[customer]
        return customer

    def link(self, identity: Identity, customer: CustomerId, known_at: datetime) -> None:
        if customer not in self.current_owners(identity):
            self.owners.setdefault(identity, set()).add(customer)
            self.links.append(Link(identity, customer, known_at))

    def merge(self, loser: CustomerId, survivor: CustomerId) -> None:
        self.merged[loser] = survivor


def attribute(event: IncomingEvent, directory: Directory, known_at: datetime) -> CustomerId:
    """Whose `event` is, or NOBODY; what it proves about identities is entered in `directory`."""
    customer = NOBODY
    for identity in event.identities:
        if customer := directory.only_owner(identity):
            break
    else:
        return NOBODY
    for identity in event.identities:
        _learn(event, identity, customer, directory, known_at)
    if event.previous:
        _learn_previous(event, event.previous, customer, directory, known_at)
    return directory.survivor(customer)


def _learn(
    event: IncomingEvent,
    identity: Identity,
    customer: CustomerId,
    directory: Directory,
    known_at: datetime,
) -> None:
    if identity.kind in PERSONAL:
        owners = directory.current_owners(identity)
        if not owners:
            directory.link(identity, customer, known_at)
        elif customer not in owners and _may_merge(event):
            directory.merge(min(owners), customer)
    elif identity.kind in (EMAIL, PHONE) and event.trust in TRUSTED:
        directory.link(identity, customer, known_at)


def _may_merge(event: IncomingEvent) -> bool:
    carried = {identity.kind for identity in event.identities}
    return event.name == IDENTIFIED and event.trust in TRUSTED and EXTERNAL in carried


def _learn_previous(
    event: IncomingEvent,
    previous: Identity,
    customer: CustomerId,
    directory: Directory,
    known_at: datetime,
) -> None:
    """An alias: whoever had the previous id, a customer's own or an anonymous one, is this one."""
    anonymous = Identity(ANONYMOUS, previous.value)
    other = directory.only_owner(Identity(EXTERNAL, previous.value)) or directory.only_owner(
        anonymous
    )
    if not other:
        directory.link(anonymous, customer, known_at)
    elif other != customer and event.trust in TRUSTED:
        directory.merge(other, customer)
