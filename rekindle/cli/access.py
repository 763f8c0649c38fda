"""`rekindle keys`: who may send us events, and which programs may read and act."""

import os
import secrets
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from rekindle.cli.context import options, say
from rekindle.cli.opening import open_here
from rekindle.clock import wall_now
from rekindle.errors import NotFound, WrongUse
from rekindle.secret_keys import (
    FILE_NAME,
    KEEP_FALLBACKS,
    VARIABLE,
    SecretKeys,
    drop_from_file,
    load_secret_keys,
    new_key,
    rotate_file,
    write_variables,
)
from rekindle.state import state_folder
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


@keys.command("rotate-secret")
def rotate_secret(
    until: Annotated[
        str,
        typer.Option(
            metavar="DATE",
            help="read links of the old key until this day begins in UTC, or 'now': in two years "
            "if not given, for an unsubscribe link works as long as somebody may find its email",
        ),
    ] = "",
) -> None:
    """Sign links with a new secret key; what the old one signed is read until a date."""
    now = wall_now()
    ends = _parse_until(until, now)
    is_given = VARIABLE in os.environ
    folder = state_folder(options().workspace)
    if is_given:
        rotated = load_secret_keys(folder, os.environ).rotated(new_key(), ends, now)
    else:
        rotated = rotate_file(folder, ends, now)
    say(_told(rotated, ends, is_given=is_given, now=now), _document_of(rotated, is_given))


@keys.command("list-secrets")
def list_secrets() -> None:
    """The old secret keys that are still read, each by a name that tells nothing of it."""
    now = wall_now()
    read = load_secret_keys(state_folder(options().workspace), os.environ).without((), now)
    lines = [f"{kept.name}  is read until {kept.until.isoformat()}" for kept in read.fallbacks]
    say("\n".join(lines) or "No old key is read.", _document_of(read, is_given=False))


@keys.command("drop-secret")
def drop_secret(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="from `keys list-secrets`")],
) -> None:
    """Read an old secret key no more, before its date: links that it signed stop working."""
    now = wall_now()
    is_given = VARIABLE in os.environ
    folder = state_folder(options().workspace)
    if is_given:
        left = load_secret_keys(folder, os.environ).without(names, now)
    else:
        left = drop_from_file(folder, names, now)
    dropped = f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
    if is_given:
        said = f"The keys come from {VARIABLE}, which only you can change. Set these everywhere and"
        said += f" restart every process; {dropped} then read no more.\n\n"
        said += "\n".join(write_variables(left))
    else:
        said = f"{dropped} read no more. Running processes know within seconds."
    say(said, _document_of(left, is_given))


def _document_of(keys: SecretKeys, is_given: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "fallbacks_until": [kept.until.isoformat() for kept in keys.fallbacks],
        "fallbacks": [{"name": k.name, "until": k.until.isoformat()} for k in keys.fallbacks],
    }
    return document | ({"variables": [*write_variables(keys)]} if is_given else {})


def _parse_until(written: str, now: datetime) -> date:
    """Raises WrongUse for what is no date, and for one that has begun."""
    today = now.astimezone(UTC).date()
    if written in ("", "now"):
        return today if written else today + KEEP_FALLBACKS
    try:
        until = date.fromisoformat(written)
    except ValueError as error:
        said = f"--until takes a date such as 2030-01-31, or 'now', not {written!r}."
        raise WrongUse(said) from error
    if until <= today:
        raise WrongUse(
            f"{written} has begun already: '--until now' has the old key read no more, so that the "
            "links in all emails that are out stop working. Nothing was changed."
        )
    return until


def _told(keys: SecretKeys, until: date, *, is_given: bool, now: datetime) -> str:
    is_read = until > now.astimezone(UTC).date()
    old = f"work until {until.isoformat()}" if is_read else "work no more"
    if not is_given:
        return (
            f"Links are signed with the new key in {FILE_NAME}; those that the old one signed {old}"
            f". Running processes know within seconds. Back up the new key.{_others(keys, is_read)}"
        )
    return (
        f"The key comes from {VARIABLE}, which only you can change. Set these everywhere, and "
        f"restart every 'web' before the others; links that the old key signed then {old}.\n\n"
        + "\n".join(write_variables(keys))
    )


def _others(keys: SecretKeys, is_read: bool) -> str:
    """Old keys that stay, though the one of today was given up: which of them leaked, who knows."""
    older = keys.fallbacks[is_read:]
    if not older:
        return ""
    names = ", ".join(f"{kept.name} until {kept.until.isoformat()}" for kept in older)
    return f" Still read: {names} ('rekindle keys drop-secret NAME' ends that)."


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
