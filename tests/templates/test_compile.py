"""What is done once for each template: inheritance, languages, links, and what it is kept by."""

import pytest

from rekindle.errors import TemplateFailed
from templates.compile import compile_mail
from templates.sources import BadTemplate
from tests.templates.conftest import BASE, SIGNER, a_mail, html_of, rendered


def compiled(source, **more):
    return compile_mail("mail", "en", {"mail": source, **more})


def test_a_template_is_compiled_once_for_each_content():
    source = a_mail("<p>once</p>")
    first = compile_mail("mail", "en", {"mail": source})

    assert compile_mail("mail", "en", {"mail": source}) is first
    assert compile_mail("mail", "en", {"mail": source, "other": "x"}) is first
    assert compile_mail("mail", "en", {"mail": a_mail("<p>twice</p>")}) is not first


def test_a_changed_layout_and_a_new_translation_are_noticed():
    source = a_mail("<p>Hi</p>")
    first = compile_mail("mail", "fa", {"mail": source})
    layout = {"layouts/brand": '{% extends "frame" %}{% block header %}New{% endblock %}'}

    assert compile_mail("mail", "fa", {"mail": source, **layout}) is not first
    assert compile_mail("mail", "fa", {"mail": source, "mail.fa": source}).locale == "fa"


@pytest.mark.parametrize(
    ("wanted", "there", "language", "text", "locale"),
    [
        ("fa-IR", ["", ".fa", ".fa-IR"], "en", "mail.fa-IR", "fa-IR"),
        ("fa-IR", ["", ".fa"], "en", "mail.fa", "fa-IR"),
        ("fa-IR", ["", ".ar"], "en", "mail", "en"),
        ("de", ["", ".en"], "en", "mail.en", "en"),
        ("ar-EG", ["", ".fa"], "ar", "mail", "ar-EG"),
        (None, ["", ".fa"], "fa", "mail.fa", "fa"),
        ("de", [".fa"], "en", "mail.fa", "fa"),
        ("pt-BR", ["", ".pt_BR"], "en", "mail.pt_BR", "pt-BR"),
    ],
)
def test_a_language_falls_back_to_its_parent_and_then_to_the_brands(
    wanted, there, language, text, locale
):
    templates = {f"mail{one}": a_mail(subject=f"mail{one}") for one in there}

    mail = compile_mail("mail", wanted, templates, language=language)

    assert (mail.subject.render({}), mail.locale) == (text, locale)


def test_blocks_of_a_mail_replace_those_of_its_layouts_and_may_keep_them():
    layouts = {
        "layouts/brand": '{% extends "frame" %}{% block header %}Our {{ super() }}{% endblock %}',
        "layouts/sale": '{% extends "layouts/brand" %}'
        "{% block header %}Sale! {{ super() }}{% endblock %}",
    }
    source = (
        '{% extends "layouts/sale" %}{% set word = "yes" %}'
        "{% block subject %}Title {{ word }}{% endblock %}"
        "{% block body %}{{ self.subject() }} {% include 'part' %}{% endblock %}"
    )

    mail = rendered(source, more={**layouts, "part": "<b>part {{ word }}</b>"})

    assert "Sale! Our <bdi>Shop</bdi>" in mail.html
    assert "Title yes <b>part yes</b>" in mail.html
    assert "<title>Title yes</title>" in mail.html


def test_macros_are_imported_with_their_links_counted():
    macros = (
        '{% macro button(url, words) %}<a class="button" href="{{ url }}">{{ words }}</a>'
        "{% endmacro %}"
    )
    body = (
        '{% from "parts/buttons" import button %}{{ button("https://shop.example.com/a", "Go") }}'
    )

    mail = rendered(a_mail(body), more={"parts/buttons": macros})

    token = mail.html.partition(f'href="{BASE}/c/')[2].partition('href="')[2]
    assert "background: #1d4ed8" in mail.html
    click = SIGNER.read_click(token.removeprefix(f"{BASE}/c/").partition('"')[0])
    assert click is not None
    assert click.address == "https://shop.example.com/a"
    assert "Go <https://" in mail.text


def test_a_mail_that_is_a_whole_document_needs_no_layout():
    source = (
        "<html><head><title>{% block subject %}Plain{% endblock %}</title></head>"
        "<body><p>Hi</p></body></html>"
    )

    mail = rendered(source)

    assert mail.subject == "Plain"
    assert mail.text == "Hi\n"


def test_a_hand_written_text_part_is_taken_as_it_is():
    mail = rendered(
        a_mail(rest="{% block text %}Dear {{ customer.first_name }},\n\n  x{% endblock %}")
    )

    assert mail.text == "Dear Ana,\n\n  x\n"
    assert "Dear" not in mail.html


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% block body %}x{% endblock %}", "mail.html.j2:1: a mail needs a subject"),
        (a_mail("\n\n{{ x }"), "mail.html.j2:3: unexpected '}'"),
        ('{% extends "layouts/brnd" %}', "Did you mean 'layouts/brand'?"),
        ('{% extends "mail" %}', "extend each other in a circle"),
        (a_mail("{% include 'mail' %}"), "circle"),
        (a_mail("{{ self.body() }}"), "contains itself"),
        (a_mail("{% include name %}"), "cannot be computed"),
        (a_mail(rest="{% if 1 %}{% endif %}"), "outside of blocks"),
        (a_mail("{{ x|datee }}"), "No filter named 'datee'"),
        (a_mail("\n<a href='javascript:alert(1)'>x</a>"), "mail.html.j2:2: a mail cannot link to"),
        (a_mail("{{ super()|upper }}"), "stands alone"),
        (a_mail(rest="{% block body %}{% endblock %}"), "is there twice"),
        (a_mail("\ue000"), "private-use"),
        ("x" * 300_001, "at most"),
    ],
)
def test_what_can_be_rendered_for_nobody_says_where_and_why(source, said):
    with pytest.raises(BadTemplate) as raised:
        compiled(source)

    assert said in str(raised.value)


def test_what_fails_for_one_customer_names_the_line_of_the_author():
    part = "<p>\n\n{{ customer.city }}</p>"

    with pytest.raises(TemplateFailed, match=r"^part.html.j2:3: customer has no 'city'\.$"):
        rendered(a_mail("\n{% include 'part' %}"), more={"part": part})
    with pytest.raises(TemplateFailed, match=r"^mail.html.j2:2: division by zero"):
        rendered(a_mail("x", subject="\n{{ 1 / 0 }}"))


def test_literal_braces_stay_literal():
    html = html_of("{% raw %}<p>{{ no }} {% if %}</p>{% endraw %}")

    assert "<p" in html
    assert "{{ no }} {% if %}" in html
