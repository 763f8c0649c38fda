"""Whom webhooks and notices may call, as far as their addresses say without being looked up."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from adapters.reach import Allowed, NotAllowed, Reach, is_local_name, read_literal
from journeys.definition import Journey, Webhook
from rekindle.settings import Settings
from rekindle.workspace.journey_steps import steps_of
from rekindle.workspace.library import Reading
from rekindle.workspace.problems import Problem

HINT = "Name it in webhook.allow of rekindle.yaml, or nothing is sent there."


def check_reach(readings: Sequence[Reading], settings: Settings) -> Iterator[Problem]:
    """What `webhook.allow` says that makes no sense, and who is called that it does not name."""
    reach = Reach.of(settings.webhook.allow)
    for reading in readings:
        match reading.value:
            case Settings() as written:
                yield from _check_settings(reading, written, reach)
            case Journey() as journey:
                for path, step in steps_of(journey):
                    if isinstance(step, Webhook) and not _may_call(step.webhook, reach):
                        place = reading.document.place((*path, "webhook"))
                        yield Problem(place, _said(step.webhook), HINT, "warning")
            case _:
                pass


def _check_settings(reading: Reading, settings: Settings, reach: Reach) -> Iterator[Problem]:
    for index, written in enumerate(settings.webhook.allow):
        try:
            Allowed.parse(written)
        except ValueError as error:
            yield Problem(reading.document.place(("webhook", "allow", index)), f"{error}.")
    for group, targets in settings.people.items():
        for index, target in enumerate(targets):
            if not _may_call(target, reach):
                place = reading.document.place(("people", group, index))
                yield Problem(place, _said(target), HINT, "warning")


def _may_call(url: str, reach: Reach) -> bool:
    """False for an address or name of this machine or its network that is not allowed."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        literal = read_literal("127.0.0.1" if is_local_name(host) else host)
        if literal is not None:
            reach.check(host, str(literal), port or (443 if parts.scheme == "https" else 80))
    except NotAllowed:
        return False
    except ValueError:
        return True  # no such address; others say so
    return True


def _said(url: str) -> str:
    """Of a target only its host: the rest of it may be a secret."""
    return f"{urlsplit(url).hostname!r} is this machine or its own network."
