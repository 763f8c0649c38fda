"""Reads CSS: rules and their selectors, apart from what must stay in the head of a mail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from re import compile as pattern

from tinycss2 import parse_blocks_contents, parse_stylesheet, serialize
from tinycss2.ast import AtRule as AtRuleNode
from tinycss2.ast import Declaration as DeclarationNode
from tinycss2.ast import (
    FunctionBlock,
    HashToken,
    IdentToken,
    LiteralToken,
    Node,
    QualifiedRule,
    SquareBracketsBlock,
    WhitespaceToken,
)

Specificity = tuple[int, int, int]
Tokens = Sequence[Node]

COMBINATORS = (">", "+", "~")
BESIDE = ("+", "~")
# true of an element only among the neighbours, or with the content, it will have once rendered
PLACES = frozenset({
    "first-child", "first-of-type", "last-child", "last-of-type", "nth-child", "nth-last-child",
    "nth-last-of-type", "nth-of-type", "only-child", "only-of-type",
})  # fmt: skip
CONTENTS = frozenset({"empty", "has"})
STRUCTURAL = PLACES | CONTENTS | {"is", "not", "where"}
# known to every browser, and nothing that a style attribute can say
STATES = frozenset({
    "active", "after", "any-link", "before", "checked", "disabled", "enabled", "first-letter",
    "first-line", "focus", "focus-visible", "focus-within", "hover", "lang", "link", "marker",
    "placeholder", "root", "selection", "target", "visited",
})  # fmt: skip
GENERATED = frozenset({
    "after", "before", "first-letter", "first-line", "marker", "placeholder", "selection",
})  # fmt: skip
CONDITIONS = ("container", "media", "supports")  # at-rules around rules of the same weight
BORDER_SIDE = pattern(r"border-(?:top|right|bottom|left)\b")
BORDER_PART = pattern(r"border-(?:width|style|color)$")


@dataclass(frozen=True)
class Declaration:
    name: str
    value: str
    is_important: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.value}{' !important' if self.is_important else ''}"


@dataclass(frozen=True)
class Selector:
    """One of the selectors of a rule, between commas."""

    text: str
    bare: str  # without states and places among neighbours
    compounds: tuple[str, ...]  # what stands between its combinators, bare
    specificity: Specificity
    attributes: frozenset[str]  # that it asks for
    is_static: bool  # true or not whatever the reader does
    is_known: bool  # to every browser; else the whole rule is nothing to some
    is_generated: bool  # of content that is no element
    looks_beside: bool  # at neighbours
    looks_inside: bool  # at what an element holds

    @property
    def looks_up(self) -> bool:
        return len(self.compounds) > 1


@dataclass(frozen=True)
class StyleRule:
    text: str  # as a whole
    body: str  # what stands between its braces
    selectors: tuple[Selector, ...]
    declarations: tuple[Declaration, ...]  # those that a style attribute can hold
    rest: str  # custom properties and nested rules

    @property
    def is_splittable(self) -> bool:
        return all(selector.is_known for selector in self.selectors)


@dataclass(frozen=True)
class AtRule:
    """`rules` are those inside, if they weigh as much as those around; `text` is the whole."""

    text: str
    head: str = ""
    rules: tuple["Rule", ...] | None = None


Rule = StyleRule | AtRule


@lru_cache(maxsize=200)
def read_sheet(css: str) -> tuple[Rule, ...]:
    """Return the rules of a style element, what browsers pass over left out."""
    try:
        return tuple(_rules(parse_stylesheet(css, skip_comments=True, skip_whitespace=True)))
    except RecursionError:  # brackets within brackets without end: it stays as it is
        return (AtRule(css),)


@lru_cache(maxsize=2000)
def read_declarations(css: str) -> tuple[Declaration, ...]:
    """Return those of a style attribute."""
    try:
        return _declarations(parse_blocks_contents(css, skip_comments=True, skip_whitespace=True))
    except RecursionError:
        return ()


@lru_cache(maxsize=5000)
def overlap(name: str, other: str) -> bool:
    """Tell whether two properties set something in common, such as `margin` and `margin-top`."""
    if name == other or "all" in (name, other) or {name, other} == {"font", "line-height"}:
        return True
    if name.startswith("border-") and other.startswith("border-"):
        sides, parts = BORDER_SIDE.match, BORDER_PART.match
        if (sides(name) and parts(other)) or (parts(name) and sides(other)):
            return True
    return name.startswith(f"{other}-") or other.startswith(f"{name}-")


def _rules(nodes: Tokens) -> Iterator[Rule]:
    for node in nodes:
        if isinstance(node, QualifiedRule):
            yield _style_rule(node)
        elif isinstance(node, AtRuleNode):
            yield _at_rule(node)


def _at_rule(node: AtRuleNode) -> AtRule:
    if node.content is None or node.lower_at_keyword not in CONDITIONS:
        return AtRule(node.serialize())
    inside = parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
    head = f"@{node.at_keyword}{serialize(node.prelude)}".strip()
    return AtRule(node.serialize(), head, tuple(_rules(inside)))


def _style_rule(node: QualifiedRule) -> StyleRule:
    inside = parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
    custom = [node for node in inside if isinstance(node, DeclarationNode) and _is_custom(node)]
    nested = [node for node in inside if isinstance(node, QualifiedRule | AtRuleNode)]
    rest = [
        *(f"{declaration.serialize().strip()};" for declaration in custom),
        *(rule.serialize() for rule in nested),
    ]
    return StyleRule(
        text=node.serialize(),
        body=serialize(node.content).strip(),
        selectors=tuple(_selector(tokens) for tokens in _split(node.prelude, ",")),
        declarations=_declarations(inside),
        rest=" ".join(rest),
    )


def _declarations(nodes: Tokens) -> tuple[Declaration, ...]:
    return tuple(
        Declaration(node.lower_name, serialize(node.value).strip(), node.important)
        for node in nodes
        if isinstance(node, DeclarationNode) and not _is_custom(node)
    )


def _is_custom(node: DeclarationNode) -> bool:
    return bool(node.name.startswith("--"))


def _split(tokens: Tokens, at: str) -> list[list[Node]]:
    parts: list[list[Node]] = [[]]
    for token in tokens:
        if token == at:
            parts.append([])
        elif token.type != "comment":
            parts[-1].append(token)
    return parts


def _selector(tokens: Tokens) -> Selector:
    tokens = _stripped(tokens)
    parts, pseudos = _compounds(tokens), set(_pseudos(tokens))
    blocks = [token for token in tokens if isinstance(token, SquareBracketsBlock)]
    return Selector(
        text=serialize(tokens),
        bare=serialize(_without_pseudos(tokens)),
        compounds=tuple(serialize(_without_pseudos(part)) or "*" for part in parts),
        specificity=_specificity(tokens),
        attributes=frozenset(filter(None, map(_attribute_name, blocks))),
        is_static=pseudos <= STRUCTURAL,
        is_known=bool(parts) and pseudos <= STRUCTURAL | STATES,
        is_generated=bool(pseudos & GENERATED),
        looks_beside=bool(pseudos & PLACES) or any(map(_is_sibling, tokens)),
        looks_inside=bool(pseudos & CONTENTS),
    )


def _stripped(tokens: Tokens) -> list[Node]:
    kept = list(tokens)
    while kept and isinstance(kept[0], WhitespaceToken):
        kept.pop(0)
    while kept and isinstance(kept[-1], WhitespaceToken):
        kept.pop()
    return kept


def _compounds(tokens: Tokens) -> list[list[Node]]:
    parts: list[list[Node]] = [[]]
    for token in tokens:
        if isinstance(token, WhitespaceToken) or (_is_literal(token) and token in COMBINATORS):
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


def _pseudos(tokens: Tokens) -> Iterator[str]:
    """Yield the names of pseudo-classes and pseudo-elements, those inside of :not() included."""
    for before, token in pairwise(tokens):
        if before == ":" and isinstance(token, IdentToken):
            yield token.lower_value
        elif before == ":" and isinstance(token, FunctionBlock):
            yield token.lower_name
            yield from _pseudos(token.arguments)


def _without_pseudos(tokens: Tokens) -> list[Node]:
    kept: list[Node] = []
    is_pseudo = False
    for token in tokens:
        if token == ":":
            is_pseudo = True
        elif is_pseudo and isinstance(token, IdentToken | FunctionBlock):
            is_pseudo = False
        else:
            kept.append(token)
    return kept


def _specificity(tokens: Tokens) -> Specificity:
    """Return how much the selector weighs (Selectors 4 §17)."""
    ids, classes, types = 0, 0, 0
    before: list[object] = ["", ""]
    for token in tokens:
        if isinstance(token, HashToken):
            ids += 1
        elif isinstance(token, SquareBracketsBlock):
            classes += 1
        elif isinstance(token, FunctionBlock):
            of = _specificity_of_function(token)
            ids, classes, types = ids + of[0], classes + of[1], types + of[2]
        elif isinstance(token, IdentToken):
            is_element = before[1] == ":" and (before[0] == ":" or token.lower_value in GENERATED)
            is_class = before[1] == "." or (before[1] == ":" and not is_element)
            classes, types = classes + is_class, types + (not is_class)
        before = [before[1], token]
    return ids, classes, types


def _specificity_of_function(token: FunctionBlock) -> Specificity:
    match token.lower_name:
        case "where":
            return 0, 0, 0
        case "is" | "not" | "has":
            return max(map(_specificity, _split(token.arguments, ",")))
        case _:
            return 0, 1, 0


def _attribute_name(block: SquareBracketsBlock) -> str:
    names = (token.lower_value for token in block.content if isinstance(token, IdentToken))
    return next(names, "")


def _is_sibling(token: Node) -> bool:
    return _is_literal(token) and token in BESIDE


def _is_literal(token: Node) -> bool:
    return isinstance(token, LiteralToken)
