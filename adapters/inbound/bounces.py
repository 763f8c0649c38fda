"""Finds, in a report or in plain words, whom a mail did not reach and what was said of them.

Sources, read 2026-11: RFC 3464 (delivery status), RFC 6533 (the same for addresses outside ASCII),
RFC 3462 (multipart/report); for words without a report the forms of Exim, qmail, Postfix, sendmail,
Exchange, Gmail, Yahoo, GMX and others, checked against the messages of `docs/measured.md`.
"""

import re
from collections.abc import Iterator
from itertools import islice

from adapters.inbound.addresses import ADDRESS, find_address, find_addresses, read_recipient
from adapters.inbound.automatic import read_subject
from adapters.inbound.complaints import read_returned_fields
from adapters.inbound.failures import AFTER_DATA, Failure, judge
from adapters.inbound.mime import Fields, Mail, Part, parse_fields
from adapters.inbound.report_words import (
    DAEMON,
    DELAYED,
    FAILED,
    LEADING,
    QUOTED_FIELD,
    REASON,
    REJECTED,
    RETURNED,
    SUBJECT,
)

REPORT = ("message/delivery-status", "message/global-delivery-status")
NOT_FINAL = ("delayed", "delivered", "relayed", "expanded")
MOST_BLOCKS = 200  # of a report; it has one for each recipient
RECIPIENTS = ("Original-Recipient", "Final-Recipient")
EMPTY_LINES = re.compile(rb"\n(?:[ \t]*\n)+")
RECIPIENT = re.compile(rb"^(final|original)-recipient[ \t]*:", re.IGNORECASE | re.MULTILINE)
MOST_RECIPIENTS = 50  # of a report: a mail of ours has one, a list behind it may have many
LONGEST_WORDS = 64 * 1024  # characters of a report in words
MOST_LINES = 500  # of them
MOST_LEADING = 200  # of those lines that begin with an address
MOST_RETURNED_BYTES = 16 * 1024  # of the fields of a returned mail that stand as text
LONGEST_SAID = 2000  # characters of what is said of one recipient
FIELD = re.compile(
    r"^(final-recipient|status|diagnostic-code|action):(.*)$", re.IGNORECASE | re.MULTILINE
)
LINE_ENDS = re.compile(r"<br[^<>]{0,20}>|</(?:p|div|td|tr|li)>", re.IGNORECASE)
TAG = re.compile(r"<[^<>@]{0,2000}>")


def find_failures(mail: Mail) -> list[Failure]:
    """Each recipient once, in the order of the report; empty if this is no report."""
    words = read_words(mail)
    if (report := mail.find(REPORT)) is not None:
        found = list(_reported(report, words))[:MOST_RECIPIENTS]
        found = found or _reported_of_nobody(mail, report, words)
    elif is_from_system(mail):
        found = list(_told_in_fields(words)) or _told(mail, words)
    else:
        found = []
    return list({failure.recipient: failure for failure in reversed(found)}.values())[::-1]


def is_from_system(mail: Mail) -> bool:
    """True for what a mail system wrote, not a person."""
    sender = mail.fields.get("From")
    return bool(
        DAEMON.search(sender)
        or ("From" in mail.fields and not ADDRESS.search(sender))
        or "X-Failed-Recipients" in mail.fields
        or _is_report_by_subject(mail)
    )


def read_words(mail: Mail) -> str:
    """The first words of a mail, those of the mail that came with it left out."""
    part = mail.find(("text/plain",)) or mail.find(("text/html",))
    text = part.text() if part else "\n".join(p.text() for p in mail.parts[:1])
    if part and part.type == "text/html":
        lines = LINE_ENDS.sub("\n", text[:LONGEST_WORDS])
        text = TAG.sub(" ", lines).replace("&lt;", "<").replace("&gt;", ">")
    return text[:LONGEST_WORDS]


def _is_report_by_subject(mail: Mail) -> bool:
    """A subject like a report's, with the mail that it is about."""
    if not any(SUBJECT.search(subject) for subject in read_subject(mail)):
        return False
    return read_returned_fields(mail) is not None or bool(RETURNED.search(read_words(mail)))


def _reported(report: Part, words: str) -> Iterator[Failure]:
    """Each recipient of a report's fields; of the one we wrote to, where it was forwarded."""
    told = _before_returned(words)
    paragraphs = dict(_paragraphs(told))
    rejected = REJECTED.search(words)
    for block in _blocks(report):
        recipient = next(filter(None, (read_recipient(block.get(name)) for name in RECIPIENTS)), "")
        if recipient:
            in_words = paragraphs.get(recipient, told[:LONGEST_SAID])
            after_data = AFTER_DATA.search(in_words)
            said = (
                block.get("Diagnostic-Code") or block.get("X-Supplementary-Info") or in_words,
                rejected[1] if rejected else "",
                after_data[0] if after_data else "",
            )
            is_final = block.token("Action") not in NOT_FINAL
            yield judge(recipient, block.get("Status"), " ".join(said), is_final=is_final)


