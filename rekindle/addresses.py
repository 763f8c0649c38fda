"""Email addresses in one canonical form, so that two spellings of a mailbox are never two."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from unicodedata import normalize
from urllib.parse import unquote

import idna
from email_validator import EmailNotValidError, validate_email

from rekindle.errors import NotAnAddress

LONGEST_FIELD = 1000  # characters, with name and comments
LONGEST_ADDRESS = 254  # characters, RFC 5321 §4.5.3.1.3 with its angle brackets
LONGEST_DOMAIN = 253  # characters, RFC 1035 §2.3.4 without the final dot
ANY_DOMAIN = "example.com"  # for a validator that is asked about the part before it
# What most addresses look like: nothing to take off, nothing to encode. What is written otherwise
# takes the long way, as do labels with "--" in third place, which IDNA reserves (RFC 5891 §4.2.3.1)
PLAIN = re.compile(
    r"(?=.{3,254}\Z)([a-z0-9_+'-]+(?:\.[a-z0-9_+'-]+)*)"
    r"@((?:(?![a-z0-9]{2}--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63})",
    re.IGNORECASE | re.ASCII,
)
# Default_Ignorable_Code_Point (Unicode 16) but for the two joiners, which some domains need
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
JOINERS = re.compile("[\u200c\u200d]")
# those that stand beside an ASCII character, where no rule of RFC 5892 appendix A has one
STRAY_JOINERS = re.compile(r"(?<![^\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f])")
BLANK = "\\s\u2800\u200c\u200d"  # Unicode's spaces, the Braille blank, joiners
EDGES = re.compile(rf"\A[{BLANK},;]+|[{BLANK},;]+\Z")
SPACE = re.compile("[\\s\u2800]")
# RFC 8265 §3.3.2: what is wide becomes narrow, in the whole of it; the small @ has no wide twin
WIDTHS = {0xFEE0 + code: code for code in range(0x21, 0x7F)} | {0xFE6B: ord("@")}
MAILTO = re.compile(r"mailto:", re.IGNORECASE)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|/", re.IGNORECASE)  # or what is left of one
SLASHES = re.compile(r'"?/|.*//')
NAMED = re.compile(r'((?:[^<>"]|"(?:[^"\\]|\\.)*")*)<([^<>]*)>', re.DOTALL)
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """One mailbox. Equal to every other spelling of it; compared, stored and counted by
    `canonical`.
    """

    canonical: str  # all lower case, without quotes that are not needed, the domain in A-labels
    # RFC 5321 §2.4: the case of what is before the @ is the receiving server's alone to ignore
    deliverable: str = field(compare=False)  # the same with that part's case as it was given

    @classmethod
    def parse(cls, text: str) -> "EmailAddress":
        """Return the one mailbox that `text` names. Raises NotAnAddress.

        A display name, `mailto:`, comments, invisible characters and spaces around it are taken
        off. Two addresses are none.
        """
        read = _read(text)
        if isinstance(read, str):
            raise NotAnAddress(read)
        return read[1]

    @classmethod
    def find(cls, value: object) -> "EmailAddress | None":
        """Return the mailbox that a value of any type names, None where it names none."""
        read = _read(value) if isinstance(value, str) else ""
        return None if isinstance(read, str) else read[1]

    @property
    def domain(self) -> str:
        return self.canonical.rpartition("@")[2]


def canonical(value: object) -> str:
    """Return the canonical form of the mailbox that `value` names, or nothing."""
    found = EmailAddress.find(value)
    return found.canonical if found else ""


def parse_named(text: str) -> tuple[str, EmailAddress]:
    """Return name and mailbox of `Name <address>`; the name may be empty. Raises NotAnAddress."""
    read = _read(text)
    if isinstance(read, str):
        raise NotAnAddress(read)
    return read


@lru_cache(maxsize=8192)
def _read(text: str) -> tuple[str, EmailAddress] | str:
    """The name and the mailbox, or why there is none."""
    if plain := PLAIN.fullmatch(text):
        return "", _address(plain[1], plain[2].lower())
    if len(text) > LONGEST_FIELD:
        return "it is too long"
    try:
        return _read_field(text)
    except NotAnAddress as error:
        return error.reason


def _read_field(text: str) -> tuple[str, EmailAddress]:
    text = _without_scheme(_trim(_without_comments(_visible(text))))
    named = NAMED.fullmatch(text)
    if named is None:
        return "", _parse_spec(_without_scheme(_without_outer_quotes(text)))
    name, address = named[1].strip(), _parse_spec(_without_scheme(_trim(named[2])))
    if "@" in QUOTED.sub("", name) and canonical(name) != address.canonical:
        raise NotAnAddress("it names two addresses")
    return _plain_name(name), address


def _visible(text: str) -> str:
    """What is to be seen of it, narrow."""
    return _trim(STRAY_JOINERS.sub("", INVISIBLE.sub("", text).translate(WIDTHS)))


def _trim(text: str) -> str:
    """Without what surrounds an address in lists and cells."""
    return EDGES.sub("", text)


def _without_scheme(text: str) -> str:
    """RFC 6068 §2: `mailto:`, then the address with escapes, then perhaps fields after a `?`.

    Some write slashes around the address, as in the URL of a web page.
    """
    scheme = MAILTO.match(text)
    if scheme is None:
        return text
    written = _trim(text[scheme.end() :].partition("?")[0]).strip("/")
    return _visible(unquote(written))


def _without_outer_quotes(text: str) -> str:
    """An export's quotes around the whole; within an address they end before the @."""
    if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" and text[0] not in text[1:-1]:
        return _trim(text[1:-1])
    return text


