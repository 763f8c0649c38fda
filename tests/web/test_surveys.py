"""The survey's page: looking records nothing, a person's form records once."""

import re
from html import unescape

import pytest

from store.tables import answers, pending_changes
from tests.web.conftest import Site


def asked(site: Site, **traits):
    """A customer with a survey mail, opened ten minutes later."""
    customer = site.customer("c1", **traits)
    message = site.message(customer, survey="csat")
    site.pass_time(minutes=10)
    return message


def page_of(site: Site, path: str) -> dict[str, str]:
    """What the page's form sends back by itself."""
    return dict(re.findall(r'name="(page)" value="([^"]+)"', site.client.get(path).text))


def answer(site: Site, path: str, **form):
    """A person: opens the page, reads, presses the button."""
    made = page_of(site, path)
    site.pass_time(seconds=5)
    return site.client.post(path, data={**made, **form})


def said(site: Site):
    return [
        (row.score, row.comment, row.revision, row.is_current, row.is_counted)
        for row in site.rows(answers)
    ]


def test_the_page_shows_the_question_with_the_score_chosen(site):
    path = site.survey_path(asked(site))

    page = site.client.get(f"{path}?score=4")

    assert page.status_code == 200
    assert "How satisfied are you" in page.text
    assert 'value="4" data-band="high" required checked' in page.text
    assert page.text.count(" checked") == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_records_nothing_but_that_somebody_looked(site, method):
    path = site.survey_path(asked(site))

    site.client.request(method, f"{path}?score=4")

    assert said(site) == []
    assert site.events("survey.answered", "message.clicked") == []
    assert site.hit_links() == [(method, "survey:4")]


def test_a_persons_form_is_an_answer_with_its_event(site):
    message = asked(site)

    page = answer(site, site.survey_path(message), score="2", comment=" too slow\r\n")

    assert page.status_code == 200
    assert "Thank you" in page.text
    assert said(site) == [(2, "too slow", 1, True, True)]
    ((_, properties),) = site.events("survey.answered")
    assert properties["survey"] == "csat"
    assert (properties["score"], properties["comment"]) == (2, "too slow")
    assert properties["message"] == message
    assert site.rows(pending_changes)


def test_an_answer_belongs_to_the_ticket_its_enrollment_is_about(site):
    customer = site.customer("c1")
    enrollment = site.ticket_enrollment(customer, "c1", "T-7")
    message = site.message(customer, survey="csat", enrollment_id=enrollment)
    site.pass_time(minutes=10)

    answer(site, site.survey_path(message), score="1")

    ((_, properties),) = site.events("survey.answered")
    assert (properties["ticket_id"], properties["key"]) == ("T-7", "T-7")
    assert "status" not in properties


def test_the_same_form_twice_changes_nothing(site):
    path = site.survey_path(asked(site))

    for _ in range(2):
        answer(site, path, score="2")

    assert said(site) == [(2, "", 1, True, True)]
    assert len(site.events("survey.answered", "survey.revised")) == 1


def test_another_score_is_kept_as_a_revision(site):
    path = site.survey_path(asked(site))

    answer(site, path, score="2")
    answer(site, path, score="5", comment="solved now")

    assert said(site) == [(2, "", 1, False, True), (5, "solved now", 2, True, True)]
    assert [name for name, _ in site.events("survey.answered", "survey.revised")] == [
        "survey.answered",
        "survey.revised",
    ]


def test_whoever_answered_finds_their_answer_on_the_page(site):
    path = site.survey_path(asked(site))
    answer(site, path, score="2", comment="too slow")

    page = site.client.get(path)

    assert "already received your answer" in page.text
    assert 'value="2" data-band="low" required checked' in page.text
    assert "too slow</textarea>" in page.text


