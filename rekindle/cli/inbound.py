"""`rekindle inbound`: a raw mail that came back, told what it is and acted upon."""

from pathlib import Path
from typing import Annotated

import typer

from adapters.inbound.mails import read_returned
from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.errors import NotFound
from store.records import Returned
from store.returns import act_on

WORDS = {
    "bounce": "failed for now",
    "complaint": "complained: no more mail to them",
    "auto_reply": "answered automatically: nothing follows",
    "reply": "replied",
    "report": "only reported: nothing follows",
}
GONE = "is no more: no mail to it again"


def inbound(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The mail as it came.")],
) -> None:
    """Tell a bounce, a complaint or a reply from an automatic answer, and act on it."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error
    items = read_returned(raw)
    with open_here() as services:
        with services.store.begin() as tx:
            changed = act_on(tx, items, services.clock.now(), services.settings)
        if changed:
            services.wake.changed()
    text = "\n".join(map(_text, items)) or "Nobody is named in this mail; nothing was done."
    say(text, [_document(item) for item in items])


def _text(item: Returned) -> str:
    words = GONE if item.hard else WORDS[item.kind]
    status = f" ({item.status})" if item.status else ""
    return f"{item.recipient or 'somebody'} {words}{status}"


def _document(item: Returned) -> dict[str, object]:
    return {
        "recipient": item.recipient,
        "kind": item.kind,
        "hard": item.hard,
        "status": item.status,
    }
