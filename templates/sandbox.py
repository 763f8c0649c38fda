"""Where marketers' templates run: they read what they are given and write text, nothing else.

Jinja's own sandbox keeps templates away from Python's insides. What it leaves open is closed here:
loops and macros spend a budget, no text or number grows without bound, only harmless methods,
filters and functions exist, and what a mail cannot show (a list, a function) is an error.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, nodes
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from templates.filters import OWN_FILTERS, TRACKED, signed_link
from templates.guards import GUARDED_FILTERS, GUARDS, PLAIN_FILTERS, Guards
from templates.limits import (
    added,
    bounded,
    charged,
    check_length,
    limited_range,
    multiplied,
    written,
)
from templates.rendering import current

ALLOWED_FILTERS = frozenset({
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float",
    "groupby", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min",
    "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "sort",
    "string", "striptags", "sum", "title", "trim", "truncate", "unique", "upper", "urlencode",
    "wordcount",
})  # fmt: skip
ALLOWED_TESTS = frozenset({
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "ge", "greaterthan",
    "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none",
    "number", "odd", "sameas", "sequence", "string", "true", "undefined", "upper",
    "==", "!=", ">", ">=", "<", "<=",
})  # fmt: skip
PARTS_AT_ONCE = 200  # of a rendered text, before its length is looked at
ALLOWED_GLOBALS = ("dict", "namespace", "range")
ALLOWED_ATTRIBUTES: tuple[tuple[type, frozenset[str]], ...] = (
    (str, frozenset({
        "capitalize", "count", "endswith", "find", "isalpha", "isdigit", "lower", "lstrip",
        "removeprefix", "removesuffix", "rstrip", "split", "startswith", "strip", "title", "upper",
    })),
    (Mapping, frozenset({"get", "items", "keys", "values"})),
    (list, frozenset({"count", "index"})),
    (tuple, frozenset({"count", "index", "grouper", "list"})),
    (datetime, frozenset({
        "date", "day", "hour", "isoweekday", "minute", "month", "second", "time", "weekday", "year",
    })),
    (date, frozenset({"day", "isoweekday", "month", "weekday", "year"})),
    (time, frozenset({"hour", "minute", "second"})),
    (timedelta, frozenset({"days", "seconds", "total_seconds"})),
    (LoopContext, frozenset({
        "changed", "cycle", "depth", "first", "index", "index0", "last", "length", "nextitem",
        "previtem", "revindex", "revindex0",
    })),
)  # fmt: skip


class Facts(dict[str, Any]):
    """What a template is told about one thing; asking for what is not there names that thing."""

    def __init__(self, name: str, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self.name = name


class Missing(Undefined):
    """A fact that this customer or event does not have: may be asked about, never written."""

    __slots__ = ()

    def __str__(self) -> str:
        raise UndefinedError(self._undefined_message)


class SafeEnvironment(ImmutableSandboxedEnvironment):
    """Compiles templates with every guard in place."""

    intercepted_binops = frozenset({"+", "*", "%", "**"})

    def __init__(self, *, is_html: bool) -> None:
        super().__init__(autoescape=is_html, undefined=StrictUndefined, finalize=written)
        self.is_html = is_html
        kept = {name: self.filters[name] for name in ALLOWED_FILTERS}
        special = {**GUARDED_FILTERS, **OWN_FILTERS, **({} if is_html else PLAIN_FILTERS)}
        self.filters = {name: charged(name, one) for name, one in (kept | special).items()}
        self.filters |= {**GUARDS, TRACKED: signed_link}
        self.tests = {name: self.tests[name] for name in ALLOWED_TESTS}
        self.globals = {name: self.globals[name] for name in ALLOWED_GLOBALS} | {
            "range": limited_range
        }

    def _generate(
        self,
        source: nodes.Template,
        name: str | None,
        filename: str | None,
        defer_init: bool = False,
    ) -> str:
        return super()._generate(Guards().visit(source), name, filename, defer_init)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, dict) and attribute in obj:  # nearly always
            return obj[attribute]
        if isinstance(obj, Mapping):
            return self._from_mapping(obj, attribute)
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping):
            return self._from_mapping(obj, argument)
        return super().getitem(obj, argument)

    def _from_mapping(self, obj: Mapping[Any, Any], key: Any) -> Any:
        if key in obj:
            return obj[key]
        if isinstance(key, str) and self.is_safe_attribute(obj, key, None):
            return getattr(obj, key)
        if isinstance(obj, Facts):
            return Missing(f"{obj.name} has no {key!r}")
        return Missing(obj=obj, name=key)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, Namespace | TemplateModule):
            return not attr.startswith("_")
        return any(isinstance(obj, kind) and attr in safe for kind, safe in ALLOWED_ATTRIBUTES)

    def wrap_str_format(self, value: Any) -> None:
        """`str.format` stays away: Jinja would let it pass, and its padding knows no bounds."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        match operator:
            case "**":
                raise SecurityError("'**' is not there in templates.")
            case "+":
                return added(left, right)
            case _:
                return multiplied(operator, left, right, super().call_binop, context)

    # `__self` and `__context` are Jinja's names: keywords of a call must not clash with them
    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        current().budget.spend(1)
        return bounded(super().call(__context, __obj, *args, **kwargs))


HTML = SafeEnvironment(is_html=True)
WORDS = SafeEnvironment(is_html=False)


def run(template: Template, values: Mapping[str, Any]) -> str:
    """Render, and stop at the longest text a mail may have. Raises what the template raises."""
    names = {**template.globals, **values}
    stream = template.root_render_func(template.new_context(names, shared=True))
    text = ""
    while more := "".join(islice(stream, PARTS_AT_ONCE)):
        text += more
        check_length(len(text))
    return text
