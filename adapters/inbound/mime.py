"""Takes a raw mail apart within bounds, whoever wrote it.

Anybody may write to an address of ours. The standard library's parser recurses once a level and
reads encoded words and addresses in time that grows with their square, so that one mail stops a
process; here every step is linear in bytes that are counted first. Sources: RFC 5322 (fields),
RFC 2045-2047 (parts, transfer encodings, encoded words), RFC 6532 (raw UTF-8 in fields).
"""

import codecs
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from quopri import decodestring

from rekindle.errors import Malformed

# a report and the fields of what it returns stand at the beginning, attachments at the end
MOST_BYTES = 1024 * 1024
MOST_HEADER_BYTES = 256 * 1024  # of one mail or part; Gmail takes 500 kB, Exchange 256 kB
MOST_FIELD_LINES = 4000  # of one mail or part; a thousand recipients of a circular fit
MOST_FIELD_BYTES = 4096  # of one value; what follows is not read
MOST_PARTS = 200  # in all
DEEPEST = 10  # multipart in multipart; mails that people write have three
MOST_TEXT_BYTES = 128 * 1024  # of one part
MOST_WORDS = 100  # encoded ones of a value

NAME = re.compile(rb"[!-9;-~]+")
PARAMETER = re.compile(r""";\s*([\w*-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]+))""")
TOKEN = re.compile(r"(?:\s|\([^()]*\))*([^\s;()]*)")  # behind comments, if there are any
WORD = re.compile(r"=\?([^?\s]{1,40})\?([bq])\?([^?]*)\?=", re.IGNORECASE)
# between two encoded words a space only separates them (RFC 2047 §6.2)
BETWEEN = re.compile(r"(\?=)\s+(?==\?[^?\s]{1,40}\?[bq]\?)", re.IGNORECASE)
# text encodings alone: Python also has "punycode" and "idna", whose time grows with the square
CHARSET = re.compile(
    r"utf-?(8|16|32)([bl]e)?|(us-)?ascii|iso-?(8859|2022)-[\w-]+|(windows|cp)-?\d{3,4}|koi8-[rut]"
    r"|gb(2312|k|18030)|big5(-?hkscs)?|euc-?(jp|kr|cn)|shift_?jis|s-?jis|ks_c_5601-1987|tis-620"
    r"|latin-?\d|hz-gb-2312|mac-?\w+",
    re.IGNORECASE,
)
OUTSIDE_ASCII = re.compile(rb"[\x80-\xff]|\x1b\$")


class TooComplex(Malformed):
    """A mail is beyond what is taken apart; the text says which bound."""


