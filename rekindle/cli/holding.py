"""`rekindle hold` and `rekindle release`: whether anything leaves at all."""

from typing import Annotated

import typer

from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from store.holds import begin_hold, end_hold


def hold(
    reason: Annotated[str, typer.Argument(help="Why, for whoever sees that it is so.")] = "",
) -> None:
    """Let no email, webhook or notice leave, in any process; all else goes on."""
    with open_here() as services, services.store.begin() as tx:
        standing = begin_hold(tx, reason, services.clock.now())
    said = standing.in_words()
    document = {"held_since": standing.began_at.isoformat(), "reason": standing.reason}
    say(f"{said[:1].upper()}{said[1:]}.", document)


def release() -> None:
    """Let emails, webhooks and notices leave again: whatever is due, at its pace."""
    with open_here() as services, services.store.begin() as tx:
        was_held = end_hold(tx, services.clock.now())
    words = "What is due leaves again, at its pace." if was_held else "Nothing was held."
    say(words, {"released": was_held})
