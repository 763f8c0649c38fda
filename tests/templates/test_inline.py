"""CSS inlined once a template gives what inlining each rendered mail would give."""

from html.parser import HTMLParser
from pathlib import Path
from random import Random
from re import compile as pattern

import pytest
from turbohtml import parse
from turbohtml.cssom import computed_style

from rekindle import ENGINE_ROOT
from rekindle.workspace.folder import read_folder
from templates.compile import compile_mail, flat_mail
from templates.context import build_context
from templates.inline import _plans, inline_mail, inline_styles
from templates.markup import protect, restore
from templates.render import _message_values
from templates.rendering import Rendering, under_way
from templates.sandbox import HTML, run
from templates.sources import Piece, Place
from templates.tracking import add_traps, number_links
from tests.templates.conftest import BRAND, a_mail, links, rendered, text_of, told
from tests.templates.looks import some_page


class Seen(HTMLParser):
    """A document as what matters of it: tags with their attributes, styles by property, words."""

    def __init__(self, document):
        super().__init__()
        self.parts = []
        self.is_style = False
        self.feed(document)

    def handle_starttag(self, tag, attrs):
        self.is_style = tag == "style"
        known = dict(attrs)
        is_trap = known.get("rel") == "nofollow" or known.get("height") == "1"  # needs no style
        if self.is_style or is_trap:
            return
        declared = (style.partition(":") for style in (known.pop("style", "") or "").split(";"))
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
            inline_mail(run(plain, values))
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
    "neighbours of one that comes and goes": (
        "p + p { color: red }",
        "{% if customer.first_name %}<p>x</p>{% endif %}<p>y</p>",
    ),
    "content": ("p:empty { display: none }", "<p>{{ customer.first_name }}</p>"),
    "an attribute that is computed": ("[lang=fa] { color: red }", "<p lang='{{ locale }}'>x</p>"),
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
        html = inline_mail(mail.html.render(values))

    assert not mail.is_inlined
    assert Seen(html).parts == each


STEADY = {
    "neighbours that stay": "p + p { color: red } p:first-child { color: blue }",
    "wrappers of mail programs": "[data-ogsc] p { color: red } u + .body p { color: red }",
    "ids of mail programs": "#outlook p { color: red } .ExternalClass * { color: red }",
    "attributes of mail programs": "a[x-apple-data-detectors] { color: red }",
}


@pytest.mark.parametrize("css", STEADY.values(), ids=STEADY.keys())
def test_styles_that_no_value_can_change_are_inlined_once(css):
    loop = "{% for i in [1, 2] %}<b>{{ i }}</b>{% endfor %}"
    body = f"<div><p>{loop}</p><p>{{{{ customer.first_name }}}}</p></div>"

    source = a_mail(body, rest="{% block style %}" + css + "{% endblock %}")

    assert compile_mail("mail", "en", {"mail": source}).is_inlined


def test_rules_for_wide_and_dark_screens_and_for_states_stay_in_the_head():
    style = "{% block style %}a:hover { color: red } .x::before { content: 'x' }{% endblock %}"

    html = rendered(a_mail("<p>x</p>", rest=style)).html

    assert "@media (max-width: 600px)" in html
    assert "a:hover { color: red" in html
    assert "::before" in html


# --- what failed in the field -------------------------------------------------------------------

FIELD = {
    file.name.partition(".")[0]: file.read_text() for file in Path(__file__).parent.glob("field/*")
}
STYLE = pattern(r' style="[^"]*"')
PHONES = "@media (max-width:480px)"


def field(name):
    return rendered(FIELD[name]).html


@pytest.mark.parametrize("name", ["import", "import2"])
def test_a_web_font_is_still_imported_and_the_rest_is_still_read(name):
    html = field(name)

    assert "css2?family=Inter:wght@400;700&display=swap" in html
    assert html.count("@import") == 1
    assert html.index("@import") < html.index(PHONES)
    assert ".col { width:100% !important }" in html
    assert '<div style="color: #123456" class="col">' in html


def test_strings_and_urls_may_hold_what_ends_a_rule():
    html = field("semicolon")

    assert "background: url(data:image/png;base64,AAAA)" in html
    assert "color: #444444" in html
    assert PHONES in html
    assert "color: #555555 !important" in html  # it won, and now must win against the attribute


@pytest.mark.parametrize("name", ["mediaattr", "mediaprint"])
def test_a_sheet_for_some_media_reaches_only_them(name):
    html = field(name)

    assert "<style media=" in html
    assert "display:none" in html.partition("</head>")[0]
    assert "display: none" not in html
    assert "100%" not in html.partition("</head>")[2].replace("max-width:100%", "")


def test_nested_rules_stay_whole():
    assert "@media screen { @media (min-width:1px) { .col { color:red } } }" in field("nested")


def test_what_matches_nothing_here_may_match_in_a_mail_program():
    html = field("ogsc")

    for kept in (
        "[data-ogsc] .col{color:#ffffff !important}", "u + .body .col{width:10px}",
        "#outlook a{padding:0}", ".ExternalClass *{line-height:100%}",
        "@supports (display:grid){.col{display:grid}}",
        "@media (prefers-color-scheme:dark){.col{color:#eeeeee !important}}",
        ".col:hover{color:red}", 'src:url(https://x.example/a.woff2) format("woff2");',
        "@media screen{@font-face{font-family:Y;src:url(https://x.example/b.woff2)}}",
        "@keyframes k{from{opacity:0}to{opacity:1}}",
    ):  # fmt: skip
        assert kept in html