def _blocks(report: Part) -> list[Fields]:
    """The fields on each recipient; empty lines may be missing, or tear one's fields apart."""
    content = report.content().replace(b"\r\n", b"\n").replace(b"\r", b"\n").strip()
    found: list[Fields] = []
    for paragraph in EMPTY_LINES.split(content, maxsplit=MOST_BLOCKS)[:MOST_BLOCKS]:
        for lines in _by_recipient(paragraph):
            fields = parse_fields(lines)
            if found and not any(name in fields for name in RECIPIENTS):
                found[-1] = Fields({**fields.values, **found[-1].values})
            else:
                found.append(fields)
    return found


def _by_recipient(paragraph: bytes) -> Iterator[bytes]:
    """A paragraph cut where a second recipient begins."""
    begin, seen = 0, set[bytes]()
    for found in islice(RECIPIENT.finditer(paragraph), MOST_BLOCKS):
        name = found[1].lower()
        if name in seen:
            yield paragraph[begin : found.start()]
            begin, seen = found.start(), set()
        seen.add(name)
    yield paragraph[begin:]


def _told_in_fields(words: str) -> Iterator[Failure]:
    """Fields of a report whose parts nobody can tell apart any more."""
    fields = {name.lower(): value.strip() for name, value in reversed(FIELD.findall(words))}
    recipient = read_recipient(fields.get("final-recipient", ""))
    if recipient:
        yield judge(recipient, fields.get("status", ""), fields.get("diagnostic-code", ""))


def _told(mail: Mail, words: str) -> list[Failure]:
    """Plain reports: an address, and near it what the server said."""
    told = _before_returned(words)
    is_final = not _is_delay(mail, told)
    named = list(find_addresses(mail.fields.get("X-Failed-Recipients")[:LONGEST_SAID]))
    found = list(_paragraphs(told))[:MOST_RECIPIENTS]
    if named and len(named) != len(found):
        found = [(name, dict(found).get(name, told)) for name in named]
    elif named:  # where a forwarding is told, the one that we wrote to
        found = [(name, said) for name, (_, said) in zip(named, found, strict=True)]
    elif not found and _is_failure(mail, told):
        found = list(_named_anywhere(mail, told))
    return [judge(who, "", said, is_final=is_final) for who, said in found]


def _reported_of_nobody(mail: Mail, report: Part, words: str) -> list[Failure]:
    """A report that names nobody is about whom its words name, or whom the mail in it was to."""
    fields = next(reversed(_blocks(report)), Fields())
    status, code = fields.get("Status"), fields.get("Diagnostic-Code")
    told = _told(mail, words)
    if told and not (status or code):
        return told
    said = code or _before_returned(words)
    is_final = fields.token("Action") not in NOT_FINAL and not _is_delay(mail, said)
    named = [failure.recipient for failure in told] or _sent_to(mail)[:1] or [""]
    return [judge(recipient, status, said, is_final=is_final) for recipient in named]


def _before_returned(words: str) -> str:
    cut = RETURNED.search(words)
    return words[: cut.start()] if cut and words[: cut.start()].strip() else words


def _is_failure(mail: Mail, told: str) -> bool:
    return bool(
        FAILED.search(told) or any(SUBJECT.search(subject) for subject in read_subject(mail))
    )


def _is_delay(mail: Mail, told: str) -> bool:
    return bool(DELAYED.search(told) or any(map(DELAYED.search, read_subject(mail))))


def _paragraphs(told: str) -> Iterator[tuple[str, str]]:
    """Lines that begin with an address, each with the text up to the next such line."""
    starts = list(islice(LEADING.finditer(told), MOST_LEADING))
    ends = [*(start.start() for start in starts[1:]), len(told)][: len(starts)]
    seen: dict[str, str] = {}
    waiting: list[str] = []  # named one below the other, with the reason under the last
    for start, end in zip(starts, ends, strict=True):
        address, said = find_address(start[1]), told[start.end() : end][:LONGEST_SAID]
        if address:
            waiting.append(address)
        if said.strip(" \t\n>:;,.<)\"'"):
            for name in waiting:
                seen[name] = f"{seen.get(name, '')} {said}"
            waiting = []
    yield from ((one, said) for one, said in seen.items() if REASON.search(said))


def _named_anywhere(mail: Mail, told: str) -> Iterator[tuple[str, str]]:
    """Those named in the words, if possible whom the returned mail was to; else that one."""
    own = {*find_addresses(mail.fields.get("To")), *find_addresses(mail.fields.get("From"))}
    lines = [line[:LONGEST_SAID] for line in told.split("\n")[:MOST_LINES]]
    named = [
        address
        for line in lines
        if not QUOTED_FIELD.search(line[:200])
        for address in find_addresses(line)
        if address not in own and not DAEMON.match(address)
    ]
    sent_to = _sent_to(mail)
    chosen = [address for address in dict.fromkeys(named) if address in sent_to]
    chosen = chosen or list(dict.fromkeys(named))[:MOST_RECIPIENTS] or sent_to[:1]
    for address in chosen:
        about = "\n".join(line for line in lines if address in line.lower())
        yield address, told if len(chosen) == 1 else about


def _sent_to(mail: Mail) -> list[str]:
    """Whom the returned mail was to, be it a part or text below the words."""
    returned = read_returned_fields(mail)
    if returned is None:
        words = read_words(mail)
        cut = RETURNED.search(words)
        below = words[cut.start() :].encode()[:MOST_RETURNED_BYTES] if cut else b""
        returned = parse_fields(below)
    return list(find_addresses(returned.get("To")))
