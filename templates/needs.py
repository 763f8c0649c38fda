"""Finds the facts of a kind that a mail writes without asking whether they are there.

What is missing may be asked about, but whoever writes it gets no mail. Only what surely is written
unguarded is told; a guard is recognized generously.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from jinja2 import TemplateError, meta, nodes

from templates.compile import flat_mail
from templates.lint import METHODS, languages_of, pieces_of
from templates.markup import protect, restore
from templates.sandbox import HTML
from templates.sources import Place

DEFAULTS = frozenset({"default", "d"})
# asking about what is missing is no harm
ASKING = (nodes.Test, nodes.Compare, nodes.Not, nodes.And, nodes.Or)
KEPT = (nodes.Assign, nodes.AssignBlock)  # for later, who knows for what


@dataclass(frozen=True)
class Need:
    """One fact without which a mail cannot be written, at least sometimes."""

    fact: str  # what stands behind `event.`
    place: Place
    is_always: bool  # else where some condition holds, or some filter minds


def needs_of_mail(
    name: str, templates: Mapping[str, str], owner: str, *, language: str = "en"
) -> frozenset[Need]:
    """What the mail needs of `owner`, such as `event`, in any of its languages.

    Raises BadTemplate.
    """
    found: set[Need] = set()
    for wanted in languages_of(name, templates, language):
        flat, _sources = flat_mail(name, wanted, templates, language=wanted)
        source, places = restore(protect(pieces_of(flat)))
        found |= _needs(source, owner, _finder(places))
    return frozenset(found)


def needs_of_words(source: str, owner: str) -> frozenset[Need]:
    """As `needs_of_mail`, of a line of words."""
    return _needs(source, owner, lambda line: Place("message", line))


def _finder(places: Iterable[tuple[int, Place]]) -> Callable[[int], Place]:
    known = sorted(places, key=lambda one: one[0])
    return lambda line: [place for at, place in known if at <= line or at == known[0][0]][-1]


def _needs(source: str, owner: str, place_of: Callable[[int], Place]) -> frozenset[Need]:
    """None of what cannot be read, which is told elsewhere; or where the name is the author's."""
    try:
        tree = HTML.parse(source)
        if owner not in meta.find_undeclared_variables(tree):
            return frozenset()
    except TemplateError:
        return frozenset()
    found = _walk(tree, owner, is_always=True)
    return frozenset(Need(fact, place_of(line), is_always) for fact, line, is_always in found)


def _walk(node: nodes.Node, owner: str, *, is_always: bool) -> Iterator[tuple[str, int, bool]]:
    match node:
        case nodes.If() | nodes.CondExpr():
            inside: list[nodes.Node] = [] if _mentions(node.test, owner) else _but(node, node.test)
            is_always = False
        case nodes.For():
            inside = [] if _mentions(node.iter, owner) else _but(node, node.iter)
            is_always = False
        case nodes.Filter(name=name):
            inside = [] if name in DEFAULTS else list(node.iter_child_nodes())
            is_always = False
        case nodes.Macro() | nodes.CallBlock() | nodes.FilterBlock() | nodes.Call():
            inside, is_always = list(node.iter_child_nodes()), False
        case nodes.Getattr() | nodes.Getitem() if fact := _fact(node, owner):
            inside = []
            yield fact, node.lineno, is_always
        case _:
            inside = [] if isinstance(node, (*ASKING, *KEPT)) else list(node.iter_child_nodes())
    for one in inside:
        yield from _walk(one, owner, is_always=is_always)


def _but(node: nodes.Node, asked: nodes.Node | None) -> list[nodes.Node]:
    return [one for one in node.iter_child_nodes() if one is not asked]


def _mentions(node: nodes.Node, owner: str) -> bool:
    """Whether it asks about it; then what hangs on the answer is guarded, as far as we know."""
    names = [node] if isinstance(node, nodes.Name) else node.find_all(nodes.Name)
    return any(one.name == owner for one in names)


def _fact(node: nodes.Node, owner: str) -> str:
    match node:
        case (
            nodes.Getattr(node=nodes.Name(name=name), attr=str(fact))
            | nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(fact)))
        ) if name == owner and fact not in METHODS:
            return fact
        case _:
            return ""
