"""A template can read what it is given and write text; whatever else it tries fails, and fast."""

from datetime import UTC, datetime

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError, TemplateSyntaxError

from templates.rendering import Rendering, TooMuch, under_way
from templates.sandbox import HTML, WORDS, Facts, run

ITEMS = ["a", "b"]
FACTS = {
    "customer": Facts("customer", {"first_name": "Ana", "items": ITEMS, "n": 3}),
    "now": datetime(2026, 3, 2, 9, tzinfo=UTC),
}
REFUSED = (SecurityError, UndefinedError, TooMuch, TypeError, ValueError, RecursionError)


def written(source, environment=HTML, **facts):
    with under_way(Rendering()):
        return run(environment.from_string(source), FACTS | facts)


def doubled(line, times=60):
    return "{% set x = 'spam' %}" + line * times + "{{ x|length }}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ customer.__class__ }}",
        "{{ customer.first_name.__init__.__globals__ }}",
        "{{ range.__globals__ }}",
        "{{ survey.__globals__ }}",
        "{{ self.__dict__ }}",
        "{{ ''['__class__'] }}",
        "{{ ('__cla' ~ 'ss__')|attr('x') if false }}{{ now.__reduce__() }}",
        "{{ customer.update({'first_name': 'Eve'}) }}",
        "{{ customer['items'].append('c') }}",
        "{{ customer.clear() }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '%s'.format_map({}) }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{% set ns = namespace() %}{{ ns.__init__ }}",
    ],
)
def test_what_lies_behind_values_is_out_of_reach(source):
    with pytest.raises(REFUSED):
        written(source)
    assert ITEMS == ["a", "b"]


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
        "{% for a in range(900) %}{% for b in range(900) %}{% for c in range(900) %}"
        "{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(10**9) %}{% endfor %}",
        "{% for a in range(2000) %}{% endfor %}",
        "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
        "{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
        "{{ m(100) }}",
        "{% set big = 'x' * 10 %}",
    ],
)
def test_loops_and_macros_end(source):
    with pytest.raises(REFUSED):
        written(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 10000000000 }}",
        "{{ [1] * 10000000000 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ 'x'.ljust(10000000000) }}",
        "{{ 'x'.zfill(10000000000) }}",
        "{{ 'x'.replace('x', 'y') }}",
        "{{ now.strftime('%0999999999d') }}",
        "{{ 5|round(-1000000000) }}",
        "{{ 1.5|number(999999999) }}",
        doubled("{% set x = x ~ x %}"),
        doubled("{% set x = x + x %}"),
        doubled("{% set x %}{{ x }}{{ x }}{% endset %}"),
        doubled("{% set x = [x, x]|join %}"),
        doubled("{% set x = x|replace('spam', 'spamspamspam') %}"),
        doubled("{% set x = x.join([x, x]) %}"),
        "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{{ " + "m(" * 60 + "'spam'" + ")" * 60 + " }}",
        "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x|length }}",
        "{% set x = {'a': 1} %}" + "{% set x = dict(a=x, b=x) %}" * 60 + "{{ x|length }}",
        "{% set x = [1] %}" + "{% set x = x + x %}" * 60 + "{{ x|length }}",
        "{% set x = 7 %}" + "{% set x = x * x %}" * 60 + "{{ x }}",
        "{{ range(1000)|join('" + "x" * 1000 + "') }}",
        "{% for a in range(1000) %}{% for b in range(15) %}"
        + "x" * 100
        + "{% endfor %}{% endfor %}",
        "{% set x %}{% for a in range(500) %}" + "x" * 1000 + "{% endfor %}{% endset %}"
        "{% set y %}{% for a in range(1000) %}{{ x }}{% endfor %}{% endset %}",
        "{% set x %}{% for a in range(1000) %}{% for b in range(15) %}"
        + "x" * 100_000
        + "{% endfor %}{% endfor %}{% endset %}",
        "{% set ns = namespace(x='spam') %}{% for a in range(60) %}{% set ns.x = ns.x ~ ns.x %}"
        "{% endfor %}",
    ],
)
def test_nothing_grows_without_bound(source):
    with pytest.raises(REFUSED):
        written(source)


