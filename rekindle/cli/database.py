"""`rekindle db`: bring the database up to date, or say whether it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from rekindle.cli.context import leave, options, say
from rekindle.cli.opening import open_here
from rekindle.migrating import upgrade as migrate
from rekindle.revisions import current_revision, newest_revision
from rekindle.state import embedded_url, state_folder
from store.holds import begin_hold
from store.restoring import skip_numbers
from store.session import Store
from store.sessions import end_all_sessions

db = typer.Typer(help="The database: migrations.", no_args_is_help=True)


@db.command()
def upgrade() -> None:
    """Apply every migration that the database lacks."""
    with _store_here() as store:
        before = current_revision(store)
        migrate(store)
        after = current_revision(store)
    say(
        f"Already at {after}." if before == after else f"From {before or 'nothing'} to {after}.",
        {"from": before, "to": after},
    )


@db.command()
def check() -> None:
    """Whether the database is at the revision that this version needs; exit 1 if not."""
    with _store_here() as store:
        current, needed = current_revision(store), newest_revision()
    if current == needed:
        say(f"Up to date, at {current}.", {"current": current, "needed": needed})
        return
    say(
        f"At {current or 'nothing'}, but {needed} is needed. Run `rekindle db upgrade`.",
        {"current": current, "needed": needed},
    )
    leave(1)


@db.command()
def restored() -> None:
    """Say that the database comes from a backup: nothing leaves until `release`, and no number that
    may have been given since is given again.
    """
    with open_here() as services, services.store.begin() as tx:
        now = services.clock.now()
        hold = begin_hold(tx, "restored from a backup", now)
        skip_numbers(tx, now)
        end_all_sessions(tx)
    words = hold.in_words()
    say(f"{words[:1].upper()}{words[1:]}.", {"held_since": hold.began_at.isoformat()})


@contextmanager
def _store_here() -> Iterator[Store]:
    """The store of the global options, whatever its revision; no other command opens an old one."""
    store = Store(_url_here())
    try:
        yield store
    finally:
        store.close()


def _url_here() -> str:
    chosen = options()
    if url := chosen.database or os.environ.get("REKINDLE_DATABASE_URL"):
        return url
    state_folder(chosen.workspace)
    return embedded_url(chosen.workspace)
