"""`rekindle messages`: emails that could not be delivered, and sending them after all."""

from typing import Annotated

import typer

from rekindle.cli.context import parse_instant, say
from rekindle.cli.opening import open_here
from rekindle.counting import counted
from rekindle.errors import NotFound
from workers.giving_up import retry_given_up

messages = typer.Typer(help="Emails that could not be delivered.", no_args_is_help=True)


@messages.command("retry")
def retry(
    journey: Annotated[
        str | None, typer.Option(metavar="NAME", help="only those of this journey")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="only those on this topic")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="only those queued since then")
    ] = None,
) -> None:
    """Send what was given up once more; permission is asked again before any of it leaves."""
    with open_here() as services:
        if journey is not None and journey not in services.library().journeys:
            raise NotFound(f"no journey is called {journey!r}.")
        queued = retry_given_up(
            services, journey=journey, topic=topic, since=parse_instant(since) if since else None
        )
    waiting = "it leaves" if queued == 1 else "they leave"
    words = (
        f"{counted(queued, 'email')} queued again: {waiting} as soon as permission and pace let."
    )
    say(words if queued else "No email was given up.", {"queued": queued})
