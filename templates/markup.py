"""HTML with Jinja in it, read without losing either: tags keep their places in the source.

Jinja's tags are first replaced by tokens of private-use characters, which mean nothing to HTML;
they come back when all work on the HTML is done.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from re import compile as pattern

from turbohtml import Token, TokenType, tokenize

from templates.attributes import decode_attribute
from templates.sources import BadTemplate, Piece, Place

OPEN, CLOSE = "\ue000", "\ue001"
TOKEN = pattern(f"{OPEN}(\\d+){CLOSE}")
# within one start tag, whose end the tokenizer found: WHATWG HTML §13.2.5.32 to §13.2.5.39
ATTRIBUTE = pattern(
    r"""[\s/]*(?P<name>=[^\s/>=]*|[^\s/>=]+)"""
    r"""(?:\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s>]*)))?"""
)
NAME = pattern(r"</?(?P<name>[^\s/>]+)")
WITHOUT_MARKUP = frozenset({  # what stands inside is not HTML
    "iframe", "noembed", "noframes", "plaintext", "script", "style", "textarea", "title", "xmp",
})  # fmt: skip
NOSCRIPT = "noscript"
LINE_END = pattern(r"\n")
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
        start, place = next(known for known in reversed(self.starts) if known[0] <= position)
        return replace(place, line=place.line + self.text.count("\n", start, position))

    def with_text(self, text: str) -> "Protected":
        """Another text with the same tags."""
        return replace(self, text=text)

    def named(self, text: str) -> Iterator[Piece]:
        """The tags in a stretch of the text."""
        return (self.tags[int(found[1])] for found in TOKEN.finditer(text))


@dataclass(frozen=True)
class Attribute:
    name: str
    value: str  # as written, entities and all
    start: int  # of the whole attribute, in the text
    end: int

    @property
    def decoded(self) -> str:
        return decode_attribute(self.value)


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

    @cached_property
    def attributes(self) -> Sequence[Attribute]:
        if not self.inside:
            return ()
        return [self._attribute(found) for found in ATTRIBUTE.finditer(self.inside)]

    def attribute(self, name: str) -> Attribute | None:
        """The first so called: browsers ignore all others."""
        return next((found for found in self.attributes if found.name == name), None)

    def _attribute(self, found: re.Match[str]) -> Attribute:
        kind = found.lastgroup or "name"
        name, value = found["name"], found[kind] if kind != "name" else ""
        start, end = found.start("name") + self.inside_start, found.end() + self.inside_start
        before, _, named = name.rpartition(CLOSE)  # `{% if x %}href="…"{% endif %}`
        if before and named:
            name, start = named, start + len(name) - len(named)
        return Attribute(name.lower(), value, start, end)


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


def scan(text: str, offset: int = 0) -> Iterator[Tag | Words]:
    """The tags of HTML and the words between them; comments and declarations are passed over.

    Positions count from `offset`.
    """
    position = 0
    within = ""
    for token, start in _markup(text):
        if start > position:
            yield from _words(text[position:start], position + offset, within)
        position, within = start + len(token.source or ""), ""
        if token.type in (TokenType.START_TAG, TokenType.END_TAG):
            tag = _tag(token, text[start:position], start + offset)
            yield tag
            within = tag.name if tag.is_open and tag.name in (*WITHOUT_MARKUP, NOSCRIPT) else ""
    if position < len(text):
        yield from _words(text[position:], position + offset, within)


def _markup(text: str) -> Iterator[tuple[Token, int]]:
    """Everything but text, and where it starts."""
    lines = [0, *(found.end() for found in LINE_END.finditer(text))]
    # a carriage return would count as part of a line end
    for token in tokenize(text.replace("\r", " "), capture_source=True, resolve_references=False):
        if token.type not in (TokenType.TEXT, TokenType.CHARACTER_REFERENCE):
            yield token, lines[token.line - 1] + token.col


def _tag(token: Token, source: str, start: int) -> Tag:
    name = NAME.match(source)
    inside = name.end() if name else 0
    return Tag(
        name=token.tag or "",
        is_end=token.type == TokenType.END_TAG,
        inside=source[inside:-1],
        start=start,
        end=start + len(source),
        inside_start=start + inside,
    )


def _words(text: str, start: int, within: str) -> Iterator[Tag | Words]:
    if within == NOSCRIPT:  # where scripts do not run, as in mail, it is like any other element
        yield from scan(text, start)
    else:
        yield Words(text, start, start + len(text), within)


def edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """`text` with each stretch (start, end) replaced; edits do not overlap."""
    parts, position = [], 0
    for start, end, replacement in sorted(edits):
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])
