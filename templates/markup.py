"""HTML with Jinja in it, read without losing either: tags keep their places in the source.

Jinja's tags are first replaced by tokens of private-use characters, which mean nothing to HTML;
they come back when all work on the HTML is done.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from re import DOTALL
from re import compile as pattern

from templates.sources import BadTemplate, Piece, Place

OPEN, CLOSE = "\ue000", "\ue001"
TOKEN = pattern(f"{OPEN}(\\d+){CLOSE}")
MARKUP = pattern(
    r"<!--.*?-->|<!\[.*?\]>|<![^>]*>"
    r"""|<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]*)(?P<inside>(?:[^"'>]|"[^"]*"|'[^']*')*)>""",
    DOTALL,
)
ATTRIBUTE = pattern(
    r"""(?P<name>[^\s"'>/=]+)(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'=<>`]+)))?"""
)
WITHOUT_MARKUP = ("script", "style", "textarea", "title")  # what stands inside is not HTML
VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
})  # fmt: skip


@dataclass
class Protected:
    """A template's text with tokens for its Jinja tags. `tags` grows when tags are added."""

    text: str
    tags: list[Piece]
    starts: list[tuple[int, Place]] = field(default_factory=list)  # of text, before it was edited

    def token(self, source: str, place: Place) -> str:
        """A new tag, as a token to put into the text."""
        self.tags.append(Piece(source, place, "added"))
        return f"{OPEN}{len(self.tags) - 1}{CLOSE}"

    def place_at(self, position: int) -> Place:
        """The author's line of what stands at `position` of the text, which was not edited yet."""
        start, place = next(one for one in reversed(self.starts) if one[0] <= position)
        return replace(place, line=place.line + self.text.count("\n", start, position))

    def named(self, text: str) -> Iterator[Piece]:
        """The tags in a stretch of the text."""
        return (self.tags[int(found[1])] for found in TOKEN.finditer(text))


@dataclass(frozen=True)
class Attribute:
    name: str
    value: str  # as written, entities and all
    start: int  # of the whole attribute, in the text
    end: int


@dataclass(frozen=True)
class Tag:
    """A start or end tag of HTML, and where it stands in the text."""

    name: str
    is_end: bool
    inside: str  # what stands between the name and `>`
    start: int
    end: int
    inside_start: int

    @property
    def is_open(self) -> bool:
        """Starts an element that will be closed."""
        return not self.is_end and self.name not in VOID and not self.inside.endswith("/")

    def attributes(self) -> Iterator[Attribute]:
        for found in ATTRIBUTE.finditer(self.inside):
            value = found["double"] or found["single"] or found["bare"] or ""
            start, end = found.start() + self.inside_start, found.end() + self.inside_start
            yield Attribute(found["name"].lower(), value, start, end)

    def attribute(self, name: str) -> Attribute | None:
        return next((one for one in self.attributes() if one.name == name), None)


@dataclass(frozen=True)
class Words:
    """Text between tags; `within` names the element whose content is not HTML, such as style."""

    text: str
    start: int
    end: int
    within: str = ""


def protect(pieces: Iterable[Piece]) -> Protected:
    """Text and tags apart. Raises BadTemplate for text that uses the characters of our tokens."""
    protected = Protected("", [])
    texts: list[str] = []
    length = 0
    for piece in pieces:
        length += len(texts[-1]) if texts else 0
        protected.starts.append((length, piece.place))
        if piece.kind != "text":
            texts.append(f"{OPEN}{len(protected.tags)}{CLOSE}")
            protected.tags.append(piece)
        elif OPEN in piece.text or CLOSE in piece.text:
            raise BadTemplate(piece.place, "it holds private-use characters (U+E000, U+E001).")
        else:
            texts.append(piece.text)
    protected.text = "".join(texts)
    return protected


def restore(protected: Protected, text: str | None = None) -> tuple[str, list[tuple[int, Place]]]:
    """The source with its Jinja tags, and for each of them its line there and its place."""
    text = protected.text if text is None else text
    parts, places, end, line = [], list[tuple[int, Place]](), 0, 1
    for found in TOKEN.finditer(text):
        between, tag = text[end : found.start()], protected.tags[int(found[1])]
        line += between.count("\n")
        places.append((line, tag.place))
        line += tag.text.count("\n")
        parts += [between, tag.text]
        end = found.end()
    return "".join([*parts, text[end:]]), places


def scan(text: str) -> Iterator[Tag | Words]:
    """The tags of HTML and the words between them; comments and declarations are passed over."""
    position = 0
    within = ""
    for found in MARKUP.finditer(text):
        if found.start() < position:
            continue
        name = (found["name"] or "").lower()
        if within and not (found["end"] and name == within):
            continue
        if found.start() > position:
            yield Words(text[position : found.start()], position, found.start(), within)
        position, within = found.end(), ""
        if name:
            tag = Tag(
                name,
                bool(found["end"]),
                found["inside"],
                found.start(),
                found.end(),
                found.start("inside"),
            )
            yield tag
            within = name if tag.is_open and name in WITHOUT_MARKUP else ""
    if position < len(text):
        yield Words(text[position:], position, len(text), within)


def edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """`text` with each stretch (start, end) replaced; edits do not overlap."""
    parts, position = [], 0
    for start, end, replacement in sorted(edits):
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])
