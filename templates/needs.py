"""Finds the facts of a kind that a mail writes without asking whether they are there.

What is missing may be asked about, but whoever writes it gets no mail. Only what surely is written
unguarded is told; a guard is recognized generously.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import TemplateError, meta, nodes

from templates.compile import flat_mail
from templates.lint import METHODS, languages_of, pieces_of, place_finder, tree_of
from templates.markup import protect, restore
from templates.sources import Place

DEFAULTS = frozenset({"default", "d"})
# asking about what is missing is no harm
ASKING = (nodes.Test, nodes.Compare, nodes.Not, nodes.And, nodes.Or)
KEPT = (nodes.Assign, nodes.AssignBlock, nodes.With)  # for later, who knows for what
MAKING = ("store", "param")  # contexts of a name in jinja2
CERTAIN = (nodes.Template, nodes.Output, nodes.Concat, nodes.Scope)  # what is in them is written


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
        found |= _needs(source, owner, place_finder(places))
    return frozenset(found)


def needs_of_words(source: str, owner: str) -> frozenset[Need]:
    """As `needs_of_mail`, of a line of words."""
    return _needs(source, owner, lambda line: Place("message", line))


def _needs(source: str, owner: str, place_of: Callable[[int], Place]) -> frozenset[Need]:
    """None of what cannot be read, which is told elsewhere; or where the name is the author's."""
    try:
        tree = tree_of(source)
        if owner not in meta.find_undeclared_variables(tree) or _is_made(tree, owner):
            return frozenset()
    except TemplateError:
        return frozenset()
    owners = frozenset({owner, *_answers_about(tree, owner)})
    found = _Walk(owner, owners).walk(tree, is_always=True)
    return frozenset(Need(fact, place_of(line), is_always) for fact, line, is_always in found)


def _answers_about(tree: nodes.Template, owner: str) -> Iterator[str]:
    """Variables that may hold what was asked about it, such as `{% set has = event.a %}`."""
    for made in tree.find_all(KEPT):
        if _mentions(made, frozenset({owner})):
            yield from (one.name for one in _names_in(made) if one.ctx in MAKING)


@dataclass(frozen=True)
class _Walk:
    """Goes through a tree; what it does not know for sure to be written it tells as perhaps."""

    owner: str
    guards: frozenset[str]  # whoever asks about one of these has asked about the owner

    def walk(self, node: nodes.Node, *, is_always: bool) -> Iterator[tuple[str, int, bool]]:
        if fact := _fact(node, self.owner):
            yield fact, node.lineno, is_always
            return
        for one in self._inside(node):
            yield from self.walk(one, is_always=is_always and isinstance(node, CERTAIN))

    def _inside(self, node: nodes.Node) -> list[nodes.Node]:
        """The parts of a node in which whatever is missing would be written."""
        match node:
            case nodes.If():
                asked = [node.test, *(one.test for one in node.elif_)]
                return self._unless_guarded([*node.body, *node.elif_, *node.else_], asked)
            case nodes.CondExpr(test=test, expr1=one, expr2=other):
                return self._unless_guarded([one, *([other] if other else [])], [test])
            case nodes.For():
                asked = [node.iter, *([node.test] if node.test else [])]
                return self._unless_guarded([*node.body, *node.else_], asked)
            case nodes.With():
                return list(node.body)
            case nodes.Call():  # what is handed over may be asked about
                return [node.node]
            case nodes.Filter(name=name) if name in DEFAULTS:
                return []
            case _ if isinstance(node, (*ASKING, *KEPT)):
                return []
            case _:
                return list(node.iter_child_nodes())

    def _unless_guarded(
        self, inside: list[nodes.Node], asked: Sequence[nodes.Node]
    ) -> list[nodes.Node]:
        is_guarded = any(_mentions(one, self.guards) for one in asked)
        return [] if is_guarded else inside


def _is_made(tree: nodes.Template, owner: str) -> bool:
    """Whether the author calls something else by this name."""
    return any(one.name == owner and one.ctx in MAKING for one in _names_in(tree))


def _mentions(node: nodes.Node, names: frozenset[str]) -> bool:
    """Whether it asks about one of them; then what hangs on the answer is guarded, for us."""
    return any(one.name in names for one in _names_in(node))


def _names_in(node: nodes.Node) -> list[nodes.Name]:
    return [node] if isinstance(node, nodes.Name) else list(node.find_all(nodes.Name))


def _fact(node: nodes.Node, owner: str) -> str:
    match node:
        case (
            nodes.Getattr(node=nodes.Name(name=name), attr=str(fact))
            | nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(fact)))
        ) if name == owner and fact not in METHODS:
            return fact
        case _:
            return ""