@pytest.mark.parametrize(
    "name",
    ["attr", "batch", "center", "filesizeformat", "format", "indent", "pprint", "random", "slice",
     "tojson", "urlize", "wordwrap", "xmlattr", "forceescape"],
)  # fmt: skip
def test_dangerous_filters_do_not_exist(name):
    with pytest.raises(TemplateSyntaxError, match=f"No filter named '{name}'"):
        HTML.from_string("{{ x|" + name + " }}")


@pytest.mark.parametrize("name", ["lipsum", "cycler", "joiner"])
def test_dangerous_functions_do_not_exist(name):
    with pytest.raises(UndefinedError):
        written("{{ " + name + "(3) }}")


def test_map_takes_an_attribute_and_no_filter():
    people = [{"name": "Ana"}, {"name": "Bo"}]

    assert written("{{ p|map(attribute='name')|join(', ') }}", p=people) == "Ana, Bo"
    with pytest.raises(TypeError):
        written("{{ p|map('upper')|join }}", p=people)


def test_comparing_large_lists_again_and_again_is_paid_for():
    numbers = list(range(50_000))

    with pytest.raises(TooMuch):
        written("{% for a in range(1000) %}{{ -1 in n }}{% endfor %}", n=numbers)


def test_a_recursive_loop_is_refused_by_name():
    with pytest.raises(TemplateSyntaxError, match="recursive"):
        HTML.from_string("{% for a in x recursive %}{{ loop(a) }}{% endfor %}")


def test_a_name_nobody_knows_is_an_error_and_so_is_writing_a_fact_that_is_missing():
    with pytest.raises(UndefinedError, match="'custmer' is undefined"):
        written("{{ custmer.first_name }}")
    with pytest.raises(UndefinedError, match="customer has no 'city'"):
        written("Near {{ customer.city }}")


def test_a_fact_that_is_missing_may_be_asked_about():
    assert written("{% if customer.city %}Near {{ customer.city }}{% endif %}!") == "!"
    assert written("{{ customer.city or 'you' }} {{ customer.city|default('x') }}") == "you x"


def test_a_fact_wins_over_a_method_of_the_same_name():
    assert written("{{ customer.items|join(' and ') }}") == "a and b"


def test_lists_and_functions_are_not_text_and_nothing_is_empty():
    with pytest.raises(SecurityError, match="a list cannot be written"):
        written("{{ customer.items }}")
    with pytest.raises(SecurityError, match="without calling it"):
        written("{{ range }}")
    assert written("[{{ nothing }}]", nothing=None) == "[]"


def test_html_is_escaped_and_words_are_not():
    name = {"customer": Facts("customer", {"first_name": "<b>Ana & Bo</b>"})}

    assert written("{{ customer.first_name }}", **name) == "&lt;b&gt;Ana &amp; Bo&lt;/b&gt;"
    assert written("{{ 'a' ~ customer.first_name }}", **name).startswith("a&lt;b&gt;")
    assert written("{{ customer.first_name }}", WORDS, **name) == "<b>Ana & Bo</b>"
    assert written("{{ customer.first_name|safe }}", WORDS, **name) == "Ana & Bo"


def test_ordinary_templates_work():
    assert written("{% for i in [3, 1]|sort %}{{ loop.index }}:{{ i }} {% endfor %}") == "1:1 2:3 "
    assert written("{{ 3 * 4 + 10 % 4 }} {{ 'a' + 'b' }} {{ 2.345|round(2) }}") == "14 ab 2.35"
    assert written("{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}"
                   "{% endfor %}{{ ns.n }}") == "6"  # fmt: skip
    assert written("{{ customer.first_name.upper() }} {{ now.year }}") == "ANA 2026"
