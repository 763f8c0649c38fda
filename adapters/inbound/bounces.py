"""Finds, in a report or in plain words, whom a mail did not reach and what was said of them."""

import re
from collections.abc import Iterable, Iterator
from email.message import Message

from adapters.inbound.failures import Failure, judge

FAILED = ("failed", "")
ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
FIELD = re.compile(
    r"^(final-recipient|status|diagnostic-code|action):(.*)$", re.IGNORECASE | re.MULTILINE
)
# where the returned mail begins in reports that have no parts
RETURNED = re.compile(
    r"^(-+ ?(this is a copy|original message|below this line|\S* ?the header)"
    r"|\s*below is a copy of the original|received:|return-path:|dkim-signature:)",
    re.IGNORECASE | re.MULTILINE,
)
REASON_AT = re.compile(r"\b[45]\d\d\b|[45]\.\d\.\d|not |invalid|unknown|error|fail", re.IGNORECASE)


def find_failures(mail: Message) -> list[Failure]:
    """Each recipient once, in the order of the report; empty if this is no report."""
    report = next(
        (p for p in mail.walk() if p.get_content_type() == "message/delivery-status"), None
    )
    if report is not None:
        found = list(_reported(report, _first_words(mail)))
    else:
        words = _first_words(mail)
        found = list(_told_in_fields(words)) or list(_told_in_words(mail, words))
    return list({one.recipient: one for one in reversed(found)}.values())[::-1]


def _reported(report: Message, words: str) -> Iterator[Failure]:
    blocks = report.get_payload()
    for block in blocks if isinstance(blocks, list) else []:
        if not isinstance(block, Message):
            continue
        recipient = _recipient(block.get("Original-Recipient"), block.get("Final-Recipient"))
        if recipient:
            said = f"{block.get('Diagnostic-Code', '')} {_rejection(words)}"
            action = str(block.get("Action", "")).strip().lower()
            yield judge(recipient, str(block.get("Status", "")), said, is_final=action in FAILED)


def _rejection(words: str) -> str:
    """A vacation-like refusal that stands above the report, in words of its own."""
    found = re.search(r"automatically rejected:(.*)", words, re.DOTALL)
    return found[1][:300] if found else ""


def _recipient(*fields: str | None) -> str:
    for field in fields:
        found = ADDRESS.search(str(field or "").partition(";")[2])
        if found:
            return found[0]
    return ""


def _told_in_fields(words: str) -> Iterator[Failure]:
    """Fields of a report whose parts nobody can tell apart any more."""
    fields = {name.lower(): value.strip() for name, value in reversed(FIELD.findall(words))}
    recipient = _recipient(fields.get("final-recipient"))
    if recipient:
        yield judge(recipient, fields.get("status", ""), fields.get("diagnostic-code", ""))


def _told_in_words(mail: Message, words: str) -> Iterator[Failure]:
    """Plain reports: an address, and behind it what the server said."""
    named = ADDRESS.findall(str(mail.get("X-Failed-Recipients", "")))
    cut = RETURNED.search(words)
    told = words[: cut.start()] if cut and cut.start() > 0 else words
    found = list(_paragraphs(told))
    recipients = [one for one, _ in found] if found else named[:1]
    for number, recipient in enumerate(recipients):
        said = found[number][1] if found else told
        yield judge(named[number] if number < len(named) else recipient, "", said)


def _paragraphs(told: str) -> Iterator[tuple[str, str]]:
    """Lines that begin with an address, each with the text up to the next such line."""
    starts = list(re.finditer(rf"^\s*<?({ADDRESS.pattern})>?(?=[\s:<,]|$)", told, re.MULTILINE))
    ends = [*(start.start() for start in starts[1:]), len(told)][: len(starts)]
    seen: dict[str, str] = {}
    for start, end in zip(starts, ends, strict=True):
        said = told[start.end() : end]
        seen[start[1]] = f"{seen.get(start[1], '')} {said}"
    yield from ((one, said) for one, said in seen.items() if REASON_AT.search(said))


def _first_words(mail: Message) -> str:
    """The first text of a mail; all of its body where its parts cannot be told apart."""
    parts: Iterable[Message] = (p for p in mail.walk() if p.get_content_maintype() == "text")
    part = next(iter(parts), mail)
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload.decode("utf-8", "replace")
    return str(part.get_payload())
