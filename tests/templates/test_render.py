"""What a reader gets: links that count, figures as they write them, a text that reads well."""

import re
from datetime import UTC, date, datetime

import pytest

from rekindle.errors import TemplateFailed
from rekindle.settings import Brand
from store.records import Customer, CustomerId
from templates.compile import compile_mail
from templates.context import Drifting, History, Occasion, Past, Said, build_context
from templates.links import DECOY
from templates.render import render, render_words
from templates.survey_card import SurveyCard
from tests.templates.conftest import (
    BASE,
    NOW,
    SIGNER,
    a_mail,
    html_of,
    links,
    rendered,
    text_of,
    told,
)

HREF = re.compile(r'href="([^"]*)"')
LAST = datetime(2026, 1, 2, 22, 30, tzinfo=UTC)  # already the third in Riyadh


def clicks(html):
    tokens = (one.removeprefix(f"{BASE}/c/") for one in HREF.findall(html) if "/c/" in one)
    return [SIGNER.read_click(token) for token in tokens]


def test_plain_links_are_numbered_and_equal_ones_share_a_number():
    body = (
        '<a href="https://shop.example.com/a?x=1&amp;y=2">a</a>'
        "<a href='http://shop.example.com/b'>b</a>"
        '<a href="https://shop.example.com/a?x=1&amp;y=2">again</a>'
    )
    mail = compile_mail("mail", "en", {"mail": a_mail(body)})

    found = clicks(html_of(body))

    assert mail.links == ("https://shop.example.com/a?x=1&y=2", "http://shop.example.com/b")
    assert [one.number for one in found if one] == [DECOY, 1, 2, 1]
    assert {one.edition for one in found if one} == {mail.edition}


def test_computed_links_carry_their_address():
    body = '<a href="{{ customer.shop }}/p?name={{ customer.first_name }}&amp;x=1">a</a>'

    html = html_of(body, traits={"shop": "https://shop.example.com", "first_name": "A&B"})

    click = clicks(html)[-1]
    assert click is not None
    assert click.address == "https://shop.example.com/p?name=A&B&x=1"


@pytest.mark.parametrize(
    "address",
    ["mailto:a@example.com", "tel:+123", "#top", "{{ unsubscribe_url }}", "{{ view_url }}"],
)
def test_other_links_stay_as_they_are(address):
    before = len(clicks(html_of("<p>x</p>")))

    html = html_of(f'<a href="{address}">x</a>')

    assert len(clicks(html)) == before
    assert "{{" not in html


def test_a_computed_link_that_could_do_harm_is_refused():
    with pytest.raises(TemplateFailed, match="cannot link to a javascript: address"):
        html_of('<a href="{{ customer.site }}">x</a>', traits={"site": "JavaScript:alert(1)"})


def test_the_decoy_is_unseen_and_far_from_the_unsubscribe_link():
    mail = rendered(a_mail())

    (decoy,) = re.findall(r'<a href="[^"]*" rel="nofollow"[^>]*>', mail.html)
    assert "display:none" in decoy
    assert mail.html.index(decoy) < mail.html.index("Hello</p>") < mail.html.index("/u/")
    assert "/c/" not in mail.text


def test_opening_is_seen_by_an_image_at_the_very_end():
    html = html_of("<p>x</p>")

    token = html.rpartition(f'<img src="{BASE}/o/')[2].partition('"')[0]
    assert SIGNER.read_open(token) == 42
    assert html.rstrip().endswith('style="display:block;border:0"></body>\n</html>')


def test_service_mail_has_no_unsubscribe_link():
    assert "Unsubscribe" in rendered(a_mail(), topic="offers").html
    assert "Unsubscribe" not in rendered(a_mail(), topic="service").html


def test_values_are_escaped_in_html_and_written_plainly_elsewhere():
    source = a_mail("<p>{{ customer.first_name }}</p>", "{{ customer.first_name }}")
    mail = rendered(source, traits={"first_name": "<b>Ana & Bo</b>"})

    assert "&lt;b&gt;Ana &amp; Bo&lt;/b&gt;</p>" in mail.html
    assert mail.subject == "<b>Ana & Bo</b>"
    assert "<b>Ana & Bo</b>" in mail.text


def test_a_subject_is_one_line():
    mail = rendered(a_mail(subject="Hi\r\nBcc: x@example.com {{ customer.first_name }}"))

    assert mail.subject == "Hi Bcc: x@example.com Ana"


