"""What people and programs may do with one customer, for the commands and the API."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from rekindle.addresses import EmailAddress, canonical
from rekindle.errors import NotAnAddress, NotFound
from rekindle.services import Services
from store.blocking import suppress_addresses
from store.consents import unsuppress as allow_again
from store.customers import find_customer, load_customers
from store.erasing import erase_customer
from store.exports import export_person
from store.identities import EMAIL, load_identities
from store.intake import merge_people, record_told
from store.records import CustomerId


def find_known(connection: Connection, external_id: str) -> CustomerId:
    """The customer of that id. Raises NotFound."""
    found = find_customer(connection, external_id)
    if found is None:
        raise NotFound(f"no customer has the id {external_id!r}.")
    return found


def tell(
    services: Services, external_id: str, traits: Mapping[str, Any], consents: Mapping[str, str]
) -> bool:
    """Keep what is said of a customer from now on; True if it made somebody new."""
    now = services.clock.now()
    with services.store.begin() as tx:
        is_new = find_customer(tx, external_id) is None
        record_told(tx, external_id, traits, consents, now)
    services.wake.changed()
    return is_new


def merge(services: Services, keep: str, others: Iterable[str]) -> None:
    """All that the others have becomes `keep`'s. Raises NotFound."""
    with services.store.begin() as tx:
        survivor = find_known(tx, keep)
        losers = {find_known(tx, other) for other in others} - {survivor}
        merge_people(tx, dict.fromkeys(losers, survivor), services.clock.now())
    services.wake.changed()


def suppress(services: Services, named: Iterable[str], detail: str = "") -> list[str]:
    """Stop all email to mailboxes, named by address or by a customer's id; return them.

    Of a customer these are all that they ever had. Raises NotFound for a name that leads to none.
    """
    now = services.clock.now()
    with services.store.begin() as tx:
        mailboxes = sorted({box for name in named for box in _mailboxes_of(tx, name, services)})
        suppress_addresses(tx, [(box, detail) for box in mailboxes], now, reason="person")
    services.wake.changed()
    return mailboxes


def unsuppress(services: Services, named: Iterable[str], reason: str) -> list[str]:
    """Allow email again to mailboxes, named by address or by a customer's id; return them.

    Raises NotFound for a name that leads to none, and where nothing forbids email to any.
    """
    now = services.clock.now()
    with services.store.begin() as tx:
        mailboxes = sorted({box for name in named for box in _mailboxes_of(tx, name, services)})
        allowed = allow_again(tx, mailboxes, now, reason)
    if not allowed:
        raise NotFound(f"nothing forbids email to {', '.join(mailboxes)}.")
    services.wake.changed()
    return allowed


def _mailboxes_of(tx: Connection, name: str, services: Services) -> list[str]:
    """By a customer's id or by address; an id that is an address itself counts as both."""
    address = EmailAddress.find(name)
    named = {address.canonical} if address else set()
    customer = find_customer(tx, name)
    if customer is not None:
        named |= set(addresses_of(tx, [customer], services))
    if named:
        return sorted(named)
    if customer is not None:
        raise NotFound(f"the customer {name!r} has no usable address.")
    try:
        EmailAddress.parse(name)
    except NotAnAddress as error:
        why = f"{name!r} is no email address ({error.reason}), and no customer has that id"
        raise NotFound(f"{why}; nothing was done.") from error
    return []


def addresses_of(
    connection: Connection, ids: Sequence[CustomerId], services: Services
) -> list[str]:
    """Every mailbox these customers ever had, and the one they have now."""
    known = {i.value for i in load_identities(connection, ids) if i.kind == EMAIL}
    now = load_customers(connection, ids, services.clock.now(), known_by=services.as_of).values()
    return sorted({*known, *(canonical(found.email) for found in now)} - {""})


def erase(services: Services, external_id: str) -> bool:
    """Forget a customer: database, outbox and what was not taken; counts stay, names do not.

    False where the database's log could not be emptied yet. Raises NotFound, and NotNow while one
    of their mails is leaving.
    """
    with services.store.begin() as tx:
        mails = erase_customer(tx, find_known(tx, external_id), services.clock.now())
    for number in mails:
        for ending in (".eml", ".part"):
            (services.outbox / f"{number}{ending}").unlink(missing_ok=True)
    return services.store.compact()


def export_document(services: Services, external_id: str) -> dict[str, Any]:
    """All that is stored of one customer, noun by noun as `export` prints it. Raises NotFound."""
    with services.store.read() as connection:
        id_ = find_known(connection, external_id)
        addresses = addresses_of(connection, [id_], services)
        now = services.clock.now()
        return export_person(connection, id_, addresses, now)
