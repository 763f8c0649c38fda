"""`rekindle users`: who may look at the dashboard."""

import secrets
import sys
from typing import Annotated

import typer

from rekindle.cli.context import options, say
from rekindle.cli.opening import open_here
from rekindle.errors import NotFound, WrongUse
from store.users import User, add_user, change_password, has_users, list_users, remove_user

users = typer.Typer(help="Users: who may look at the dashboard.", no_args_is_help=True)


Email = Annotated[str, typer.Argument(metavar="EMAIL", help="what they sign in with")]
Piped = Annotated[
    bool, typer.Option("--password-stdin", help="read the password from standard input")
]
Generated = Annotated[bool, typer.Option("--generate", help="make a password and print it once")]


@users.command("add")
def add(email: Email, password_stdin: Piped = False, generate: Generated = False) -> None:
    """Let somebody in; the password is asked for, unless told otherwise."""
    address = _checked(email)
    password, password_hash = _password(is_piped=password_stdin, is_generated=generate)
    with open_here() as services, services.store.begin() as tx:
        is_new = add_user(tx, address, password_hash, services.clock.now())
    if not is_new:
        raise WrongUse(f"{address} is a user already.")
    _tell(f"{address} can sign in.", address, password if generate else "")


@users.command("password")
def password(email: Email, password_stdin: Piped = False, generate: Generated = False) -> None:
    """Change a user's password; whoever is signed in as this user is signed out."""
    address = _checked(email)
    new, password_hash = _password(is_piped=password_stdin, is_generated=generate)
    with open_here() as services, services.store.begin() as tx:
        is_known = change_password(tx, address, password_hash)
    if not is_known:
        raise NotFound(f"{address} is no user.")
    _tell(f"{address} has a new password and is signed out.", address, new if generate else "")


@users.command("remove")
def remove(email: Email) -> None:
    """Remove a user, who is signed out at once."""
    address = _checked(email)
    with open_here() as services, services.store.begin() as tx:
        is_known = remove_user(tx, address)
        is_last = is_known and not has_users(tx)
    if not is_known:
        raise NotFound(f"{address} is no user.")
    alone = " Nobody else can sign in: from now on only this machine is let in, by a link that a"
    words = f"{address} can sign in no more."
    say(words + (f"{alone} server prints as it starts." if is_last else ""), {"email": address})


@users.command("list")
def list_() -> None:
    """Everybody who can sign in."""
    with open_here() as services, services.store.read() as connection:
        known = list_users(connection)
    say("\n".join(map(_line, known)) or "No users yet.", [_document(user) for user in known])


def _checked(email: str) -> str:
    name, at, domain = email.strip().lower().rpartition("@")
    if not (name and at and domain) or any(letter.isspace() for letter in email.strip()):
        raise WrongUse(f"{email!r} is not an email address.")
    return f"{name}@{domain}"


def _password(*, is_piped: bool, is_generated: bool) -> tuple[str, str]:
    """Return a password that is long enough, and its hash. Raises WrongUse."""
    from web.passwords import SHORTEST_PASSWORD, hash_password  # argon2 is slow to load

    password = _ask_password(is_piped=is_piped, is_generated=is_generated)
    if len(password) < SHORTEST_PASSWORD:
        raise WrongUse(f"a password has at least {SHORTEST_PASSWORD} characters.")
    return password, hash_password(password)


def _ask_password(*, is_piped: bool, is_generated: bool) -> str:
    """From the option chosen; without one a terminal is asked, and a pipe is read."""
    if is_generated:
        return secrets.token_urlsafe(15)
    if is_piped or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    if options().as_json:
        raise WrongUse("under --json the password comes from --password-stdin or --generate.")
    entered: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return entered


def _tell(words: str, email: str, generated: str) -> None:
    made = {"password": generated} if generated else {}
    say(words + (f" Password: {generated}" if generated else ""), {"email": email, **made})


def _line(user: User) -> str:
    return f"{user.email:<40} since {user.created_at:%Y-%m-%d}"


def _document(user: User) -> dict[str, object]:
    return {"email": user.email, "created_at": user.created_at}