# --- plain text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<h1>Title</h1><p>One\n  two</p><p>three<br>four</p>", "Title\n\nOne two\n\nthree\nfour"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a  b\nc"),
        ("<p>&lt;b&gt; &amp; &eacute;&nbsp;x</p>", "<b> & é x"),
        ("<style>p {}</style><script>x</script><p>x</p><!-- y -->", "x"),
        ('<div style="display: none">no<b>no</b></div><p hidden>no</p><p>x</p>', "x"),
        ('<img src="x" alt="A cat"><img src="y" alt="">', "A cat"),
        ('<p><a href="mailto:a@b.example">a@b.example</a></p>', "a@b.example"),
        ('<p><a href="mailto:a@b.example">Write</a></p>', "Write <mailto:a@b.example>"),
        ('<p>{% if false %}no{% endif %}</p><p></p><div><div>x</div></div>', "x"),
        ("{% for i in [1, 2] %}<p>{{ i }}</p>{% endfor %}", "1\n\n2"),
        ("<p>{{ '{{' }} &#123;&#123; {% raw %}{{ x }}{% endraw %}</p>", "{{ {{ {{ x }}"),
        ("<p>{{ customer.first_name|e }} {{ '<b>x</b>'|safe }}</p>", "Ana x"),
    ],
)  # fmt: skip
def test_the_text_part_reads_as_the_mail_does(body, text):
    assert text_of(body) == text


def test_the_text_part_shows_where_links_lead():
    text = text_of('<p><a href="https://shop.example.com/a">See it</a></p>')

    token = text.removeprefix(f"See it <{BASE}/c/").removesuffix(">")
    click = SIGNER.read_click(token)
    assert click is not None
    assert click.number == 1


# --- what a template is told ---------------------------------------------------------------------


def test_names_fall_back_to_what_is_known():
    def names(traits):
        facts = build_context(told(traits={"first_name": "", **traits}), Brand())
        return facts["customer"]["name"], facts["customer"]["first_name"]

    assert names({"name": "Ana Lopez"}) == ("Ana Lopez", "Ana")
    assert names({"first_name": "Ana", "lastName": "Lopez"}) == ("Ana Lopez", "Ana")
    assert names({"email": "ana@example.com"}) == ("ana@example.com", "")
    assert names({}) == ("c3", "")


def test_everything_the_documentation_promises_is_there():
    facts = {
        "event": Occasion("ticket.solved", NOW, {"ticket_id": 77, "name": "Printer"}),
        "answers": {"csat": Said(2, "slow")},
        "drift": Drifting("drifting", 0.8, 24, "Usually buys every 6 days."),
        "history": History(orders=Past(3, None, LAST)),
        "code": "GIFT-1",
    }
    body = (
        "{{ event.ticket_id }} {{ event.name }} {{ event.occurred_at|date('short') }}|"
        "{{ answer.csat.score }} {{ answer.csat.comment }}|{{ drift.state }} {{ drift.silence }}|"
        "{{ drift.sentence }}|{{ history.orders.count }} {{ history.orders.last_at|date }}|"
        "{{ history.tickets.count }}|{{ code }}|{{ brand.name }}|{{ now.hour }}|{{ customer.id }}"
    )

    assert text_of(body, **facts) == (
        "77 Printer 2026-03-02|2 slow|drifting 24|Usually buys every 6 days.|3 3 January 2026|0|"
        "GIFT-1|Shop|12|c3"
    )


def test_an_answer_nobody_gave_may_be_asked_about_and_not_written():
    assert text_of("<p>{% if answer.csat %}yes{% else %}no{% endif %}</p>") == "no"
    with pytest.raises(TemplateFailed, match="answer has no 'csat'"):
        text_of("{{ answer.csat.score }}")
    with pytest.raises(TemplateFailed, match="'code' is undefined"):
        text_of("{{ code }}")


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("en", "3 January 2026|2026-01-03|3 January|Saturday|1:30|1,234.50|7"),
        ("fa-IR", "۱۳ دی ۱۴۰۴|۱۴۰۴/۱۰/۱۳|۱۳ دی|شنبه|۱:۳۰|۱٬۲۳۴٫۵۰|۷"),
        ("ar-SA", "٣ يناير ٢٠٢٦|٢٠٢٦-٠١-٠٣|٣ يناير|السبت|١:٣٠ ص|١٬٢٣٤٫٥٠|٧"),
        ("ar-AE", "3 يناير 2026|2026-01-03|3 يناير|السبت|1:30 ص|1,234.50|7"),
        ("az", "3 yanvar 2026|2026-01-03|3 yanvar|şənbə|01:30|1.234,50|7"),
    ],
)
def test_days_and_figures_follow_the_language_and_the_zone(locale, written):
    body = (
        "{{ customer.at|date }}|{{ customer.at|date('short') }}|{{ customer.at|date('day') }}|"
        "{{ customer.at|date('weekday') }}|{{ customer.at|date('time') }}|"
        "{{ 1234.5|number(2) }}|{{ 7|digits }}"
    )

    text = rendered(a_mail(body), locale, traits={"at": LAST}).text

    shown = text.splitlines()[1].replace("\u202f", " ").replace("\xa0", " ")
    assert shown.replace(" AM", "") == written


