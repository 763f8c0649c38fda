"""Finds addresses in fields and words that anybody may have written."""

import re
from collections.abc import Iterator
from itertools import islice

from rekindle.addresses import canonical

# bounded, so that a line of a megabyte costs no more than its length (RFC 5321 §4.5.3.1)
ADDRESS = re.compile(
    r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]{1,128}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,10}"
)
PREFIX = re.compile(r"^(smtp|rfc822)=", re.IGNORECASE)  # Exchange's kind of address
# RFC 6533 §3: what is outside of ASCII in an address of a report
ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
MOST = 200  # addresses of one text
LONGEST = 2000  # characters of a field in which an address is looked for


def find_address(text: str) -> str:
    """The mailbox that a field names, the first where it names several; empty where none."""
    return canonical(text) or next(find_addresses(text[:LONGEST]), "")


def find_addresses(text: str) -> Iterator[str]:
    """The addresses in `text`, in canonical form."""
    for found in islice(ADDRESS.finditer(text), MOST):
        if address := canonical(PREFIX.sub("", found[0].strip("'."))):
            yield address


def read_recipient(field: str) -> str:
    """The address of a report's field, `rfc822; ana@example.com`; its type may be missing."""
    kind, separator, value = field.partition(";")
    plain = value if separator and "@" not in kind else field
    return find_address(ESCAPED.sub(_character, plain))


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 else ""
