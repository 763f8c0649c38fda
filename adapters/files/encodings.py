"""In which encoding a text is written: named, marked, UTF-8, or what its bytes look like."""

import codecs
import re
from dataclasses import dataclass, field

from rekindle.errors import WrongUse

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UTF8 = "utf-8-sig"
# what programs that do not write UTF-8 write; the first of several that fit alike is the commonest
CANDIDATES = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r",
    "shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "cp437", "mac_roman",
)  # fmt: skip
NAMES = {"cp1252": "Windows-1252", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32"}
SAMPLE_BYTES = 1 << 16
HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
WESTERN = frozenset(
    "ÄÖÜäöüßàáâãåæçèéêëìíîïñòóôõøùúûÀÁÂÅÆÇÈÉÊËÍÑÓÔØÚœŒ€£§°«»„“”‘’–…\xa0".encode("cp1252")
)
MOST_UNCOUNTED = 40  # bytes beyond ASCII; charset-normalizer is right from some dozens on
UNDECODED = re.compile("[\udc80-\udcff]")  # bytes that were no characters


@dataclass
class Encodings:
    """Looks at a whole file, chunk by chunk, and then says in which encoding it is."""

    named: str = ""
    _marked: str = ""
    _is_first: bool = True
    _utf8: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("surrogateescape")
    )
    _good: int = 0  # characters beyond ASCII that are UTF-8, and bytes that are not
    _bad: int = 0
    _sample: bytearray = field(default_factory=bytearray)

    def look(self, chunk: bytes) -> None:
        """Take the next bytes of the file into account."""
        if self._is_first:
            self._is_first = False
            self._marked = _marked(chunk)
        if self.named or (self._marked and self._marked != UTF8):
            return
        text = self._utf8.decode(chunk)
        if text.isascii():
            return
        bad = len(UNDECODED.findall(text))
        self._bad += bad
        self._good += len(text) - len(text.encode("ascii", "ignore")) - bad
        if len(self._sample) < SAMPLE_BYTES:
            lines = chunk.split(b"\n")
            self._sample += b"\n".join(line for line in lines if not line.isascii())[:SAMPLE_BYTES]

    @property
    def found(self) -> str:
        """A name that Python knows."""
        if self.named:
            return self.named
        if self._marked:
            return self._marked
        # text in another encoding is hardly ever UTF-8 by chance: some bad bytes spoil their rows
        return _guessed(bytes(self._sample)) if self._bad and not self._good else UTF8


def parse_encoding(written: str) -> str:
    """The encoding of this name. Raises WrongUse."""
    try:
        found = codecs.lookup(written)
        "".encode(found.name)  # what is no encoding of text says so here
    except (LookupError, ValueError) as error:
        raise WrongUse(
            f"there is no encoding {written!r}; write for example utf-8, windows-1252 or utf-16."
        ) from error
    return UTF8 if found.name == "utf-8" else found.name


def shown_encoding(name: str) -> str:
    """As people call it."""
    return NAMES.get(name, name.replace("cp125", "Windows-125"))


def errors_of(encoding: str) -> str:
    """How bytes that cannot be read are marked, so that they spoil their own row only."""
    return "replace" if encoding.startswith(("utf-16", "utf-32", "utf_16")) else "surrogateescape"


def is_readable(text: str) -> bool:
    """Whether all bytes of a text that was read so were characters."""
    return text.isascii() or UNDECODED.search(text) is None


def _marked(head: bytes) -> str:
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    even, odd = head[0:400:2], head[1:400:2]
    if len(odd) > 1 and odd.count(0) > len(odd) * 0.4 and not even.count(0):
        return "utf-16-le"
    if len(odd) > 1 and even.count(0) > len(even) * 0.4 and not odd.count(0):
        return "utf-16-be"
    return ""


def _is_western(sample: bytes) -> bool:
    """Whether a few letters among ASCII are those of Western Europe: too few to count, as names in
    a short list are, so that any guess by frequency would be chance.
    """
    runs = HIGH_BYTES.findall(sample)
    if sum(map(len, runs)) > MOST_UNCOUNTED or any(len(run) > 2 for run in runs):
        return False
    return all(byte in WESTERN for run in runs for byte in run)


def _guessed(sample: bytes) -> str:
    if _is_western(sample):
        return "cp1252"
    from charset_normalizer import from_bytes  # slow, and most files say what they are

    best = from_bytes(sample, cp_isolation=list(CANDIDATES)).best()
    if best is None:
        return "cp1252"
    alike = {best.encoding, *best.could_be_from_charset}  # which read these very bytes as the same
    return next(name for name in CANDIDATES if name in alike)
