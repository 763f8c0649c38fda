"""Everything that can go wrong, one class for each thing a caller would do differently."""

from datetime import timedelta
from pathlib import Path
from traceback import extract_tb
from typing import Literal

# what about a provider keeps it from taking any email at the moment
ProviderFault = Literal[
    "connection",  # it cannot be reached, hangs up, or makes no sense
    "tls",
    "credentials",  # it does not accept who we are
    "rate",  # too many in too short a time
    "quota",  # the account's limit for a day or a month is used up
    "sender",  # our domain, address, IP or account is refused
    "server",  # it says itself that it is in trouble
]


class RekindleError(Exception):
    """Root of all errors that a user may see; the text is a whole sentence for people."""


class WrongUse(RekindleError):
    """The command or request itself is malformed; exit code 2."""


class NotFound(RekindleError):
    """What was asked for does not exist; exit code 1."""


class NotNow(RekindleError):
    """It cannot be done at this moment, though later it may; exit code 1."""


class StoreUnavailable(RekindleError):
    """The database cannot be reached or is not migrated; nothing was written."""


class StoreUnwritable(StoreUnavailable):
    """The database stores nothing at the moment: its disk is full, fails, or can only be read;
    what was acknowledged before is not lost.
    """


class CannotWrite(RekindleError):
    """A file cannot be written; the text names it, says why, and what to do."""


class SourceUnavailable(RekindleError):
    """A database that is a source cannot be read at the moment; it is tried again when it is due.

    The text holds nothing of its address, where a password may stand.
    """


class BrokerUnavailable(RekindleError):
    """The message broker cannot be reached; the sweep will find the work again."""


class ProviderUnavailable(RekindleError):
    """The provider takes no email at all at the moment: the fault is not the message's, so that no
    try is charged to it.

    `retry_after`: how long the provider asks to be left alone, where it says so.
    """

    def __init__(
        self,
        said: str,
        *,
        fault: ProviderFault = "connection",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(said)
        self.fault: ProviderFault = fault
        self.retry_after = retry_after


class ProviderDeferred(RekindleError):
    """The provider did not take this one message now; others may go on meanwhile."""


class ProviderRefused(RekindleError):
    """The provider will never take this message.

    `status`: the enhanced status code of the answer (RFC 3463), empty where it bears none.
    `is_bounce`: the answer is about the recipient's mailbox, as a bounce report would be.
    `is_hard`: by the same rules as for such a report, the mailbox is no more.
    """

    def __init__(
        self, said: str, *, status: str = "", is_bounce: bool = False, is_hard: bool = False
    ) -> None:
        super().__init__(said)
        self.status = status
        self.is_bounce = is_bounce
        self.is_hard = is_hard


class HandoverUncertain(RekindleError):
    """The last byte left and no answer came: the provider may or may not have the message."""


class Unsupported(RekindleError):
    """The message asks for something this provider cannot express."""


class UnsupportedAddress(Unsupported):
    """The recipient's address is one that this provider cannot carry; no template is to blame."""


NEEDS_SMTPUTF8 = (
    "What is before the @ of the address is not plain ASCII; "
    "it needs a mail server that takes SMTPUTF8, which Rekindle does not speak yet."
)


class WebhookNotGenuine(RekindleError):
    """The signature, secret or age of a webhook does not hold; answered 401, nothing stored."""


class Malformed(RekindleError):
    """Foreign input that cannot be understood; the sender is told, nothing else happens."""


class TooLarge(Malformed):
    """Foreign input beyond what is read; answered 413, and sending it again does not help."""


class TooMuch(RekindleError):
    """More than may come at once, or in so short a time; answered 429, nothing stored.

    `retry_after`: how long whoever sent it is to wait.
    """

    def __init__(self, said: str, retry_after: timedelta) -> None:
        super().__init__(said)
        self.retry_after = retry_after


class NotAnAddress(Malformed):
    """A text that names no mailbox, or more than one; `reason` says why, without the text."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This is no email address: {reason}.")
        self.reason = reason


class TemplateFailed(RekindleError):
    """A template could not be rendered for one customer; the text names template and cause."""


def describe(error: BaseException) -> str:
    """What a failure that nobody foresaw is, where it came from, and what it says, if anything."""
    return f"{kind_and_place(error)}: {str(error) or 'it says nothing'}"


def kind_and_place(error: BaseException) -> str:
    """What kind of failure it is and where it came from: nothing of what it was about."""
    frames = extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
