"""Renders every filter, operator and method over hostile values; the kernel ends it if it hangs.

Run by `test_hostile_facts`, which says for how many seconds of the processor.
"""

import re
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import product

from templates.facts import LONGEST_FACT, MOST_VALUES, bounded_facts
from templates.filters import OWN_FILTERS
from templates.rendering import Rendering, under_way
from templates.sandbox import ALLOWED_FILTERS, HTML, run

MEMORY = 2_000_000_000  # bytes
L = LONGEST_FACT
VALUES = {
    "exponent": "1e999999", "small": "1e-999999", "nothing": "0e999999", "digits": "9" * L,
    "infinite": "Infinity", "none": "nan", "whole": 2**126, "float": 1e308, "tags": "<>" * (L // 2),
    "comments": "<!---->" * (L // 7), "open": "<!--" * (L // 4), "entities": "&amp;" * (L // 5),
    "lines": "\n" * L, "numbers": "{n}" * (L // 3), "late": "9999-12-31T23:59:59-12:00",
    "padding": "%1000000d", "list": list(range(MOST_VALUES - 1)), "lists": [[1] * 69] * 70,
    "rows": [{"a": n, "b": str(n)} for n in range(1_600)],
    "mapping": {str(n): n for n in range(4_900)},
}  # fmt: skip
FEW = ("exponent", "digits", "whole", "tags", "numbers", "lists")  # for what takes two values
ARGUMENTS = {
    "replace": ["('x', 'y')", "('', 'yy')", "(v, w)", "('9', w)"],
    "join": ["", "(w)", "(attribute='a')"],
    "map": ["(attribute='a')"], "truncate": ["(10)", "(1000000000)", "(w|int)"],
    "round": ["", "(12)", "(w|int)"],
    "plural": ["(other='{n}')", "(other=w)", "(other='x', one=w)"], "money": ["('EUR')", "(w)"],
    "number": ["", "(6)", "(w|int)"], "date": ["", "('time')"], "groupby": ["('a')"],
    "sort": ["", "(attribute='a')"], "sum": ["", "(start=[])", "(attribute='a')"],
    "selectattr": ["('a')", "('a', 'eq', 1)"], "rejectattr": ["('a')"], "select": ["", "('in', w)"],
    "reject": ["", "('eq', w)"], "min": ["", "(attribute='a')"], "int": ["", "(0, 36)", "(0, 2)"],
    "default": ["(w)"],
}  # fmt: skip
METHODS = (
    "count('x')", "endswith(w)", "find('xxy')", "find(w)", "lower()", "removeprefix(w)",
    "split('')", "split(w)", "strip(w)", "title()", "upper()", "index(-1)", "get(w)", "items()",
)  # fmt: skip
OPERATIONS = (
    "v * w", "v + w", "v % w", "v - w", "v // w", "v / w", "-v", "v == w", "v in w", "v < w",
    "v[::-1]", "v ~ w", "range(v)", "range(v|int)", "v[w]", "v|int * v|int", "v|float|int|number",
    "v|int(0, 36)|string", "v|lines|striptags", "v|safe|striptags", "v|length|plural(other=w)",
    "[v, w]|join(w)", "v is divisibleby 7", "v is in w", "'%s' % v", "v * 1000000",
    "dict(a=v, b=v)",
)  # fmt: skip


def expressions() -> Iterator[str]:
    for name in sorted(ALLOWED_FILTERS | set(OWN_FILTERS)):
        for arguments in ARGUMENTS.get(name, [""]):
            yield f"v|{name}{arguments}"
    yield from (f"v.{method}" for method in METHODS)
    yield from OPERATIONS


def main() -> None:
    seconds = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    facts = bounded_facts("customer", VALUES)
    rendered = 0
    for expression in expressions():
        template = HTML.from_string(f"{{% set y = {expression} %}}{{{{ y|length }}}}{{{{ y }}}}")
        others = FEW if re.search(r"\bw\b", expression) else FEW[:1]
        for name, other in product(VALUES, others):
            print(expression, name, other)  # noqa: T201 (the last line says where it hung)
            rendered += 1
            with under_way(Rendering()), suppress(Exception):  # refused is as good as rendered
                run(template, {"v": facts[name], "w": facts[other]})
    print(rendered)  # noqa: T201