def _without_comments(text: str) -> str:
    """RFC 5322 §3.2.2: what is in parentheses, one in another, outside of quotes."""
    if "(" not in text:
        return text
    kept: list[str] = []
    depth, is_quoted, is_escaped = 0, False, False
    for character in text:
        if is_escaped or (character == "\\" and (is_quoted or depth)):
            is_escaped = not is_escaped
        elif character == '"' and not depth:
            is_quoted = not is_quoted
        elif character == "(" and not is_quoted:
            depth += 1
        elif character == ")" and depth:
            depth -= 1
            continue
        if not depth:
            kept.append(character)
    return text if depth else "".join(kept)


def _plain_name(name: str) -> str:
    """A display name without its quotes and escapes."""
    if QUOTED.fullmatch(name):
        name = ESCAPED.sub(r"\1", name[1:-1])
    return " ".join(name.split())


def _parse_spec(spec: str) -> EmailAddress:
    """RFC 5322 §3.4.1: `local@domain`."""
    if SCHEME.match(spec):  # what follows it names somebody else than the whole would
        raise NotAnAddress("it begins as a link does, and mailto: is the only one to an address")
    quoted = QUOTED.sub(lambda part: "_" * len(part[0]), spec)
    at = quoted.rfind("@")
    if at < 0:
        raise NotAnAddress("it has no @")
    if "@" in quoted[:at]:
        raise NotAnAddress("it names two addresses" if SPACE.search(quoted) else "it has two @")
    if SPACE.search(quoted):
        raise NotAnAddress("there is a space in it")
    return _address(_local_part(spec[:at]), _domain(spec[at + 1 :]))


def _local_part(text: str) -> str:
    """What is before the @, with quotes only where it needs them."""
    local = normalize("NFC", JOINERS.sub("", text))
    try:
        found = validate_email(
            f"{local}@{ANY_DOMAIN}", allow_quoted_local=True, check_deliverability=False
        )
    except EmailNotValidError as error:
        raise NotAnAddress("what is before the @ cannot be") from error
    if SLASHES.match(found.local_part):
        raise NotAnAddress("what is before the @ looks like a link")
    return found.local_part


def _domain(text: str) -> str:
    """In A-labels: UTS 46 with non-transitional processing, then IDNA 2008."""
    if len(text) > LONGEST_DOMAIN:
        raise NotAnAddress("its domain is too long")
    try:
        domain = _encode(text)
    except (idna.IDNAError, UnicodeError):
        try:  # a joiner that no rule of RFC 5892 appendix A asks for is as invisible as the others
            domain = _encode(JOINERS.sub("", text))
        except (idna.IDNAError, UnicodeError) as error:
            raise NotAnAddress("its domain cannot be") from error
    if "." not in domain or domain.rpartition(".")[2].isdigit():
        raise NotAnAddress("no email reaches its domain")
    return domain


def _encode(text: str) -> str:
    domain = idna.encode(text, uts46=True, std3_rules=True, transitional=False)
    return domain.decode("ascii").removesuffix(".")


def _address(local: str, domain: str) -> EmailAddress:
    if len(local) + len(domain) >= LONGEST_ADDRESS:
        raise NotAnAddress("it is too long")
    return EmailAddress(f"{local.lower()}@{domain}", f"{local}@{domain}")
