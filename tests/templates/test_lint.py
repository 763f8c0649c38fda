"""What is wrong with a template is found before anybody is mailed, and said with what was meant."""

import pytest

from rekindle import ENGINE_ROOT
from rekindle.workspace.folder import read_folder
from templates.lint import Known, check_template, check_words, names_read
from tests.templates.conftest import a_mail

KNOWN = Known(surveys={"csat", "nps"}, data={"offers"}, traits={"city"})


def found(source, more=None, topics=(), known=KNOWN):
    findings = check_template("mail", {"mail": source, **(more or {})}, known=known, topics=topics)
    return [(one.line, one.message, one.hint) for one in findings]


def test_a_good_mail_has_no_findings():
    body = (
        "{% set n = 1 %}{% for i in data.offers %}{{ loop.index }} {{ i.name }}{% endfor %}"
        "{{ customer.city|upper }} {{ event.anything.at_all }} {{ history.orders.last_at|date }}"
        "{{ survey('csat') }} {{ answer.nps.score }} {{ drift.sentence }} {{ n }} {{ code }}"
    )

    assert found(a_mail(body), topics=["offers"]) == []


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("{{ custmer.name }}", "nothing is called 'custmer' in a template.", "customer"),
        ("{{ user.name }}", "nothing is called 'user' in a template.", "customer"),
        ("{{ survye('csat') }}", "nothing is called 'survye' in a template.", "survey"),
        ("{{ rnge(3) }}", "nothing is called 'rnge' in a template.", "range"),
        ("{{ survey('csta') }}", "no survey is called 'csta'.", "csat"),
        ("{{ survey(event.name) }}", "survey() takes the name of a survey, in quotes.", ""),
        ("{{ drift.stat }}", "drift has no 'stat'.", "state"),
        ("{{ brand['nme'] }}", "brand has no 'nme'.", "name"),
        ("{{ history.orders.cout }}", "history.orders has no 'cout'.", "count"),
        ("{{ answer.csta }}", "answer has no 'csta'.", "csat"),
        ("{{ answer.csat.scor }}", "answer.csat has no 'scor'.", "score"),
        ("{{ data.ofers }}", "data has no 'ofers'.", "offers"),
        ("{{ customer.cty }}", "customer has no 'cty'.", "city"),
        ("{{ now|dte }}", "no filter is called 'dte'.", "date"),
        ("{% if now is defned %}{% endif %}", "no test is called 'defned'.", "defined"),
        ("<a href='/x'>x</a>", "a link in a mail needs a whole address, not '/x'.", None),
    ],
)
def test_a_mistake_is_found_with_its_line_and_what_was_meant(body, message, hint):
    ((line, said, suggested),) = found(a_mail("\n\n" + body))

    assert (line, said) == (3, message)
    assert hint is None or suggested == (f"Did you mean {hint!r}?" if hint else "")


def test_all_mistakes_are_found_at_once_in_the_order_of_lines():
    findings = found(a_mail("{{ a }}\n{{ b|c }}\n{{ d }}", "{{ e }}"))

    assert [(line, message.split("'")[1]) for line, message, _ in findings] == [
        (1, "a"), (1, "e"), (2, "c"), (2, "b"), (3, "d"),
    ]  # fmt: skip


def test_a_block_that_no_layout_shows_would_be_lost():
    source = a_mail(rest="\n{% block bdy %}x{% endblock %}")

    assert found(source) == [(2, "no layout shows a block called 'bdy'.", "Did you mean 'body'?")]


def test_a_mistake_in_a_layout_is_placed_there():
    layout = {"layouts/brand": '{% extends "frame" %}\n{% block header %}{{ brnd }}{% endblock %}'}

    (finding,) = check_template("mail", {"mail": a_mail(), **layout})

    assert (finding.template, finding.line) == ("layouts/brand", 2)


def test_syntax_errors_are_findings():
    ((line, message, _),) = found(a_mail("\n{% if x %}"))
    assert (line, message[:10]) == (2, "Encountere")
    assert found("{% extends 'layouts/brand' %}")[0][1].startswith("a mail needs a subject")


@pytest.mark.parametrize(("topics", "count"), [((), 0), (["service"], 0), (["offers"], 1)])
def test_marketing_needs_a_way_out(topics, count):
    layout = {"layouts/brand": '{% extends "frame" %}{% block footer %}bye{% endblock %}'}

    findings = found(a_mail(), layout, topics)

    assert len(findings) == count
    assert all("has no unsubscribe link" in message for _, message, _ in findings)


def test_a_translation_is_checked_in_its_own_words():
    templates = {"mail": a_mail(), "mail.fa": a_mail("{{ nobody }}")}

    assert check_template("mail", templates) == []
    assert [one.template for one in check_template("mail.fa", templates)] == ["mail.fa"]


def test_words_of_a_notice_are_checked_like_mails():
    assert check_words("{{ customer.name }}: {{ answer.csat.score }}/5") == []
    (finding,) = check_words("{{ custmer.name }}")
    assert finding.hint == "Did you mean 'customer'?"
    (finding,) = check_words("{{ customer.name")
    assert "unexpected end" in finding.message


def test_what_a_mail_reads_is_told_over_all_its_languages():
    templates = {
        "mail": a_mail("{{ event.ticket_id }}"),
        "mail.fa": a_mail("{{ answer.csat.score }} {{ x }}"),
    }

    read = names_read("mail", templates)

    assert {"event.ticket_id", "answer.csat", "unsubscribe_url"} <= read
    assert not {"x", "code"} & read


def test_the_starter_has_no_findings():
    library, _problems = read_folder(ENGINE_ROOT / "starter", {})
    known = Known(surveys=library.surveys, data=library.data)

    mails = [name for name in library.templates if not name.startswith("layouts/")]

    assert mails
    assert [
        one for name in mails for one in check_template(name, library.templates, known=known)
    ] == []