def test_styles_for_outlook_alone_stay_in_their_comment():
    html = field("cond2")

    comment = FIELD["cond2"][FIELD["cond2"].index("<!--") : FIELD["cond2"].index("-->") + 3]
    assert html.count("font-family:Arial") == 1
    assert comment in html
    assert "560px" not in html.replace(comment, "")


# --- nothing else changes -----------------------------------------------------------------------


@pytest.mark.parametrize("name", FIELD)
def test_only_style_attributes_and_sheets_change(name):
    source = FIELD[name]

    assert _bare(_inlined_once(source)) == _bare(source)


def test_an_authors_own_style_stays_as_it_was_written():
    own = """font-family:'A &amp; B'; width: {{ 3 }}%; background: url("a;b")"""
    page = f"<style>p {{ color: red; margin: 0 !important }}</style><p style='{own}'>x</p>"

    html = _inlined_once(page.replace("'A &amp; B'", "A"))

    written = own.replace("'A &amp; B'", "A").replace('"', "&quot;")
    assert f'style="color: red; {written}; margin: 0"' in html


def test_custom_properties_and_nested_rules_stay_beside_what_moves():
    css = ".a { color: red; --gap: 1px; &:hover { color: blue } }"

    html = _inlined_once(f"<style>{css}</style><p class=a>x</p>")

    assert '<p style="color: red" class=a>' in html
    assert ".a { --gap: 1px; &:hover { color: blue } }" in html


def test_a_rule_that_some_browser_does_not_know_stays_whole():
    css = ".a, .b:-ms-input-placeholder { color: red }"

    assert f"<style>{css}</style><p class=a>" in _inlined_once(
        f"<style>{css}</style><p class=a>x</p>"
    )


def test_what_a_style_hides_is_not_in_the_text():
    assert text_of('<p style="DISPLAY : none">a</p><p style="--x: display:none">b</p>') == "b"


def test_pages_come_to_the_same_styles():
    random = Random(1)

    for _ in range(400):
        page = some_page(random, on_phones=False)
        assert _computed(inline_mail(page)) == _computed(page), page


DEEP = ("(" * 5_000, "a{" * 5_000, "@media x{" * 5_000, ":not(" * 5_000, '"' * 5_000, "{}" * 500)


@pytest.mark.parametrize("css", DEEP, ids=lambda css: css[:9])
def test_no_sheet_is_too_odd_to_be_kept(css):
    page = f'<style>{css}</style><p style="{css[:50]}">x</p>'

    assert "<p style=" in inline_mail(page).partition("</style>")[2]


def test_any_sheet_leaves_the_page_as_it_was():
    random = Random(3)
    bits = [*"{}()[];:,.#*>+~'/@!-= ", '"', "p", ".a", "@media", "url(", "/*", "*/", "<!--", "&"]

    for _ in range(1_000):
        css = "".join(random.choices(bits, k=random.randint(1, 40)))
        page = f"<style>b {{ color: red }} {css}</style><p class=a>x</p><b>y</b>"
        body = inline_mail(page).partition("</style>")[2]
        assert STYLE.sub("", body) == "<p class=a>x</p><b>y</b>", css


def test_what_was_worked_out_for_a_mail_is_used_only_for_mails_of_its_kind():
    css = "<style>.a, [lang=fa], p + p, p:empty { color: red }</style>"
    variants = (
        "<p>x</p>", "<p>y</p>", "<p class=a>x</p>", "<p id=a>x</p>", "<p lang=fa>x</p>", "<p></p>",
        "<p>x</p><p>x</p>", "<p>x<p>x", "<p style='width: 1%'>x</p>", "<b>x</b>",
        "<p title=a>x</p>",
    )  # fmt: skip
    pages = [f"{css}{body}" for body in variants]
    cold = []
    for page in pages:
        _plans.clear()
        cold.append(inline_mail(page))

    assert [inline_mail(page) for page in pages] == cold
    assert len(_plans) == len(pages) - 2  # words and titles make no difference


def _computed(page):
    styles = (computed_style(element) for element in parse(page).select("body *"))
    return [{name: style[name] for name in style} for style in styles]


def _inlined_once(source):
    """The source as it is before it is rendered, its Jinja tags in their places."""
    body = protect([Piece(source, Place("mail", 1))])
    assert inline_styles(body)
    return restore(body)[0]


def _bare(html):
    """Without style attributes and what stands in sheets outside of comments."""
    ends = html.split("<!--")
    for number, end in enumerate(ends):
        comment, found, rest = end.partition("-->") if number else ("", "", end)
        for begun in rest.split("<style")[1:]:
            sheet = begun[begun.index(">") + 1 : begun.index("</style>")]
            rest = rest.replace(f">{sheet}</style>", "></style>", 1)
        for begun in rest.split(' style="')[1:]:
            rest = rest.replace(f' style="{begun.partition(chr(34))[0]}"', "", 1)
        ends[number] = comment + found + rest
    return "<!--".join(ends)
