"""What the dashboard's pages show, from rows to words."""

from datetime import timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import insert

from store.holds import begin_hold
from store.steps import intern_steps
from store.tables import alarms, answers, drift_states, enrollments, memberships, positions
from tests.web.conftest import Site

DAY = timedelta(days=1)
SEGMENT = """\
segment: regulars
description: Who bought twice.
match: {event: order.completed, at_least: 2}
"""
JOURNEY = """\
journey: hello
description: Says hello.
topic: offers
start: [{enters: regulars}]
steps:
  - send: hello/first
  - branch:
      - when: {trait: vip, is: yes}
        steps: [{send: hello/vip}]
  - wait: 2 days
"""
MAIL = """\
{% extends "layouts/brand" %}
{% block subject %}Hi{% endblock %}
{% block body %}Hi{% endblock %}
"""
LAYOUT = (
    "<html><body>{% block subject %}{% endblock %}{% block preheader %}{% endblock %}"
    '{% block body %}{% endblock %}<a href="{{ unsubscribe_url }}">Unsubscribe</a></body></html>'
)


@pytest.fixture
def inside(small_site: Site) -> Site:
    """Somebody who has signed in."""
    small_site.enter()
    return small_site


def with_journey(site: Site) -> None:
    site.write("segments/regulars.yaml", SEGMENT)
    site.write("journeys/hello.yaml", JOURNEY)
    site.write("templates/layouts/brand.html.j2", LAYOUT)
    for name in ("first", "vip"):
        site.write(f"templates/hello/{name}.html.j2", MAIL)
    site.apply()


def enroll(site: Site, customer: int, **columns) -> int:
    values = {
        "journey": "hello", "version_id": 1, "customer_id": customer, "key": "",
        "occurrence": f"o{customer}", "cause": "event", "is_held_out": False,
        "started_at": site.clock.now(), **columns,
    }  # fmt: skip
    with site.services.store.begin() as tx:
        added = tx.execute(insert(enrollments).values(values).returning(enrollments.c.id))
        return int(added.scalar_one())


def stand(site: Site, enrollment: int, step: str) -> None:
    now = site.clock.now()
    with site.services.store.begin() as tx:
        step_id = intern_steps(tx, [step])[step]
        place = {"enrollment_id": enrollment, "step_id": step_id, "visit": 1}
        tx.execute(insert(positions).values(**place, arrived_at=now, due_at=now + DAY))


def test_an_empty_shop_is_told_what_to_do_first(inside):
    page = inside.client.get("/")

    assert page.status_code == 200
    assert "rekindle import" in page.text
    assert "rekindle apply" in page.text


def test_customers_stand_in_the_drift_state_of_this_very_instant(inside):
    customer = inside.customer("c1")
    last = inside.clock.now() - 10 * DAY
    with inside.services.store.begin() as tx:
        tx.execute(
            insert(drift_states).values(
                clock="goal", customer_id=customer, priors_id=1, n=3, first_at=last, last_at=last,
                ee=1, dec=1, fst=1, cooling_at=last + 9 * DAY, drifting_at=last + 11 * DAY,
                dormant_at=last + 20 * DAY, lost_at=last + 90 * DAY,
                day_over_at=last, wound_at=last,
            )
        )  # fmt: skip

    before = inside.client.get("/customers?state=drifting").text
    inside.pass_time(days=2)
    inside.enter()
    after = inside.client.get("/customers?state=drifting").text

    assert "c1@example.com" not in before
    assert "c1@example.com" in after


def test_the_overview_counts_segments_journeys_surveys_and_alarms(inside):
    with_journey(inside)
    customer = inside.customer("c1")
    stand(inside, enroll(inside, customer), "send:hello/first")
    message = inside.message(customer, survey="nps")
    now = inside.clock.now()
    with inside.services.store.begin() as tx:
        tx.execute(
            insert(memberships).values(
                segment="regulars", customer_id=customer, is_member=True, since=now
            )
        )
        tx.execute(
            insert(answers).values(
                survey="nps", customer_id=customer, message_id=message, score=9, revision=1,
                is_current=True, is_counted=True, answered_at=now, known_at=now,
            )
        )  # fmt: skip
        tx.execute(
            insert(alarms).values(
                kind="breaker", subject="hello", message="It stopped itself.", raised_at=now
            )
        )

    page = inside.client.get("/").text

    assert 'href="/segments/regulars">Regulars</a>' in page
    assert 'href="/journeys/hello">Hello</a>' in page
    assert "1 answered of 1 delivered" in page
    assert "Fewer than five answers" in page
    assert "It stopped itself." in page


def test_a_journey_is_drawn_with_the_people_at_each_step(inside):
    with_journey(inside)
    for number in range(3):
        stand(inside, enroll(inside, inside.customer(f"c{number}")), "wait")

    page = inside.client.get("/journeys/hello").text

    assert "Wait 2 days" in page
    assert "trait: vip, is: yes" in page
    assert page.count('class="box ') == 6  # start, four steps, finish
    assert page.count("has-people") == 1
    assert ">3</text>" in page


