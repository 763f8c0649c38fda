"""`rekindle customer`: everything about one person, and what people may do with it."""

from collections.abc import Sequence
from typing import Annotated

import typer
from sqlalchemy import Connection

from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.cli.portrait import as_text
from rekindle.errors import NotFound, WrongUse
from rekindle.portrait import Portrait, as_document, load_portrait
from rekindle.services import Services
from store.blocking import suppress_addresses
from store.customers import find_customer, load_customers
from store.identities import EMAIL, load_identities
from store.intake import merge_people
from store.records import CustomerId

NOT_YET = ("export", "erase")


def customer(
    words: Annotated[
        list[str], typer.Argument(metavar="ID | merge ID OTHER… | suppress ID…", show_default=False)
    ],
) -> None:
    """Show one customer, make one of several, or stop all mail to some."""
    match words:
        case [only]:
            _show(only)
        case ["merge", keep, *others] if others:
            _merge(keep, others)
        case ["suppress", *ids]:
            _suppress(ids)
        case [word, *_] if word in NOT_YET:
            raise WrongUse(f"'customer {word}' is not there yet in this version.")
        case _:
            raise WrongUse(
                "say 'customer ID', 'customer merge ID OTHER…' or 'customer suppress ID…'."
            )


def _show(external_id: str) -> None:
    services = open_here()
    try:
        portrait = _portrait(services, external_id)
    finally:
        services.close()
    say(as_text(portrait), as_document(portrait))


def _portrait(services: Services, external_id: str) -> Portrait:
    with services.store.read() as connection:
        id_ = _known(connection, external_id)
        return load_portrait(connection, id_, services.library(), services.clock.now())


def _merge(keep: str, others: Sequence[str]) -> None:
    services = open_here()
    try:
        with services.store.begin() as tx:
            survivor = _known(tx, keep)
            losers = {_known(tx, other) for other in others} - {survivor}
            merge_people(tx, dict.fromkeys(losers, survivor), services.clock.now())
    finally:
        services.close()
    services.wake.changed()
    say(
        f"{', '.join(others)} and {keep} are one customer now: {keep}.",
        {"id": keep, "merged": list(others)},
    )


def _suppress(ids: Sequence[str]) -> None:
    services = open_here()
    try:
        with services.store.begin() as tx:
            now = services.clock.now()
            found = {external_id: _known(tx, external_id) for external_id in ids}
            addresses = _addresses(tx, list(found.values()), services)
            suppress_addresses(tx, [(address, "") for address in addresses], now, reason="person")
    finally:
        services.close()
    if not addresses:
        raise NotFound("there is no address to suppress.")
    services.wake.changed()
    say(f"No more mail to {', '.join(addresses)}.", {"suppressed": addresses})


def _addresses(connection: Connection, ids: list[CustomerId], services: Services) -> list[str]:
    """Every address these customers ever had, and the one they have now."""
    known = [i.value for i in load_identities(connection, ids) if i.kind == EMAIL]
    now = load_customers(connection, ids, services.clock.now()).values()
    return sorted({*known, *(found.email.strip().lower() for found in now if found.email)})


def _known(connection: Connection, external_id: str) -> CustomerId:
    found = find_customer(connection, external_id)
    if found is None:
        raise NotFound(f"no customer has the id {external_id!r}.")
    return found
