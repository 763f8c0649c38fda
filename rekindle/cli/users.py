"""`rekindle users`: who may look at the dashboard."""

import secrets
import sys
from typing import Annotated

import typer

from rekindle.cli.context import options, say
from rekindle.cli.opening import open_here
from rekindle.errors import WrongUse
from store.users import User, add_user, list_users

users = typer.Typer(help="Users: who may look at the dashboard.", no_args_is_help=True)


@users.command("add")
def add(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="what they sign in with")],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="read the password from standard input")
    ] = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="make a password and print it once")
    ] = False,
) -> None:
    """Let somebody in; the password is asked for, unless told otherwise."""
    from web.sign_in import SHORTEST_PASSWORD, hash_password  # argon2 and the web are slow to load

    address = _checked(email)
    password = _password(is_piped=password_stdin, is_generated=generate)
    if len(password) < SHORTEST_PASSWORD:
        raise WrongUse(f"a password has at least {SHORTEST_PASSWORD} characters.")
    with open_here() as services, services.store.begin() as tx:
        is_new = add_user(tx, address, hash_password(password), services.clock.now())
    if not is_new:
        raise WrongUse(f"{address} is a user already.")
    made = {"password": password} if generate else {}
    words = f"{address} can sign in." + (f" Password: {password}" if generate else "")
    say(words, {"email": address, **made})


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


def _password(*, is_piped: bool, is_generated: bool) -> str:
    """From the option chosen; without one a terminal is asked, and a pipe is read."""
    if is_generated:
        return secrets.token_urlsafe(15)
    if is_piped or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    if options().as_json:
        raise WrongUse("under --json the password comes from --password-stdin or --generate.")
    entered: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return entered


def _line(user: User) -> str:
    return f"{user.email:<40} since {user.created_at:%Y-%m-%d}"


def _document(user: User) -> dict[str, object]:
    return {"email": user.email, "created_at": user.created_at}
