"""Derives a mail's plain text from its HTML template, once; Jinja's tags stay where they are.

Marks stand for line and paragraph breaks until a mail is rendered, because only then is it known
what is empty.
"""

import re
from dataclasses import dataclass, field
from html import unescape
from re import compile as pattern

from templates.addresses import clean_address
from templates.attributes import decode_attribute
from templates.markup import TOKEN, Protected, Tag, Words, scan
from templates.stylesheets import read_declarations

PARAGRAPH, LINE, CELL = "\ue010", "\ue011", "\ue012"
ISOLATE, END_ISOLATE = "\ue013", "\ue014"  # what stands between must not disturb its direction
PARAGRAPHS = frozenset({
    "address", "article", "blockquote", "dl", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul",
})  # fmt: skip
LINES = frozenset({"br", "center", "dd", "div", "dt", "figcaption", "figure", "li", "tr"})
CELLS = frozenset({"td", "th"})
UNSEEN = frozenset({"head", "script", "style", "template", "title"})
MARKS = pattern(f"[{PARAGRAPH}{LINE}{CELL}][\\s{PARAGRAPH}{LINE}{CELL}]*")
SPACE = pattern(r"[ \t\r\n\f]+")
INVISIBLE = {("display", "none"), ("visibility", "hidden")}


def derive_text(protected: Protected) -> str:
    """The text template, still with tokens for Jinja's tags."""
    walk = _Walk(protected)
    for found in scan(protected.text):
        walk.see_tag(found) if isinstance(found, Tag) else walk.see_words(found)
    return "".join(walk.parts)


def lay_out(rendered: str, direction: str = "ltr") -> str:
    """The rendered text with each run of marks turned into the widest break among them."""
    is_rtl = direction == "rtl"
    text = rendered.replace(ISOLATE, "\u2068" if is_rtl else "")
    text = text.replace(END_ISOLATE, "\u2069" if is_rtl else "")
    return MARKS.sub(_break, text).strip() + "\n"


def _break(found: re.Match[str]) -> str:
    marks = found[0]
    if PARAGRAPH in marks:
        return "\n\n"
    return "\n" if LINE in marks else "  "


@dataclass
class _Walk:
    """Goes through the HTML once, writing text."""

    protected: Protected
    parts: list[str] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)  # address, where its words began
    unseen: list[str] = field(
        default_factory=list
    )  # open elements that nobody sees, outermost first

    def see_words(self, words: Words) -> None:
        if self.unseen or words.within in UNSEEN:
            self._keep_statements(words.text)
        else:
            self._write(_without_entities(SPACE.sub(" ", words.text)))

    def see_tag(self, tag: Tag) -> None:
        if self.unseen:
            self._leave_or_deepen(tag)
        elif not tag.is_end and _is_unseen(tag):
            self.unseen += [tag.name] if tag.is_open else []
        else:
            self._write_tag(tag)

    def _leave_or_deepen(self, tag: Tag) -> None:
        self._keep_statements(tag.inside)
        if tag.name != self.unseen[0]:
            return
        if tag.is_open:
            self.unseen.append(tag.name)
        elif tag.is_end:
            self.unseen.pop()

    def _keep_statements(self, text: str) -> None:
        for found in TOKEN.finditer(text):
            tag = self.protected.tags[int(found[1])]
            if tag.kind == "statement":
                self.parts.append(found[0])

    def _write_tag(self, tag: Tag) -> None:
        if tag.name in PARAGRAPHS:
            self._mark(PARAGRAPH)
        elif tag.name in LINES:
            self._mark(LINE)
        elif tag.name in CELLS:
            self._mark(CELL)
        if tag.name == "li" and not tag.is_end:
            self.parts.append("- ")
        elif tag.name == "img" and (words := tag.attribute("alt")):
            self.parts.append(_kept(words.decoded))
        elif tag.name == "bdi":
            self.parts.append(END_ISOLATE if tag.is_end else ISOLATE)
        elif tag.name == "a":
            self._end_link() if tag.is_end else self._begin_link(tag)

    def _mark(self, mark: str) -> None:
        if self.parts:
            self.parts[-1] = self.parts[-1].rstrip(" ")
        self.parts.append(mark)

    def _write(self, text: str) -> None:
        """Add text; a space next to a mark means nothing."""
        before = next((part for part in reversed(self.parts) if part), PARAGRAPH)
        self.parts.append(text.lstrip(" ") if before[-1] in (PARAGRAPH, LINE, CELL) else text)

    def _begin_link(self, tag: Tag) -> None:
        href = tag.attribute("href")
        self.links.append((_address(href.value) if href else "", len(self.parts)))

    def _end_link(self) -> None:
        if not self.links:
            return
        address, began = self.links.pop()
        words = "".join(self.parts[began:]).strip()
        if (
            address
            and not address.startswith("#")
            and words not in (address, address.partition(":")[2])
        ):
            self.parts.append(f" <{address}>" if words else f"<{address}>")


def _is_unseen(tag: Tag) -> bool:
    style = tag.attribute("style")
    return (
        tag.name in UNSEEN
        or tag.attribute("hidden") is not None
        or (style is not None and _hides(style.decoded))
    )


def _hides(style: str) -> bool:
    return any(
        (declaration.name, declaration.value.lower()) in INVISIBLE
        for declaration in read_declarations(style)
    )


def _without_entities(text: str) -> str:
    """Text with its entities resolved."""
    return _kept(unescape(text) if "&" in text else text)


def _address(written: str) -> str:
    """The address of a link, its computed parts taken to begin with a letter or figure."""
    literals = TOKEN.split(written)[::2]
    tokens = [found[0] for found in TOKEN.finditer(written)]
    decoded = [decode_attribute(f"{literal}x")[:-1] for literal in literals[:-1]]
    parts = zip([*decoded, decode_attribute(literals[-1])], [*tokens, ""], strict=True)
    return _kept(clean_address("".join(f"{literal}{token}" for literal, token in parts)))


def _kept(plain: str) -> str:
    """Text for a template: its braces do not turn into Jinja's."""
    if "{" not in plain:
        return plain.replace("\xa0", " ")
    return pattern(r"\{(?=[{%#])").sub('{{ "{" }}', plain)
