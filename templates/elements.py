"""Which elements of a page a selector means; an element is known by where its start tag begins."""

from collections.abc import Sequence
from functools import cached_property

from turbohtml import Document, Element, SelectorSyntaxError, parse

from templates.markup import TOKEN, Words, edited, scan

UNSTYLED = frozenset({"base", "head", "link", "meta", "script", "style", "title"})


class Page:
    """A template or a mail as the tree that a browser makes of it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[str, frozenset[int]] = {}

    def matching(self, selector: str) -> frozenset[int]:
        """Return the elements that a selector means; none where it is not understood."""
        if selector not in self._found:
            self._found[selector] = self._select(selector)
        return self._found[selector]

    @property
    def elements(self) -> frozenset[int]:
        """Return all that are written in the page and can be styled."""
        return self.matching("*")

    def unsteady(self, regions: Sequence[tuple[int, int]]) -> frozenset[int]:
        """Return the elements beside which others come and go, with the regions of the text."""
        unsteady: set[int] = set()
        for parent in self._tree.select("*"):
            inside = [element for element in parent.children if isinstance(element, Element)]
            starts = {start for element in inside if (start := _start(element)) is not None}
            own = _start(parent)
            if any(
                begin <= start < end and not (own is not None and begin <= own < end)
                for begin, end in regions
                for start in starts
            ):
                unsteady |= starts
        return frozenset(unsteady)

    def _select(self, selector: str) -> frozenset[int]:
        try:
            found = self._tree.select(selector)
        except SelectorSyntaxError:
            return frozenset()
        starts = (_start(element) for element in found if element.tag not in UNSTYLED)
        return frozenset(start for start in starts if start is not None)

    @cached_property
    def _tree(self) -> Document:
        # a token between rows would be text, which a browser moves out of the table
        blanks = [
            (words.start, words.end, TOKEN.sub(lambda token: " " * len(token[0]), words.text))
            for words in scan(self._text)
            if isinstance(words, Words) and TOKEN.search(words.text)
        ]
        return parse(edited(self._text, blanks), source_locations=True)


def _start(element: Element) -> int | None:
    """Return where its start tag begins; None if only the browser puts it there, as a tbody."""
    location = element.source_location
    return location.start_tag.start_offset if location else None