@dataclass(frozen=True)
class Fields:
    """The fields of a mail or part, names in lower case, values unfolded."""

    values: dict[str, list[bytes]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self.values

    def raw(self, name: str) -> bytes:
        """The first value as it stands, empty where the field is not there."""
        return self.values.get(name.lower(), [b""])[0]

    def get(self, name: str) -> str:
        """The first value with its encoded words read, empty where the field is not there."""
        return decode_words(decode_text(self.raw(name)))

    def all(self, name: str) -> list[str]:
        return [decode_words(decode_text(value)) for value in self.values.get(name.lower(), [])]

    def token(self, name: str) -> str:
        """The first word of a value in lower case, without comments and parameters."""
        found = TOKEN.match(decode_text(self.raw(name)))
        return found[1].lower() if found else ""


@dataclass(frozen=True)
class Part:
    """What no further part is in: words, a report, an attachment, or a whole mail."""

    fields: Fields
    type: str  # in lower case, `text/plain` where none is given
    body: bytes

    def parameter(self, name: str) -> str:
        return _parameters(self.fields).get(name, "")

    def content(self) -> bytes:
        """The body without its transfer encoding, of bounded length."""
        body = self.body[:MOST_TEXT_BYTES]
        match self.fields.token("content-transfer-encoding"):
            case "base64":
                plain = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
                return b64decode(plain[: len(plain) // 4 * 4])
            case "quoted-printable":
                return decodestring(body)
            case _:
                return body

    def text(self) -> str:
        return decode_text(self.content(), self.parameter("charset"))


@dataclass(frozen=True)
class Mail:
    """A mail: its fields, and its parts in their order, however deep they were."""

    fields: Fields
    parts: tuple[Part, ...]

    @property
    def type(self) -> str:
        return _type(self.fields)

    def parameter(self, name: str) -> str:
        return _parameters(self.fields).get(name, "")

    def find(self, types: Iterable[str]) -> Part | None:
        return next((part for part in self.parts if part.type in types), None)


def parse_mail(raw: bytes) -> Mail:
    """Take `raw` apart. Raises TooComplex; anything else is a mail, however little is in it."""
    lines = raw[:MOST_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    fields, body = split_mail(lines.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\n"))
    return Mail(fields, tuple(_parts(fields, body, _Budget(), depth=0)))


def split_mail(lines: bytes) -> tuple[Fields, bytes]:
    """Fields and body: what stands before the first empty line, and after it. Raises TooComplex."""
    if lines.startswith(b"\n"):
        return Fields(), lines[1:]
    end = lines.find(b"\n\n", 0, MOST_HEADER_BYTES)
    if end < 0 and len(lines) > MOST_HEADER_BYTES:
        raise TooComplex(f"the fields of a mail have at most {MOST_HEADER_BYTES} bytes.")
    block, body = (lines, b"") if end < 0 else (lines[:end], lines[end + 2 :])
    return parse_fields(block), body


def parse_fields(block: bytes) -> Fields:
    """The fields of a block of lines; lines that are none are passed over. Raises TooComplex."""
    values: dict[str, list[bytes]] = {}
    lines = block.split(b"\n")
    if len(lines) > MOST_FIELD_LINES:
        raise TooComplex(f"the fields of a mail have at most {MOST_FIELD_LINES} lines.")
    open_value = [b""]
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if len(open_value[-1]) < MOST_FIELD_BYTES:
                open_value[-1] += b" " + line.strip()[:MOST_FIELD_BYTES]
            continue
        name, colon, value = line.partition(b":")
        if colon and NAME.fullmatch(name.rstrip()):
            open_value = values.setdefault(name.rstrip().decode().lower(), [])
            open_value.append(value.strip()[:MOST_FIELD_BYTES])
        else:
            open_value = [b""]  # what continues it is no field either
    return Fields(values)


def decode_text(given: bytes, charset: str = "") -> str:
    """Text as its charset says; else as UTF-8; else as Windows-1252, which knows any byte.

    Without NUL, which no database takes.
    """
    for name in (charset, "utf-8"):
        if CHARSET.fullmatch(name):
            try:
                text = given.decode(name, "strict" if name == "utf-8" else "replace")
            except (LookupError, UnicodeError):
                continue
            return text.replace("\0", "")
    return given.decode("cp1252", "replace").replace("\0", "")


def decode_words(value: str) -> str:
    """`value` with its encoded words read (RFC 2047); a character may be spread over several."""
    if "=?" not in value:
        return value
    made: list[tuple[str, bytes]] = []  # charset and bytes; no charset where it is UTF-8 of ours
    end = 0
    joined = BETWEEN.sub(r"\1", value)
    for number, found in enumerate(WORD.finditer(joined)):
        if number == MOST_WORDS:
            break
        made += [("", joined[end : found.start()].encode("utf-8", "replace"))]
        made += [(found[1].partition("*")[0].lower(), _word(found[2], found[3]))]
        end = found.end()
    made.append(("", joined[end:].encode("utf-8", "replace")))
    return "".join(decode_text(content, charset) for charset, content in _merge(made))


def is_plain(value: bytes) -> bool:
    """True for what reads the same in every charset."""
    return not OUTSIDE_ASCII.search(value)


def _merge(made: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Neighbours of one charset as one."""
    charset, content = "", b""
    for name, more in (pair for pair in made if pair[1]):
        if name != charset:
            yield charset, content
            charset, content = name, b""
        content += more
    yield charset, content


def _word(encoding: str, content: str) -> bytes:
    given = content.encode("ascii", "replace")
    if encoding.lower() == "q":
        return decodestring(given.replace(b"_", b" "))
    plain = re.sub(rb"[^A-Za-z0-9+/]", b"", given)
    return b64decode(plain + b"=" * (-len(plain) % 4) if len(plain) % 4 != 1 else plain[:-1])


@dataclass
class _Budget:
    parts: int = MOST_PARTS

    def take(self) -> None:
        self.parts -= 1
        if self.parts < 0:
            raise TooComplex(f"a mail has at most {MOST_PARTS} parts.")


def _parts(fields: Fields, body: bytes, budget: _Budget, depth: int) -> Iterator[Part]:
    budget.take()
    kind = _type(fields)
    boundary = _parameters(fields).get("boundary", "").encode("utf-8", "replace")
    inner = list(_divide(body, boundary)) if kind.startswith("multipart/") and boundary else []
    if not inner:
        yield Part(fields, kind, body)
        return
    if depth == DEEPEST:
        raise TooComplex(f"the parts of a mail are at most {DEEPEST} deep.")
    for lines in inner:
        yield from _parts(*split_mail(lines), budget, depth + 1)


def _divide(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between lines of a boundary; the last may lack its end."""
    line = re.compile(rb"(?:\A|\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\n|\Z)")
    found = line.search(body)
    number = 0
    while found and not found[1]:
        number += 1
        if number > MOST_PARTS:
            raise TooComplex(f"a mail has at most {MOST_PARTS} parts.")
        start = found.end()
        # one line break may end a part and begin the next boundary's line
        found = line.search(body, start - 1 if body[start - 1 : start] == b"\n" else start)
        yield body[start : max(start, found.start())] if found else body[start:]


def _type(fields: Fields) -> str:
    kind = fields.token("content-type")
    return kind if "/" in kind else "text/plain"


def _parameters(fields: Fields) -> dict[str, str]:
    """Of the Content-Type, names in lower case."""
    value = decode_text(fields.raw("content-type"))
    return {
        name.lower().rstrip("*"): quoted or plain
        for name, quoted, plain in PARAMETER.findall(value)
    }