def test_more_filters():
    assert text_of("{{ 12.5|money('eur') }} {{ '2026-05-03'|date }}") == "€12.50 3 May 2026"
    assert text_of("{{ 1|plural('{n} points', one='{n} point') }}") == "1 point"
    assert text_of("{{ 1200|plural('{n} points', one='{n} point') }}") == "1,200 points"
    assert "a<br>b" in html_of("{{ 'a\nb'|lines }}")
    assert text_of("{{ customer.on }}", traits={"on": date(2026, 5, 3)}) == "3 May 2026"


@pytest.mark.parametrize("use", ["'soon'|date", "none|date", "'x'|number", "1|number(9)"])
def test_filters_refuse_what_they_cannot_write(use):
    with pytest.raises(TemplateFailed, match=r"^mail.html.j2:1: "):
        text_of("{{ " + use + " }}")


def test_words_for_our_own_people_are_rendered_without_html():
    facts = build_context(told(traits={"name": "Ana & Bo"}), Brand())

    assert render_words("{{ customer.name }}: {{ 3|number }}", facts, "en") == "Ana & Bo: 3"
    with pytest.raises(TemplateFailed, match="'custmer' is undefined"):
        render_words("{{ custmer.name }}", facts)
    with pytest.raises(TemplateFailed):
        render_words("{{ customer.name", facts)


# --- surveys -------------------------------------------------------------------------------------


def test_a_survey_is_a_labelled_row_of_signed_links():
    html = html_of("{{ survey('csat') }}")

    scores = re.findall(rf'href="({BASE}/s/[^"?]*)\?score=(\d)" aria-label="([^"]*)"', html)
    assert [score for _, score, _ in scores] == ["1", "2", "3", "4", "5"]
    assert [label for _, _, label in scores] == ["1 – Bad", "2", "3", "4", "5 – Good"]
    invited = SIGNER.read_survey(scores[0][0].removeprefix(f"{BASE}/s/"))
    assert invited is not None
    assert (invited.message_id, invited.survey) == (42, "csat")
    assert compile_mail("mail", "en", {"mail": a_mail("{{ survey('csat') }}")}).surveys == {"csat"}


def test_a_survey_in_persian_runs_right_to_left_with_scores_of_ascii():
    card = SurveyCard("nps", "چقدر \u2068Shop\u2069؟", "کم", "زیاد", tuple(range(11)), "fa")

    mail = rendered(a_mail("{{ survey('nps') }}"), "fa", cards={"nps": card})

    assert '<table role="presentation" width="100%" dir="rtl" lang="fa"' in mail.html
    assert "چقدر <bdi>Shop</bdi>؟" in mail.html
    assert "?score=10" in mail.html
    assert ">۱۰</a>" in mail.html
    assert mail.html.index("?score=0") < mail.html.index("?score=10")
    assert '<td align="right"' in mail.html.partition("کم</td>")[0][-120:]


def test_a_survey_keeps_its_digits_in_a_mail_of_another_language():
    card = SurveyCard("csat", "؟", "کم", "زیاد", (1, 2, 3, 4, 5), "fa")

    assert ">۵</a>" in html_of("{{ survey('csat') }}", cards={"csat": card})


def test_a_survey_in_plain_text_is_a_line_a_score():
    lines = text_of("<p>Before</p>{{ survey('csat') }}<p>After</p>").split("\n")

    assert lines[:3] == ["Before", "", "How was it?"]
    assert lines[3].startswith(f"1 – Bad: {BASE}/s/")
    assert lines[7].endswith("?score=5")
    assert lines[8:] == ["", "After"]


def test_a_survey_nobody_knows_is_an_error():
    with pytest.raises(TemplateFailed, match="no survey is called 'nsp'"):
        html_of("{{ survey('nsp') }}")


def test_the_same_facts_give_the_same_mail():
    mail = compile_mail("mail", "en", {"mail": a_mail("{{ survey('csat') }} {{ now }}")})
    facts = build_context(told(), Brand())

    assert render(mail, facts, links()) == render(mail, facts, links())


def test_a_customer_with_a_trait_called_like_a_method_is_no_trouble():
    customer = Customer(CustomerId(1), "c1", {"items": ["tea"], "get": "it"})
    facts = build_context(told(), Brand()) | {"customer": dict(customer.traits)}

    assert render_words("{{ customer.items[0] }} {{ customer.get }}", facts) == "tea it"