def test_a_machines_form_is_kept_apart_and_a_later_person_counts(site):
    path = site.survey_path(asked(site))
    site.client.get(f"{path}?score=3")
    site.client.post(path, data={"score": "3"})  # the same instant: a script

    assert said(site) == [(3, "", 1, False, False)]
    assert site.events("survey.answered") == []

    site.pass_time(minutes=5)
    answer(site, path, score="3")

    assert said(site)[1] == (3, "", 2, True, True)
    assert len(site.events("survey.answered")) == 1


@pytest.mark.parametrize("seconds", [0, 2, 9])
def test_no_look_at_any_link_takes_an_answer_back(site, seconds):
    message = asked(site)
    path = site.survey_path(message)
    answer(site, path, score="4")

    site.pass_time(seconds=seconds)
    site.client.get(f"/c/{site.services.signer.sign_click(message, 0, 'e')}")  # the decoy
    for score in (1, 5):
        site.client.head(f"{path}?score={score}")
        site.client.get(f"{path}?score={score}")

    assert said(site) == [(4, "", 1, True, True)]


def test_going_back_to_change_an_answer_leaves_it_standing_until_another_is_sent(site):
    path = site.survey_path(asked(site))
    made = page_of(site, path)
    site.pass_time(seconds=1.4)
    thanks = site.client.post(path, data={**made, "score": "2"})

    site.pass_time(seconds=0.6)
    (change,) = re.findall(r'class="button second" href="([^"]+)"', thanks.text)
    made = page_of(site, unescape(change))
    assert said(site) == [(2, "", 1, True, True)]

    site.pass_time(seconds=1.2)
    site.client.post(path, data={**made, "score": "4"})
    assert said(site) == [(2, "", 1, False, True), (4, "", 2, True, True)]
    assert ("GET", "survey:") in site.hit_links()


def test_several_scores_sent_at_once_are_a_machines(site):
    path = site.survey_path(asked(site))
    made = page_of(site, path)

    for score in ("1", "5"):
        site.pass_time(seconds=1.5)
        site.client.post(path, data={**made, "score": score})

    assert [row[3:] for row in said(site)] == [(False, False), (False, False)]


def test_a_field_that_people_cannot_see_must_stay_empty(site):
    path = site.survey_path(asked(site))

    answer(site, path, score="4", leave_empty="me@example.com")

    assert said(site) == [(4, "", 1, False, False)]


def test_the_pages_time_is_the_one_we_signed_for_this_message(site):
    path, other = site.survey_path(asked(site)), site.survey_path(asked(site))
    made_earlier = page_of(site, other)
    site.pass_time(minutes=5)

    for claimed in ({"page": "1.2.abc"}, made_earlier):
        site.client.get(path)
        site.client.post(path, data={**claimed, "score": "4"})
        assert [row[4] for row in said(site)] == [False]


def test_a_page_that_was_open_before_it_was_signed_counts_by_its_first_look(site):
    path = site.survey_path(asked(site))
    site.client.get(path)
    site.pass_time(seconds=5)

    site.client.post(path, data={"score": "4"})

    assert said(site) == [(4, "", 1, True, True)]


def test_an_answer_within_seconds_of_the_delivery_counts(site):
    message = site.message(site.customer("c1"), survey="csat")
    site.pass_time(seconds=2)

    answer(site, site.survey_path(message), score="4")

    assert said(site) == [(4, "", 1, True, True)]


def test_whether_the_problem_is_solved_survives_a_change_and_an_incomplete_form(site):
    path = site.survey_path(asked(site))
    chosen = 'value="no" checked'

    incomplete = answer(site, path, solved="no")
    assert chosen in incomplete.text

    answer(site, path, score="2", solved="no")
    assert chosen in site.client.get(path).text

    answer(site, path, score="3")
    assert chosen in site.client.get(path).text
    assert [row.solved for row in site.rows(answers)] == ["no", "no"]
    answer(site, path, score="3", solved="yes")
    assert 'value="yes" checked' in site.client.get(path).text
    assert [
        properties["solved"] for _, properties in site.events("survey.answered", "survey.revised")
    ] == ["no", "no", "yes"]


