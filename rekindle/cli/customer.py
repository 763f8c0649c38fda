"""`rekindle customer`: everything about one person, and what people may do with it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from rekindle.cli.context import as_json, say
from rekindle.cli.opening import open_here
from rekindle.cli.portrait import as_text
from rekindle.customers import erase, export_document, merge, suppress, unsuppress
from rekindle.errors import WrongUse
from rekindle.portrait import as_document, load_portrait

ACTS = ("export", "erase", "merge", "suppress", "unsuppress")
LOG_IN_USE = (
    " Somebody is reading, so that the write-ahead log still holds old pages: it is emptied by the"
    " next erase, or when all processes have stopped."
)
USES = (
    "say 'customer ID', 'customer export ID', 'customer erase ID…', 'customer merge ID OTHER…', "
    "'customer suppress ID|ADDRESS… [--reason TEXT]' or "
    "'customer unsuppress ID|ADDRESS… --reason TEXT'."
)


def customer(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="ID | export ID | erase ID… | merge ID OTHER… | suppress ID|ADDRESS… | "
            "unsuppress ID|ADDRESS…",
            show_default=False,
        ),
    ],
    reason: Annotated[
        str,
        typer.Option("--reason", help="Why there is to be no more email, or email again."),
    ] = "",
) -> None:
    """Show, export or erase one customer, make one of several, or stop all email to some."""
    match words:
        case [only] if only not in ACTS:
            _show(only)
        case ["merge", keep, *others] if others:
            _merge(keep, others)
        case ["suppress", *ids] if ids:
            _suppress(ids, reason)
        case ["unsuppress", *ids] if ids:
            _unsuppress(ids, reason)
        case ["export", only]:
            _export(only)
        case ["erase", *ids] if ids:
            _erase(ids)
        case _:
            raise WrongUse(USES)


def _show(external_id: str) -> None:
    with open_here() as services:
        portrait = load_portrait(services, external_id)
    say(as_text(portrait), as_document(portrait))


def _merge(keep: str, others: Sequence[str]) -> None:
    with open_here() as services:
        merge(services, keep, others)
    say(
        f"{', '.join(others)} and {keep} are one customer now: {keep}.",
        {"id": keep, "merged": list(others)},
    )


def _suppress(ids: Sequence[str], reason: str) -> None:
    with open_here() as services:
        addresses = suppress(services, ids, reason)
    say(f"No more email to {', '.join(addresses)}.", {"suppressed": addresses})


def _unsuppress(ids: Sequence[str], reason: str) -> None:
    if not reason.strip():
        raise WrongUse("say with --reason TEXT why email is allowed again: it is kept.")
    with open_here() as services:
        addresses = unsuppress(services, ids, reason)
    say(f"Email to {', '.join(addresses)} is allowed again.", {"unsuppressed": addresses})


def _export(external_id: str) -> None:
    with open_here() as services:
        document = export_document(services, external_id)
    print(as_json(document))


def _erase(ids: Sequence[str]) -> None:
    with open_here() as services:
        emptied = [erase(services, external_id) for external_id in ids]
    say(
        f"{', '.join(ids)}: erased. What was counted stands, on rows that name nobody."
        + ("" if emptied[-1] else LOG_IN_USE),
        {"erased": list(ids)},
    )
