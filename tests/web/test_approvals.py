"""The page of approvals: what waits for a yes, and answering it with nothing but forms."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select

from store.records import DefinitionId
from store.steps import intern_steps
from store.tables import approvals, enrollments, positions
from tests.web.conftest import Site

JOURNEY = """\
journey: call
topic: service
start: [{api: true}]
steps:
  - approve: leads
    message: Shall we?
    up_to: 2 days
    otherwise: [{set: {called: no}}]
  - wait: 3 days
  - emit: called
"""
STEP = "approve:leads"


@pytest.fixture
def inside(site: Site) -> Site:
    """Somebody who has signed in, and a journey that asks."""
    site.enter()
    site.write("rekindle.yaml", "brand: {name: Shop, zone: UTC}\npeople: {leads: ['log:']}\n")
    site.write("journeys/call.yaml", JOURNEY)
    site.apply()
    return site


def ask(site: Site, customer: str) -> int:
    """The number of an open approval about somebody who stands at the step."""
    now, whom = site.clock.now(), site.customer(customer)
    version: DefinitionId = site.services.library().versions["journey", "call"]
    trip = {
        "journey": "call", "version_id": version, "customer_id": whom, "key": "",
        "occurrence": customer, "cause": "api", "is_held_out": False, "started_at": now,
    }  # fmt: skip
    with site.services.store.begin() as tx:
        added = tx.execute(insert(enrollments).values(trip).returning(enrollments.c.id))
        place = {"enrollment_id": added.scalar_one(), "visit": 1}
        step_id = intern_steps(tx, [STEP])[STEP]
        tx.execute(insert(positions).values(**place, step_id=step_id, arrived_at=now, due_at=now))
        question = {"people": "leads", "message": "Shall we?", "until": now + timedelta(days=2)}
        asked = insert(approvals).values(**place, **question, step=STEP, asked_at=now)
        return int(tx.execute(asked.returning(approvals.c.id)).scalar_one())


def answers(site: Site) -> list[tuple[bool | None, str]]:
    query = select(approvals.c.is_granted, approvals.c.answered_by).order_by(approvals.c.id)
    with site.services.store.read() as connection:
        return [(row.is_granted, row.answered_by) for row in connection.execute(query)]


def test_the_overview_says_how_many_wait(inside: Site):
    before = inside.client.get("/").text
    ask(inside, "ana")
    ask(inside, "bo")

    after = inside.client.get("/").text

    assert "for somebody's yes" not in before
    assert "2 approvals wait" in after


def test_the_page_shows_who_waits_and_what_either_answer_would_do(inside: Site):
    ask(inside, "ana")

    page = inside.client.get("/approvals").text

    for words in ("ana", "Shall we?", "Wait 3 days, Emit called", "Set called: no", "in 2 days"):
        assert words in page


@pytest.mark.parametrize(("says", "is_granted"), [("yes", True), ("no", False)])
def test_one_is_answered_in_the_name_of_whoever_is_signed_in(
    inside: Site, says: str, is_granted: bool
):
    ana = ask(inside, "ana")
    ask(inside, "bo")

    answer = inside.client.post("/approvals", data={"approval": str(ana), "says": says})

    assert answer.headers["location"] == "/approvals?answered=1"
    assert answers(inside) == [(is_granted, "console"), (None, "")]


def test_all_of_a_step_are_those_that_the_page_counted(inside: Site):
    ask(inside, "ana")
    bo = ask(inside, "bo")
    ask(inside, "cy")
    form = {"journey": "call", "step": STEP, "newest": str(bo), "says": "yes"}

    answer = inside.client.post("/approvals", data=form)

    assert answer.headers["location"] == "/approvals?answered=2"
    assert answers(inside) == [(True, "console"), (True, "console"), (None, "")]


def test_what_is_over_or_left_is_neither_counted_nor_answered(inside: Site):
    numbers = [ask(inside, "ana"), ask(inside, "bo")]
    with inside.services.store.begin() as tx:  # ana was taken out of the journey
        tx.execute(delete(positions).where(positions.c.enrollment_id == 1))
    with_bo = inside.client.get("/").text
    inside.clock.move(timedelta(days=2))  # nobody answered in time about bo
    inside.enter()
    forms = [{"approval": str(number), "says": "yes"} for number in numbers]

    places = [inside.client.post("/approvals", data=form).headers["location"] for form in forms]

    assert "1 approval waits" in with_bo
    assert places == ["/approvals?answered=0"] * 2
    assert "Nothing waits for your yes" in inside.client.get("/approvals").text


@pytest.mark.parametrize(
    "form", [{}, {"approval": "1"}, {"says": "yes"}, {"approval": "x", "says": "yes"}]
)
def test_a_form_that_says_nothing_is_refused(inside: Site, form: dict[str, str]):
    assert inside.client.post("/approvals", data=form).status_code == 422


def test_neither_strangers_nor_other_sites_answer(inside: Site):
    form = {"approval": str(ask(inside, "ana")), "says": "yes"}

    foreign = inside.client.post("/approvals", data=form, headers={"sec-fetch-site": "cross-site"})
    inside.client.cookies.clear()
    stranger = inside.client.post("/approvals", data=form)

    assert (foreign.status_code, stranger.headers["location"]) == (403, "/sign-in")
    assert answers(inside) == [(None, "")]
