"""`rekindle customer`: everything about one person, and what people may do with it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.cli.portrait import as_text
from rekindle.customers import find_known, merge, suppress
from rekindle.errors import WrongUse
from rekindle.portrait import Portrait, as_document, load_portrait
from rekindle.services import Services

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
        id_ = find_known(connection, external_id)
        return load_portrait(connection, id_, services.library(), services.clock.now())


def _merge(keep: str, others: Sequence[str]) -> None:
    with open_here() as services:
        merge(services, keep, others)
    say(
        f"{', '.join(others)} and {keep} are one customer now: {keep}.",
        {"id": keep, "merged": list(others)},
    )


def _suppress(ids: Sequence[str]) -> None:
    with open_here() as services:
        addresses = suppress(services, ids)
    say(f"No more mail to {', '.join(addresses)}.", {"suppressed": addresses})
