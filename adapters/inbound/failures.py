"""How final a failed delivery is: which words and codes say that an address is no more.

Sources, read 2026-11: RFC 3463 and its IANA registry (enhanced status codes), RFC 7505 (null MX),
RFC 7504 (521 and 556), Microsoft's list of non-delivery reports, Google's of SMTP errors. A class
of 5 alone does not mean that the address is at fault: policy, spam and full mailboxes pass.
"""

import re
from dataclasses import dataclass

from adapters.inbound.addresses import ADDRESS
from rekindle.addresses import canonical

STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
REPLY = re.compile(r"(?<![\d.])(55[01346]|501|521|542)(?![\d.])")
GONE = ("1.1", "1.2", "1.3", "1.6", "1.10")
OF_SENDER = ("1.7", "1.8", "7.27")
LONGEST = 2000  # characters of what was said that are read
MOST_SAID = 200  # characters of it that are kept
TEMPORARY = re.compile(
    r"quota|mailbox (is )?full|disk space|over ?limit|too many|rate limit|rate that|too quickly"
    r"|disabled|suspended|procmail|try again|greylist|recipient preferences|exceeded storage",
    re.IGNORECASE,
)
UNKNOWN = re.compile(
    r"user unknown|unknown user|no such (user|recipient|mailbox|domain|person|account|address)"
    r"|recipnotfound|not found|no longer on|(?<!recipient )address rejected"
    r"|unknown (address|recipient)"
    r"|recipient unknown|invalid (recipient|mailbox|user)|(?<!may )(not|n.t) exist"
    r"|no mailbox here|not a (known|valid) (user|recipient|mailbox|address)|unrouteable address"
    r"|not listed in|user doesn.t have|no account by that name|unknown host|host unknown"
    r"|account (is )?closed|invalid domain|domain not found|no mx record|mailbox unknown",
    re.IGNORECASE,
)
# some carriers say so of what their filters keep out: it takes a code, and the address named
BARE = re.compile(r"user unknown|unknown user", re.IGNORECASE)
# said without any code these are as good as one
UNMISTAKABLE = re.compile(
    r"domain (does not exist|is not reachable|not found)"
    r"|host( or domain name)? not found(?!,? try again)"
    r"|no such domain|illegal host/domain|unknown user: "
    r"|doesn.t have an? \S+ account|recipient address rejected: user unknown"
    r"|address not found|not listed in (the )?(domino|public name|directory)|no such user here"
    r"|no mailbox here by that name|(could ?n.t|unable to) find (a|any) (mail exchanger|host named)"
    # RFC 7505: a domain that takes no mail; of the sender's it is 5.7.27
    r"|null ?mx|domain does not accept mail|indicated no smtp service|(^\S* ?|[;:] ?)556[ -]"
    # Microsoft 365, where recipients are checked at the edge: the address is in no directory
    r"|5\.4\.1 .{0,300}recipient address rejected: access denied"
    # Outlook.com's only words for an address that it does not know
    r"|(5\.5\.0|(hotmail|outlook)\.com.{0,120}) (smtp; ?)?(550 )?requested action not taken:"
    r" mailbox unavailable"
    # Gmail 5.2.1: an account closed by its owner or by Google
    r"|the email account that you tried to reach is (disabled|inactive)",
    re.IGNORECASE,
)
# what a server is called says nothing: mx1.mailspamprotection.com may know an address or not
HOST = re.compile(r"\b(?=[\w-]{0,62}[a-z])[\w-]{1,63}(\.[\w-]{1,63}){1,10}", re.IGNORECASE)
ABOUT_SENDER = re.compile(r"sender|access denied|blocked|spam|policy", re.IGNORECASE)
# lists of senders: whatever code stands beside, the address is not at fault
LISTED = re.compile(
    r"spamhaus|black ?list|block ?list|dnsbl|reputation|relay(ing)? (not permitted|denied)",
    re.IGNORECASE,
)
# what was refused before the recipient was named is about us
AFTER_SENDER = re.compile(r"(after|in reply to) (pipelined )?mail from", re.IGNORECASE)
AFTER_DATA = re.compile(r"in reply to end of data", re.IGNORECASE)


@dataclass(frozen=True)
class Failure:
    """One recipient whom a mail did not reach."""

    recipient: str  # canonical; empty where the report does not say
    status: str  # enhanced status, or empty where none was given
    is_hard: bool  # the address is no more: never mail it again
    is_final: bool = True  # False: still being tried, or delivered after all
    said: str = ""  # the server's words, without addresses


def judge(recipient: str, status: str, said: str, *, is_final: bool = True) -> Failure:
    """What a server's words on one recipient amount to; `status` is that of the report's field."""
    plain = " ".join(said[:LONGEST].split())
    told = _best_status(status, plain)
    is_hard = _is_hard(recipient, told, f"{told} {plain}")
    is_final = is_final and not told.startswith("2")  # a class of success, whatever the action says
    words = ADDRESS.sub("…", plain)[:MOST_SAID]
    return Failure(canonical(recipient), told, is_hard, is_final, words)


def _best_status(status: str, said: str) -> str:
    """The server's own code says more than a report's `5.0.0`."""
    field = STATUS.search(status)
    spoken = [".".join(found.groups()) for found in STATUS.finditer(said)]
    if field and not field[0].endswith(".0.0"):
        return field[0]
    return spoken[-1] if spoken else (field[0] if field else "")


def _is_hard(recipient: str, status: str, said: str) -> bool:
    if LISTED.search(said) or AFTER_SENDER.search(said) or status[2:] in OF_SENDER:
        return False
    if UNMISTAKABLE.search(said) or status == "5.1.10":
        return status[:1] != "4" or bool(UNKNOWN.search(said))
    if TEMPORARY.search(said):
        return False
    detail = status[2:]
    if detail in GONE:
        return status[0] == "5" or bool(UNKNOWN.search(said))
    if detail.startswith("7.") or detail == "2.0" or ABOUT_SENDER.search(HOST.sub("", said)):
        return False
    if detail in ("", "0.0", "5.0") or detail.startswith("3."):
        return _is_unknown_without_code(recipient, said)
    return bool(UNKNOWN.search(said))


def _is_unknown_without_code(recipient: str, said: str) -> bool:
    """What servers say that give no code of the kind, or one that says nothing."""
    if AFTER_DATA.search(said):  # it had taken the address
        return False
    if UNKNOWN.search(BARE.sub("", said)):
        return True
    names_it = bool(recipient) and recipient.lower() in said.lower()
    return names_it and bool(BARE.search(said) and REPLY.search(said))
