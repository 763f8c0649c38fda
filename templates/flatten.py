"""Turns a mail, its layouts and what they include into one flat template, ready to be worked on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from re import compile as pattern

from templates.sources import BadTemplate, Piece, Place, Sources, split

DEEPEST = 10  # layouts above a mail, and includes within includes
MOST_KEPT = 200  # sources as trees
APART = ("subject", "text")  # blocks that are not part of the HTML, but for the title
HOISTED = ("set", "import", "from", "macro")  # what may stand outside of blocks in a mail
TITLE = pattern(r"<title[^>]*>\s*$")


@dataclass(frozen=True)
class Block:
    """A `{% block %}` of one source."""

    name: str
    place: Place
    nodes: tuple["Node", ...]


Node = Piece | Block


@dataclass(frozen=True)
class Source:
    """One template as written: what it extends, and its pieces with its blocks as a tree."""

    parent: Piece | None
    nodes: tuple[Node, ...]


@dataclass
class Flat:
    """A mail without inheritance: three sequences of pieces."""

    html: list[Piece]
    subject: list[Piece]
    text: list[Piece] | None  # None: not written by hand
    unplaced: list[Block] = field(default_factory=list)  # blocks that no layout shows
    shown: frozenset[str] = frozenset()


def flatten(name: str, sources: Sources) -> Flat:
    """The mail called `name` (exactly) with every block, include and super() in its place.

    Raises BadTemplate for what cannot be resolved, or only when it is rendered.
    """
    return _Flattening(sources).flatten(name)


class _Flattening:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._blocks: dict[str, list[Block]] = {}  # the mail's own first, then its layouts'
        self._shown: set[str] = set()
        self._last_text = ""

    def flatten(self, name: str) -> Flat:
        chain = self._chain(name)
        for source in chain:
            for block in _blocks(source.nodes):
                self._blocks.setdefault(block.name, []).append(block)
        hoisted = [piece for source in reversed(chain[:-1]) for piece in _outside(source)]
        html = [*hoisted, *self._expand(chain[-1].nodes)]
        subject, text = (self._block(name) for name in APART)
        unplaced = [all_[0] for name, all_ in self._blocks.items() if name not in self._shown]
        return Flat(
            html=html,
            subject=[*hoisted, *subject] if subject else [],
            text=[*hoisted, *text] if text else None,
            unplaced=unplaced,
            shown=frozenset(self._shown),
        )

    def _chain(self, name: str) -> list[Source]:
        place = Place(name, 1)
        chain = [self._read(name, place)]
        while parent := chain[-1].parent:
            if len(chain) > DEEPEST:
                raise BadTemplate(parent.place, "the layouts extend each other in a circle.")
            chain.append(self._read(_literal(parent), parent.place))
        return chain

    def _read(self, name: str, place: Place) -> Source:
        return parse(*self._sources.load(name, place))

    def _block(self, name: str) -> list[Piece]:
        self._shown.add(name)
        if name not in self._blocks:
            return []
        return list(self._expand(self._blocks[name][0].nodes, name))

    def _expand(
        self, nodes: Sequence[Node], block: str = "", level: int = 0, depth: int = 0
    ) -> Iterator[Piece]:
        for node in nodes:
            if isinstance(node, Block):
                if node.name not in APART or (node.name == "subject" and self._is_in_title()):
                    yield from self._version(node.name, 0, node.place, depth)
            elif node.words == ("super", "(", ")"):
                yield from self._version(block, level + 1, node.place, depth)
            elif node.words[:2] == ("self", ".") and node.words[3:] == ("(", ")"):
                yield from self._version(node.words[2], 0, node.place, depth)
            elif node.keyword == "include":
                yield from self._included(node, depth)
            else:
                self._last_text = node.text if node.kind == "text" else ""
                yield _checked(node)

    def _is_in_title(self) -> bool:
        return bool(TITLE.search(self._last_text))

    def _version(self, name: str, level: int, place: Place, depth: int) -> Iterator[Piece]:
        versions = self._blocks.get(name, [])
        if level >= len(versions):
            raise BadTemplate(place, f"there is no block {name!r} above this one.")
        if depth > DEEPEST:
            raise BadTemplate(place, f"block {name!r} contains itself.")
        self._shown.add(name)
        yield from self._expand(versions[level].nodes, name, level, depth + 1)

    def _included(self, piece: Piece, depth: int) -> Iterator[Piece]:
        if depth > DEEPEST:
            raise BadTemplate(piece.place, "the templates include each other in a circle.")
        if "ignore" in piece.words and not self._sources.find(_literal(piece)):
            return
        included = self._read(_literal(piece), piece.place)
        yield from self._expand(_without_blocks(included.nodes), depth=depth + 1)


@lru_cache(MOST_KEPT)
def parse(name: str, source: str) -> Source:
    """A source as a tree of blocks: every mail and language goes through the same layouts.

    Raises BadTemplate.
    """
    parent: Piece | None = None
    open_blocks: list[tuple[Piece, list[Node]]] = []
    nodes: list[Node] = []
    for piece in split(name, source):
        if piece.keyword == "extends":
            parent = piece
        elif piece.keyword == "block":
            open_blocks.append((piece, nodes))
            nodes = []
        elif piece.keyword == "endblock":
            begin, outer = open_blocks.pop()
            outer.append(Block(begin.words[1], begin.place, tuple(nodes)))
            nodes = outer
        else:
            nodes.append(piece)
    return Source(parent, tuple(nodes))


def _blocks(nodes: Sequence[Node]) -> Iterator[Block]:
    seen: set[str] = set()
    for block in _all_blocks(nodes):
        if block.name in seen:
            raise BadTemplate(block.place, f"block {block.name!r} is there twice.")
        seen.add(block.name)
        yield block


def _all_blocks(nodes: Sequence[Node]) -> Iterator[Block]:
    for node in nodes:
        if isinstance(node, Block):
            yield node
            yield from _all_blocks(node.nodes)


def _without_blocks(nodes: Sequence[Node]) -> list[Piece]:
    """The pieces of what is included; its blocks are nobody's to fill."""
    return [
        piece
        for node in nodes
        for piece in (_without_blocks(node.nodes) if isinstance(node, Block) else [node])
    ]


def _outside(source: Source) -> Iterator[Piece]:
    """What a mail sets, imports and defines outside of its blocks; the rest is never shown."""
    ends: list[str] = []
    for node in source.nodes:
        if isinstance(node, Block):
            continue
        if not ends and node.kind == "statement" and node.keyword not in HOISTED:
            message = f"outside of blocks there is room for {', '.join(HOISTED)} only,"
            raise BadTemplate(node.place, f"{message} not for {node.keyword}.")
        if node.keyword == "macro" or (node.keyword == "set" and "=" not in node.words):
            ends.append(f"end{node.keyword}")
        if ends or node.kind == "statement":
            yield node
        if ends and node.keyword == ends[-1]:
            ends.pop()


def _literal(piece: Piece) -> str:
    """The name after `extends` or `include`."""
    written = piece.words[1] if len(piece.words) > 1 else ""
    if written[:1] not in ("'", '"'):
        message = f"{piece.keyword} needs a name in quotes; it cannot be computed."
        raise BadTemplate(piece.place, message)
    return written[1:-1]


def _checked(piece: Piece) -> Piece:
    if piece.kind == "expression" and "super" in piece.words:
        raise BadTemplate(piece.place, "super() stands alone, as in {{ super() }}.")
    if piece.kind == "expression" and piece.words[:2] == ("self", "."):
        raise BadTemplate(piece.place, "self.NAME() stands alone, as in {{ self.subject() }}.")
    return piece
