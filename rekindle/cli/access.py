"""`rekindle keys`: who may send us events, and which programs may read and act."""

import secrets
from typing import Annotated

import typer

from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.errors import NotFound, WrongUse
from store.keys import AccessKey, KeyKind, add_key, load_keys, revoke_key

keys = typer.Typer(
    help="Keys: who may send events; which programs may use the API.", no_args_is_help=True
)
PREFIXES = {"write": "wk_", "api": "ak_"}  # so that people and scanners see what it is


@keys.command("add")
def add(
    write_key: Annotated[
        str, typer.Option("--write-key", metavar="KEY", help="use this one instead of a new one")
    ] = "",
    browser: Annotated[
        bool,
        typer.Option(
            "--browser", help="everybody can read it: may not change an email, consent or merge"
        ),
    ] = False,
    api: Annotated[
        bool, typer.Option("--api", help="for /api/v1 and /metrics, not for events")
    ] = False,
    label: Annotated[str, typer.Option("--label", help="what it is for")] = "",
) -> None:
    """Let a key in and print it; it cannot be shown again."""
    if api and browser:
        raise WrongUse("an API key is no browser key: whoever has it may read and act.")
    kind: KeyKind = "api" if api else "write"
    key = write_key or PREFIXES[kind] + secrets.token_urlsafe(24)
    with open_here() as services, services.store.begin() as tx:
        added = add_key(tx, key, services.clock.now(), kind=kind, label=label, is_browser=browser)
    if not added:
        raise WrongUse("this key was let in before; add another one.")
    say(key, {f"{kind}_key": key, "browser": browser, "label": label})


@keys.command("list")
def list_() -> None:
    """All keys; the keys themselves are not kept, only how they begin as a digest."""
    with open_here() as services, services.store.read() as connection:
        known = load_keys(connection)
    say("\n".join(map(_line, known)) or "No keys yet.", [_document(key) for key in known])


@keys.command("revoke")
def revoke(id_: Annotated[int, typer.Argument(metavar="ID", help="from `keys list`")]) -> None:
    """Shut a key out; servers notice within seconds."""
    with open_here() as services, services.store.begin() as tx:
        revoked = revoke_key(tx, id_, services.clock.now())
    if not revoked:
        raise NotFound(f"no key {id_} is let in.")
    say(f"Key {id_} is shut out.", {"id": id_, "revoked": True})


def _line(key: AccessKey) -> str:
    place = "api" if key.kind == "api" else "browser" if key.is_browser else "server"
    state = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in use"
    return f"{key.id:>4}  {place:<8}{state:<20}{key.name}"


def _document(key: AccessKey) -> dict[str, object]:
    return {
        "id": key.id,
        "kind": key.kind,
        "browser": key.is_browser,
        "label": key.label,
        "digest": key.digest,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }
