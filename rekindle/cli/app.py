"""The command line: one module a group of commands, found here, imported only when asked for.

This is where a command's cost begins: `--help`, also of a command, and a mistyped command import
none of them.
"""

import errno
import gc
import keyword
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from traceback import format_exception

import typer

from rekindle.cli.context import (
    Options,
    as_json,
    options,
    parse_instant,
    set_options,
    write_whatever_comes,
)
from rekindle.cli.signatures import signature_of, summary_of
from rekindle.disks import REASONS, refusal_of
from rekindle.errors import NotFound, RekindleError, WrongUse

OF_FILES = frozenset({*REASONS, errno.EACCES, errno.EPERM})  # what whoever operates it can mend
JSON = "--json"
FORMS = (JSON, "--csv", "--parquet")
VALUED = ("--workspace", "--database", "--now")

# command -> the module that defines it, as a function of the same name (dashes as underscores) or a
# Typer app
COMMANDS = {
    "init": "starter", "check": "workspace", "schema": "schema", "plan": "plan",
    "apply": "plan", "import": "data", "export": "data", "customer": "customer", "keys": "access",
    "users": "users", "db": "database", "segment": "segments", "drift": "drift",
    "preview": "preview", "run": "engine", "up": "servers", "web": "servers", "worker": "servers",
    "scheduler": "servers", "report": "report", "test": "testing", "simulate": "simulate",
    "why": "why", "demo": "demo", "inbound": "inbound", "send-test": "send_test",
    "doctor": "doctor", "hold": "holding", "release": "holding",
    "messages": "messages", "parked": "parked", "sources": "sources",
}  # fmt: skip


def split_globals(arguments: list[str]) -> tuple[Options, list[str]]:
    """Take the global options from wherever they stand. Raises WrongUse for a missing value."""
    found: dict[str, str] = {}
    rest: list[str] = []
    forms: list[str] = []
    queue = list(arguments)
    while queue:
        word = queue.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *queue]
            break
        if word in FORMS:
            forms.append(word)
        elif name in VALUED:
            if not equals and not queue:
                raise WrongUse(f"{name} needs a value.")
            found[name] = value if equals else queue.pop(0)
        else:
            rest.append(word)
    return _options_from(found, forms), rest


def _options_from(found: dict[str, str], forms: list[str]) -> Options:
    if len(set(forms)) > 1:
        raise WrongUse(f"{' and '.join(sorted(set(forms)))} are one too many: choose one.")
    form = forms[0] if forms else ""
    return Options(
        workspace=Path(found.get("--workspace", ".")),
        database=found.get("--database"),
        now=parse_instant(found["--now"]) if "--now" in found else None,
        as_json=form == JSON,
        table="" if form == JSON else form.removeprefix("--"),
    )


def build_app(command: str | None, *, shows_help: bool = False) -> typer.Typer:
    """Return the Typer app with `command` loaded, or its signature alone where it `shows_help`.
    Where there is no such command, with the summaries of all.
    """
    app = typer.Typer(
        name="rekindle",
        help="Customer journeys you keep in git.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        epilog="Everywhere, before or after the command: "
        "--workspace DIR, --database URL, --now INSTANT, --json, --csv, --parquet.",
    )

    @app.callback()
    def root() -> None:
        """Customer journeys you keep in git."""

    if command in COMMANDS:
        _load(app, command, shows_help=shows_help)
    else:
        for name, module in COMMANDS.items():
            app.command(name, help=summary_of(module, _identifier(name)))(_show_help_only)
    return app


def _load(app: typer.Typer, name: str, *, shows_help: bool) -> None:
    module, identifier = COMMANDS[name], _identifier(name)
    if shows_help:
        found = signature_of(module, identifier)
    else:
        found = getattr(import_module(f"rekindle.cli.{module}"), identifier)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name)
    else:
        app.command(name)(found)


def _identifier(command: str) -> str:
    """Return the name under which its module defines a command."""
    return f"{command}_" if keyword.iskeyword(command) else command.replace("-", "_")


def _show_help_only() -> None:
    """Stand for a command in the list of all; the one that is run is loaded by its name."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; every expected trouble becomes a sentence and an exit code, never a
    traceback.
    """
    write_whatever_comes()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it looks through all packages
    try:
        chosen, rest = split_globals(sys.argv[1:] if arguments is None else arguments)
        set_options(chosen)
        code = _run(rest)
        if sys.stdout is not None:  # closed by whoever called us
            sys.stdout.flush()  # here, where a full disk can still be told
        return code
    except WrongUse as error:
        return _fail(str(error), 2)
    except NotFound as error:
        return _fail(str(error), 1)
    except RekindleError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_FILES:
            what = "cannot be written" if error.errno in REASONS else "cannot be used"
            return _fail(str(refusal_of(error.filename or "what was printed", error, what)), 1)
        # a fault of ours: a sentence for the user, the trace kept for us
        return _fail(_unexpected(error), 1)


def _run(rest: list[str]) -> int:
    command = next((word for word in rest if not word.startswith("-")), None)
    before = rest[: rest.index("--")] if "--" in rest else rest
    try:
        app = build_app(command, shows_help="--help" in before)
        gc.freeze()
        gc.enable()
        app(rest, prog_name="rekindle")
    except SystemExit as ended:  # Typer's way to say the exit code, usage errors (2) included
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def _unexpected(error: Exception) -> str:
    if os.environ.get("REKINDLE_DEBUG"):
        raise error
    from rekindle.logs import redact

    said = f"this should not happen ({type(error).__name__})"
    try:
        with NamedTemporaryFile("w", prefix="rekindle-", suffix=".txt", delete=False) as file:
            file.write(redact("".join(format_exception(error))))
    except OSError:
        return f"{said}; with REKINDLE_DEBUG=1 it says more."
    return f"{said}; what we know is in {file.name}."


def _fail(sentence: str, code: int) -> int:
    print(f"rekindle: {sentence}", file=sys.stderr)
    if options().as_json:
        with suppress(OSError):  # which may be what the sentence says
            print(as_json({"error": sentence}), flush=True)
    return code
