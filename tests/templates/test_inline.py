"""CSS inlined once a template gives what inlining each rendered mail would give."""

from html.parser import HTMLParser

import pytest
from css_inline import CSSInliner

from rekindle import ENGINE_ROOT
from rekindle.workspace.folder import read_folder
from templates.compile import compile_mail, flat_mail
from templates.context import build_context
from templates.inline import INLINER
from templates.markup import protect, restore
from templates.render import _message_values
from templates.rendering import Rendering, under_way
from templates.sandbox import HTML, run
from templates.tracking import add_traps, number_links
from tests.templates.conftest import BRAND, a_mail, links, rendered, told

AS_HTML5 = CSSInliner(inline_style_tags=False, keep_style_tags=True, load_remote_stylesheets=False)


class Seen(HTMLParser):
    """A document as what matters of it: tags with their attributes, styles by property, words."""

    def __init__(self, document):
        super().__init__()
        self.parts = []
        self.is_style = False
        self.feed(AS_HTML5.inline(document))

    def handle_starttag(self, tag, attrs):
        self.is_style = tag == "style"
        known = dict(attrs)
        is_trap = known.get("rel") == "nofollow" or known.get("height") == "1"  # needs no style
        if self.is_style or is_trap:
            return
        declared = (one.partition(":") for one in (known.pop("style", "") or "").split(";"))
        styles = {name.strip(): value.strip() for name, _, value in declared if value}
        self.parts.append((tag, tuple(sorted(known.items())), tuple(sorted(styles.items()))))

    def handle_endtag(self, tag):
        self.is_style = False

    def handle_data(self, data):
        words = " ".join(data.split())
        if words and not self.is_style:
            self.parts.append(words)


def both_ways(name, templates, **known):
    """The mail as compiled, and with its CSS inlined after it was rendered."""
    mail = compile_mail(name, "en", templates)
    values = {**build_context(told(**known), BRAND), **_message_values(mail, links())}
    flat, _sources = flat_mail(name, "en", templates)
    body = protect(flat.html)
    number_links(body)
    add_traps(body)
    plain = HTML.from_string(restore(body)[0])
    with under_way(Rendering("en", links=links())):
        return mail, Seen(mail.html.render(values)).parts, Seen(
            INLINER.inline(run(plain, values))
        ).parts  # fmt: skip


ITEMS = {"traits": {"picks": [{"name": "Tea <b>", "price": 3}, {"name": "Cup & co", "price": 4}]}}
BODIES = {
    "a loop over rows": "<table class=card>{% for i in customer.picks %}<tr><td class='quiet'>"
    "{{ i.name }}</td></tr>{% endfor %}</table>",
    "branches": "{% if customer.picks|length < 3 %}<p class='quiet'>few</p>{% else %}<h1>many</h1>"
    "{% endif %}",
    "computed parts of a style": '<p style="width: {{ customer.picks|length }}0%">x</p>',
    "computed attributes": '<img alt="{{ customer.first_name }}" width="{{ 3 * 4 }}">'
    '<a href="https://x.example/{{ customer.first_name }}?a=1&amp;b=2">x</a>',
    "a style of its own": '<p class="quiet" style="color: red; margin: 1px">x</p>',
    "comments and entities": "<!-- {{ customer.first_name }} --><p>&lt;b&gt; &nbsp; &eacute;</p>",
    "unclosed paragraphs": "<p>one<p class=quiet>two<ul><li>a<li>b</ul>",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_inlined_once_looks_as_if_inlined_for_each_mail(body):
    mail, once, each = both_ways("mail", {"mail": a_mail(body)}, **ITEMS)

    assert mail.is_inlined
    assert once == each


STARTER, _PROBLEMS = read_folder(ENGINE_ROOT / "starter", {})


@pytest.mark.parametrize("name", ["win_back/we_miss_you", "service_recovery/made_right"])
def test_the_mails_of_the_starter_are_inlined_once(name):
    mail = compile_mail(name, "en", STARTER.templates)

    assert mail.is_inlined


DEPENDENT = {
    "a class that is computed": ("", "<p class='{{ customer.first_name }}'>x</p>"),
    "attributes that come and go": ("", "<p {% if 1 %}class='quiet'{% endif %}>x</p>"),
    "neighbours": (
        "li:first-child { color: red }",
        "{% for i in [1, 2] %}<li>{{ i }}</li>{% endfor %}",
    ),
    "a wrapper that comes and goes": (
        ".card p { color: red }",
        "{% if customer.first_name %}<div class='card'>{% endif %}<p>x</p>"
        "{% if customer.first_name %}</div>{% endif %}",
    ),
    "macros": ("", "{% macro m() %}<p class='quiet'>x</p>{% endmacro %}{{ m() }}"),
    "markup in values": ("", "{{ '<p>x</p>'|safe }}"),
    "computed css": ("p { color: {{ 'red' }} }", "<p>x</p>"),
}


@pytest.mark.parametrize(("css", "body"), DEPENDENT.values(), ids=DEPENDENT.keys())
def test_styles_that_depend_on_what_is_rendered_are_inlined_for_each_mail(css, body):
    source = a_mail(body, rest="{% block style %}" + css + "{% endblock %}")
    mail = compile_mail("mail", "en", {"mail": source})
    _mail, _once, each = both_ways("mail", {"mail": source})

    values = {**build_context(told(), BRAND), **_message_values(mail, links())}
    with under_way(Rendering("en", links=links())):
        html = INLINER.inline(mail.html.render(values))

    assert not mail.is_inlined
    assert Seen(html).parts == each


def test_rules_for_wide_and_dark_screens_and_for_states_stay_in_the_head():
    style = "{% block style %}a:hover { color: red } .x::before { content: 'x' }{% endblock %}"

    html = rendered(a_mail("<p>x</p>", rest=style)).html

    assert "@media (max-width: 600px)" in html
    assert "a:hover { color: red }" in html
    assert "::before" in html