def test_a_journey_with_a_goal_says_what_it_is_worth(inside):
    with_journey(inside)
    goal = "goal: {event: order.completed, within: 7 days, value: total}\n"
    inside.write("journeys/hello.yaml", JOURNEY.replace("steps:\n", f"{goal}steps:\n", 1))
    inside.apply()
    for customer in range(1, 61):
        enroll(inside, customer, is_held_out=customer <= 6, started_at=inside.clock.now())
    inside.clock.move(7 * DAY)
    inside.enter()

    page = inside.client.get("/journeys/hello").text

    assert "What it is worth" in page
    assert "Too early to say: of the smaller group 6 customers" in page
    assert "6 of 60 are held out, 10 % expected" in page


def test_a_segment_shows_its_newest_members_first(inside):
    with_journey(inside)
    now = inside.clock.now()
    rows = [
        {
            "segment": "regulars",
            "customer_id": inside.customer(f"c{number}"),
            "is_member": True,
            "since": now - number * DAY,
        }
        for number in (3, 1, 2)
    ]
    with inside.services.store.begin() as tx:
        tx.execute(insert(memberships), rows)

    page = inside.client.get("/segments/regulars").text

    assert "Who bought twice." in page
    places = [page.index(f"/customers/c{number}") for number in (1, 2, 3)]
    assert places == sorted(places)


@pytest.mark.parametrize("query", ["c77", "C77", "sara@", "SARA@exa"])
def test_customers_are_found_by_the_beginning_of_what_is_known(inside, query):
    inside.customer("c77", email="sara@example.com")
    inside.customer("d1", email="omid@example.com")

    page = inside.client.get("/customers", params={"query": query}).text

    assert "/customers/c77" in page
    assert "/customers/d1" not in page


@pytest.mark.parametrize("query", ["%", "_", "'", "<script>"])
def test_odd_letters_in_a_search_are_only_letters(inside, query):
    inside.customer("c1")

    page = inside.client.get("/customers", params={"query": query})

    assert page.status_code == 200
    assert "/customers/c1" not in page.text
    assert "<script>" not in page.text


def test_a_customers_page_tells_everything_about_them(inside):
    customer = inside.customer("c/1", name="Sara", city="Riyadh")
    enrollment = inside.ticket_enrollment(customer, "c/1", "T-7")
    inside.message(customer, enrollment_id=enrollment, status="refused", reason="suppressed")

    page = inside.client.get("/customers/c%2F1")

    assert page.status_code == 200
    for words in ("Sara", "Riyadh", "ticket.solved", "T-7", "ticket_follow_up", "suppressed"):
        assert words in page.text or words.replace("_", " ").capitalize() in page.text


def test_what_customers_wrote_is_shown_as_text(inside):
    inside.customer("c1", name="<script>alert(1)</script>")

    page = inside.client.get("/customers/c1").text

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_outbox_is_filtered_by_status_and_turned_by_page(inside):
    customer = inside.customer("c1")
    for number in range(51):
        inside.message(customer, template=f"t/{number}")
    inside.message(customer, template="t/held", status="held", sent_at=None)

    first = inside.client.get("/outbox?status=sent").text
    second = inside.client.get("/outbox?status=sent&before=2").text

    assert ">t/held<" not in first
    assert ">t/50<" in first
    assert "Earlier mails" in first
    assert ">t/0<" in second
    assert "Earlier mails" not in second


def test_a_mail_is_shown_as_it_looks_and_can_do_nothing(inside):
    message = inside.message(inside.customer("c1"))
    mail = EmailMessage()
    mail["Subject"] = "سلام"
    mail["List-Unsubscribe"] = "<https://example.com/u/1>"
    mail.set_content("In words")
    mail.add_alternative("<p>In <b>colour</b></p>", subtype="html")
    inside.write(f"outbox/{message}.eml", mail.as_string())

    page = inside.client.get(f"/outbox/{message}")
    html = inside.client.get(f"/outbox/{message}/html")

    for words in ("سلام", "In words", "List-Unsubscribe", "sandbox"):
        assert words in page.text
    assert html.text.strip() == "<p>In <b>colour</b></p>"
    assert "sandbox" in html.headers["content-security-policy"]
    assert "script-src" not in html.headers["content-security-policy"]


def test_a_mail_without_a_copy_says_so(inside):
    message = inside.message(inside.customer("c1"), status="held", sent_at=None)

    assert "No copy of this mail is kept" in inside.client.get(f"/outbox/{message}").text
    assert inside.client.get(f"/outbox/{message}/html").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/segments/x", "/journeys/x", "/customers/x", "/outbox/9", "/outbox/9/html", "/nothing"],
)
def test_what_does_not_exist_is_a_404(inside, path):
    assert inside.client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/customers", "/outbox", "/segments/x"])
def test_the_dashboard_only_shows(inside, path):
    assert inside.client.post(path).status_code == 405


@pytest.mark.parametrize("name", ["pages.css", "dashboard.css", "mark.svg"])
def test_styles_are_our_own_and_may_be_kept(inside, name):
    answer = inside.client.get(f"/assets/{name}")

    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["app.py", "..%2Fframe.html.j2", "x"])
def test_nothing_but_styles_is_served(inside, name):
    assert inside.client.get(f"/assets/{name}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/customers", "/approvals", "/outbox"])
def test_every_page_says_that_nothing_leaves(inside, path):
    with inside.services.store.begin() as tx:
        begin_hold(tx, "a drill", inside.clock.now())

    page = inside.client.get(path).text
    ready = inside.client.get("/readyz").text

    assert page.count("(a drill), until &#39;rekindle release&#39;") == 1
    assert ready.startswith("ready\nheld: nothing leaves since")
