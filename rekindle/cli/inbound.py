"""`rekindle inbound`: raw mail that came back, told what it is and acted upon."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from adapters.inbound.mails import read_returned
from rekindle.cli.context import leave, say
from rekindle.cli.opening import open_here
from rekindle.cli.returned_mail import read_mails
from rekindle.errors import Malformed
from rekindle.services import Services
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
NOBODY_NAMED = "Nobody is named in this mail; nothing was done."


@dataclass(frozen=True)
class Read:
    """What one mail is, or why it is not read."""

    name: str
    items: list[Returned]
    fault: str = ""


def inbound(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A mail as it came (- from standard input), an mbox, a Maildir, a folder.",
        ),
    ],
) -> None:
    """Tell a bounce, a complaint or a reply from an automatic answer, and act on it."""
    with open_here() as services:
        done = [_act(services, name, raw) for name, raw in read_mails(file)]
    is_one = len(done) == 1
    text = "\n".join(_text(read, "" if is_one else f"{read.name}: ") for read in done)
    documents = [document for read in done for document in _documents(read, is_one)]
    say(text or f"There is no mail in {file}.", documents)
    if any(read.fault for read in done):
        leave(1)


def _act(services: Services, name: str, raw: bytes | Malformed) -> Read:
    """Each mail in a transaction of its own, so that a bad one spoils no other."""
    if isinstance(raw, Malformed):
        return Read(name, [], str(raw))
    try:
        items = read_returned(raw)
    except Malformed as error:
        return Read(name, [], str(error))
    with services.store.begin() as tx:
        changed = act_on(tx, items, services.clock.now(), services.settings)
    if changed:
        services.wake.changed()
    return Read(name, items)


def _text(read: Read, head: str) -> str:
    if read.fault:
        return f"{head}not read: {read.fault}"
    return "\n".join(f"{head}{_line(item)}" for item in read.items) or f"{head}{NOBODY_NAMED}"


def _line(item: Returned) -> str:
    words = GONE if item.hard else WORDS[item.kind]
    status = f" ({item.status})" if item.status else ""
    return f"{item.recipient or 'somebody'} {words}{status}"


def _documents(read: Read, is_one: bool) -> list[dict[str, object]]:
    name = {} if is_one else {"mail": read.name}
    if read.fault:
        return [{**name, "fault": read.fault}]
    return [
        {
            **name,
            "recipient": item.recipient,
            "kind": item.kind,
            "hard": item.hard,
            "status": item.status,
        }
        for item in read.items
    ]
