"""Guards that every template gets before it is compiled: at its loops, macros, joins and builds."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any, cast

from jinja2 import TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from templates.limits import CHARACTERS_A_TICK, bounded, check_length, weighed, weight, written
from templates.rendering import current

# names of guards, as filters; none of them can be written in a template
BUDGETED, JOINED, WEIGHED = "for every turn", "for ~", "for [] and {}"
TICK, CHARGED, BOUNDED = "for a macro", "for a comparison", "for a block"


class Guards(NodeTransformer):
    """Puts the guards where a template loops, calls, compares, joins and builds."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 (Jinja's name)
        if node.recursive:
            raise TemplateSyntaxError("a loop cannot be recursive here", node.lineno)
        ticks = _ticks(node)
        self.generic_visit(node)
        node.iter = _filtered(cast(nodes.Expr, node.iter), BUDGETED, ticks)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802
        return self._ticking(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        return self._ticking(node)

    def _ticking(self, node: nodes.Macro | nodes.CallBlock) -> nodes.Node:
        ticks = _ticks(node)
        self.generic_visit(node)
        tick = _filtered(nodes.Const("", lineno=node.lineno), TICK, ticks)
        node.body.insert(0, nodes.Output([tick], lineno=node.lineno))
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        # its own filters, if any, stand inside ours
        node.filter = nodes.Filter(node.filter, BOUNDED, [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), JOINED)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filtered(node.expr, CHARGED)
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, CHARGED)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.args = [_filtered(argument, CHARGED) for argument in node.args]
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        return self._weighing(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        return self._weighing(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        return self._weighing(node) if node.ctx == "load" else node

    def _weighing(self, node: nodes.List | nodes.Dict | nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, WEIGHED)


def _filtered(node: nodes.Expr, name: str, *arguments: int) -> nodes.Expr:
    if isinstance(node, nodes.Const) and name == CHARGED:
        return node
    constants: list[nodes.Expr] = [nodes.Const(one, lineno=node.lineno) for one in arguments]
    return nodes.Filter(node, name, constants, [], None, None, lineno=node.lineno)


def _ticks(node: nodes.Node) -> int:
    """What one turn of a loop, or one call of a macro, costs: by the text it writes."""
    characters = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
    return 1 + characters // CHARACTERS_A_TICK


class _Turns:
    """An iterable that spends a tick for each turn; knows its length where the original does."""

    def __init__(self, values: Iterable[Any], ticks: int) -> None:
        self._values = values
        self._ticks = ticks

    def __iter__(self) -> Iterator[Any]:
        spend, ticks = current().budget.spend, self._ticks
        for value in self._values:
            spend(ticks)
            yield value

    def __len__(self) -> int:
        return len(self._values)  # type: ignore[arg-type]  # a TypeError is what Jinja expects


@pass_context
def _budgeted(context: Context, values: Iterable[Any], ticks: int) -> Iterable[Any]:
    return values if isinstance(values, Undefined) else _Turns(values, ticks)


@pass_context
def _tick(context: Context, nothing: str, ticks: int) -> str:
    current().budget.spend(ticks)
    return nothing


@pass_context
def _charged(context: Context, value: Any) -> Any:
    if isinstance(value, Sized) and not isinstance(value, Undefined):
        current().budget.spend(weight(value))
    return value


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    return weighed(value)


@pass_context
def _bounded_text(context: Context, value: Any) -> Any:
    return bounded(value)


@pass_context
def _joined(context: Context, values: list[Any]) -> str:
    texts = [written(value) for value in values]
    check_length(sum(len(text) for text in texts if isinstance(text, str)))
    if context.eval_ctx.autoescape:
        return Markup("").join(texts)
    return "".join(map(str, texts))


# --- filters whose originals could grow without bound --------------------------------------------


@pass_context
def _join(
    context: Context, values: Iterable[Any], d: str = "", attribute: str | None = None
) -> str:
    if attribute is not None:
        values = [context.environment.getitem(value, attribute) for value in values]
    texts = [written(value) for value in values]
    sizes = (len(text) for text in texts if isinstance(text, str))
    check_length(len(str(d)) * len(texts) + sum(sizes))
    if context.eval_ctx.autoescape:
        return Markup("").join([Markup.escape(d)]).join(texts)
    return str(d).join(map(str, texts))


@pass_context
def _map(context: Context, values: Iterable[Any], *, attribute: str) -> list[Any]:
    """Only `map(attribute='name')`: naming a filter would go round the list of allowed ones."""
    return [context.environment.getitem(value, attribute) for value in values]


@pass_context
def _replace(context: Context, text: str, old: str, new: str) -> str:
    text, new = str(text) if not isinstance(text, Markup) else text, str(new)
    check_length(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


@pass_context
def _round(context: Context, number: float, precision: int = 0) -> float:
    if not 0 <= precision <= 12:
        raise SecurityError("round() takes 0 to 12 decimals.")
    return round(float(number), precision)


@pass_context
def _string(context: Context, value: Any) -> str:
    return str(written(value))


GUARDS: Mapping[str, Callable[..., Any]] = {
    BUDGETED: _budgeted, JOINED: _joined, WEIGHED: _weighed, TICK: _tick, CHARGED: _charged,
    BOUNDED: _bounded_text,
}  # fmt: skip
GUARDED_FILTERS: Mapping[str, Callable[..., Any]] = {
    "join": _join, "map": _map, "replace": _replace, "round": _round, "string": _string,
}  # fmt: skip


def _plain(value: Any) -> str:
    """In plain text nothing is escaped, and markup that an author calls safe loses its tags."""
    return Markup(value).striptags()


PLAIN_FILTERS: Mapping[str, Callable[..., Any]] = {
    "e": str, "escape": str, "lines": str, "safe": _plain,
}  # fmt: skip