def test_saying_that_the_problem_is_not_solved_is_an_event_of_the_ticket(site):
    customer = site.customer("c1")
    enrollment = site.ticket_enrollment(customer, "c1", "T-7")
    message = site.message(customer, survey="csat", enrollment_id=enrollment)
    site.pass_time(minutes=10)

    for _ in range(2):
        answer(site, site.survey_path(message), score="2", solved="no")

    ((_, properties),) = site.events("ticket.unsolved")
    assert properties["ticket_id"] == "T-7"


def test_a_form_without_a_score_asks_again(small_site):
    page = answer(small_site, small_site.survey_path(asked(small_site)), comment="hm")

    assert page.status_code == 400
    assert "Please choose a score" in page.text
    assert "hm</textarea>" in page.text
    assert said(small_site) == []


@pytest.mark.parametrize("score", ["0", "6", "-1", "4.5", "x" * 50, "٤"])
def test_a_score_that_does_not_exist_is_not_recorded(small_site, score):
    page = answer(small_site, small_site.survey_path(asked(small_site)), score=score)

    assert page.status_code == 400
    assert said(small_site) == []


def test_an_expired_survey_says_so_and_records_nothing(site):
    path = site.survey_path(asked(site))
    site.pass_time(days=14)

    page, form = site.client.get(path), answer(site, path, score="5")

    assert (page.status_code, form.status_code) == (410, 410)
    assert "closed" in page.text
    assert said(site) == []


@pytest.mark.parametrize("token", ["x", "7.abc.def", "%C3%A9", "a" * 3000])
def test_a_link_we_did_not_sign_is_a_friendly_404(small_site, token):
    page = small_site.client.get(f"/s/{token}")

    assert page.status_code == 404
    assert "no longer valid" in page.text


def test_another_purposes_token_is_worth_nothing_here(small_site):
    token = small_site.services.signer.sign_open(asked(small_site))

    assert small_site.client.get(f"/s/{token}").status_code == 404


@pytest.mark.parametrize(
    ("locale", "direction", "digit"),
    [("fa", "rtl", "۴"), ("ar-SA", "rtl", "٤"), ("az", "ltr", "4"), ("xx", "ltr", "4")],
)
def test_the_page_speaks_the_customers_language(small_site, locale, direction, digit):
    page = small_site.client.get(small_site.survey_path(asked(small_site, locale=locale)))

    language = locale.partition("-")[0] if locale != "xx" else "en"
    assert f'lang="{language}" dir="{direction}"' in page.text
    assert f"<span>{digit}</span>" in page.text
    assert 'value="4"' in page.text


def test_the_largest_form_is_bounded(small_site):
    page = small_site.client.post(
        small_site.survey_path(asked(small_site)), data={"score": "4", "comment": "x" * 70_000}
    )

    assert page.status_code == 413
    assert said(small_site) == []


def test_a_page_of_the_workspace_replaces_ours(small_site):
    small_site.write(
        "templates/web/thanks.html.j2",
        '{% extends "web/frame" %}{% block main %}Cheers, {{ score }}!{% endblock %}',
    )
    small_site.apply()

    page = answer(small_site, small_site.survey_path(asked(small_site)), score="5")

    assert "Cheers, 5!" in page.text


def test_a_page_of_the_workspace_that_breaks_is_shown_as_we_wrote_it(small_site):
    small_site.write("templates/web/survey.html.j2", "{{ 1 // 0 }}")
    small_site.apply()

    page = small_site.client.get(small_site.survey_path(asked(small_site)))

    assert "How satisfied are you" in page.text


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_an_unknown_method_is_refused(small_site, method):
    refused = small_site.client.request(method, small_site.survey_path(asked(small_site)))

    assert refused.status_code == 405
    assert {"GET", "POST"} <= set(refused.headers["allow"].replace(" ", "").split(","))
