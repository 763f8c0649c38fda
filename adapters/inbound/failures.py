"""How final a failed delivery is: which words and codes say that an address is no more.

Source: RFC 3463 (enhanced status codes). A class of 5 alone does not mean that the address is at
fault: policy, spam and full mailboxes pass.
"""

import re
from dataclasses import dataclass

from rekindle.addresses import canonical

STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
GONE = ("1.1", "1.2", "1.3", "1.6", "1.10")
TEMPORARY = re.compile(
    r"quota|mailbox (is )?full|disk space|over ?limit|too many|rate limit|disabled|suspended"
    r"|procmail|try again|greylist",
    re.IGNORECASE,
)
UNKNOWN = re.compile(
    r"user unknown|unknown user|no such (user|recipient|mailbox)|recipnotfound|not found"
    r"|no longer on|address rejected|unknown address|invalid recipient|does not exist",
    re.IGNORECASE,
)
# said without any code these are as good as one; a bare "user unknown" is not, since some carriers
# say so of what their filters keep out
UNMISTAKABLE = re.compile(
    r"domain (does not exist|is not reachable)|host( or domain name)? not found"
    r"|doesn't have an? \S+ account|recipient address rejected: user unknown",
    re.IGNORECASE,
)
ABOUT_SENDER = re.compile(r"sender|access denied|blocked|spam|policy", re.IGNORECASE)


@dataclass(frozen=True)
class Failure:
    """One recipient whom a mail did not reach."""

    recipient: str  # in lower case
    status: str  # enhanced status, or empty where none was given
    is_hard: bool  # the address is no more: never mail it again
    is_final: bool = True  # False: still being tried, or delivered after all


def judge(recipient: str, status: str, said: str, *, is_final: bool = True) -> Failure:
    """What a server's words on one recipient amount to; `status` is that of the report's field."""
    told = _best_status(status, said)
    return Failure(canonical(recipient), told, _is_hard(told, said), is_final)


def _best_status(status: str, said: str) -> str:
    """The server's own code says more than a report's `5.0.0`."""
    field = STATUS.search(status)
    spoken = [".".join(found.groups()) for found in STATUS.finditer(said)]
    if field and not field[0].endswith(".0.0"):
        return field[0]
    return spoken[-1] if spoken else (field[0] if field else "")


def _is_hard(status: str, said: str) -> bool:
    if UNMISTAKABLE.search(said):
        return True
    if TEMPORARY.search(said):
        return False
    detail = status[2:]
    if detail in GONE:
        return status[0] == "5" or bool(UNKNOWN.search(said))
    if detail in ("", "0.0") or detail.startswith(("7.", "3.")) or ABOUT_SENDER.search(said):
        return False
    return bool(UNKNOWN.search(said))
