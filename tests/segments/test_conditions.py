"""What conditions mean where the oracle does not look: people, mails, answers, other segments."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from segments.compile import Scope, Subjects
from segments.definition import parse_condition
from segments.paths import parse_path
from store.records import Actor
from store.standings import note_turns
from store.tables import ANSWERED, REPORTED, answers, delivery_events, events
from tests.conftest import MONDAY
from tests.segments.history import DAY, HOUR, TICK, History

ORDERED = {"event": "order.completed"}


def test_people_without_any_events_are_asked_too(history: History):
    history.customer(1)

    assert history.of(ORDERED, 1, MONDAY) == (False, None)
    assert history.of({"not": ORDERED}, 1, MONDAY) == (True, None)
    assert history.of(ORDERED | {"at_most": 2}, 1, MONDAY) == (True, None)


def test_merged_and_erased_customers_are_nobody(history: History):
    history.customer(1, merged_into=3)
    history.customer(2, external_id=None, erased_at=MONDAY)
    history.customer(3)

    found = history.ask({"not": ORDERED}, Subjects.customers_between(1, 9, MONDAY))

    assert set(found) == {3}


def test_a_window_ends_exactly_its_length_after_the_event(history: History):
    history.customer(1)
    history.event(1, MONDAY)
    rule = ORDERED | {"within": "30 days"}
    end = MONDAY + 30 * DAY

    assert history.of(rule, 1, MONDAY - TICK) == (False, MONDAY)
    assert history.of(rule, 1, MONDAY) == (True, end)
    assert history.of(rule, 1, end - TICK) == (True, end)
    assert history.of(rule, 1, end) == (False, None)


def test_of_several_events_the_check_waits_for_the_one_that_matters(history: History):
    history.customer(1)
    for day in range(4):
        history.event(1, MONDAY + day * DAY)

    rule = ORDERED | {"at_least": 2, "within": "30 days"}

    assert history.of(rule, 1, MONDAY + 5 * DAY) == (True, MONDAY + 32 * DAY)


def test_while_one_part_fails_for_ever_nobody_looks_again(history: History):
    history.customer(1)
    history.event(1, MONDAY)
    rule = {"all": [ORDERED | {"within": "30 days"}, {"trait": "plan", "is": "pro"}]}

    assert history.of(rule, 1, MONDAY) == (False, None)


def test_own_activity_is_what_customers_do_on_channels_of_theirs(history: History):
    history.customer(1)
    history.event(1, MONDAY, "page.viewed", channel="web")
    for name, channel, actor in (
        ("ticket.updated", "web", Actor.AGENT),
        ("message.opened", "email", Actor.CUSTOMER),
        ("survey.answered", "web", Actor.CUSTOMER),
        ("order.completed", "fax", Actor.CUSTOMER),
        ("email.opened", "email", Actor.CUSTOMER),
    ):
        history.event(1, MONDAY, name, channel=channel, actor=actor)

    assert history.of({"event": "any", "exactly": 1}, 1, MONDAY)[0]
    assert history.of({"channel": "web", "exactly": 1}, 1, MONDAY)[0]
    assert not history.of({"channel": "email"}, 1, MONDAY)[0]


def test_what_was_said_late_counts_from_when_it_was_known(history: History):
    history.customer(1)
    history.event(1, MONDAY, known_at=MONDAY + 2 * DAY)

    assert history.of(ORDERED, 1, MONDAY + DAY)[0] is False
    assert history.of(ORDERED, 1, MONDAY + 2 * DAY)[0] is True


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Europe/London", "Africa/Casablanca", "Asia/Gaza", "Asia/Riyadh"]
)
def test_however_often_clocks_changed_no_parser_finds_a_date_too_deep(history: History, zone: str):
    history.zone = ZoneInfo(zone)
    history.customer(1)
    history.trait(1, "renewal", "2024-03-02")
    asked = {"trait": "renewal", "before": "today", "anniversary_in_next": "6 hours"}
    rule = {"not": {"any": [{"not": {"all": [asked]}}]}}

    assert history.of(rule, 1, MONDAY - 12 * HOUR)[0]
    assert not history.of(rule, 1, MONDAY + DAY)[0]


def test_another_segment_is_its_rule_at_the_same_instant(history: History):
    history.customer(1)
    history.event(1, MONDAY)
    history.segment("buyers", ORDERED | {"within": "1 day"})

    assert history.of({"segment": "buyers"}, 1, MONDAY) == (True, MONDAY + DAY)
    assert history.of({"segment": "buyers"}, 1, MONDAY + DAY) == (False, None)


def test_segments_that_refer_to_each_other_are_refused(history: History):
    history.segment("one", {"segment": "two"})
    history.segment("two", {"not": {"segment": "one"}})

    with pytest.raises(ValueError, match="one → two → one"):
        history.of({"segment": "one"}, 1, MONDAY)


def test_an_unsolved_ticket_is_one_that_no_later_answer_of_its_own_closes(history: History):
    history.customer(1)
    rule = {"event": "ticket.opened", "without_later": ["ticket.solved"], "same": "ticket_id"}
    for at, name, ticket in (
        (MONDAY, "ticket.opened", 7),
        (MONDAY + HOUR, "ticket.solved", "70"),
        (MONDAY + 3 * HOUR, "ticket.solved", 7.0),
        (MONDAY + 4 * HOUR, "ticket.opened", 7),
    ):
        history.event(1, at, name, properties={"ticket_id": ticket})

    assert history.of(rule, 1, MONDAY + 2 * HOUR) == (True, MONDAY + 3 * HOUR)
    assert history.of(rule, 1, MONDAY + 3 * HOUR) == (False, MONDAY + 4 * HOUR)
    assert history.of(rule, 1, MONDAY + 5 * HOUR) == (True, None)


def test_numbers_larger_than_any_float_spoil_nobodys_evaluation(history: History):
    history.customer(1)
    history.event(1, MONDAY, properties={"total": 10**400})

    assert history.of(ORDERED | {"sum_of": "total", "at_least": 1}, 1, MONDAY)[0]


@pytest.mark.parametrize("largest", [1.7e308, 10**400], ids=["a float", "no float"])
@pytest.mark.parametrize(
    "asked",
    [{"sum_of": "total", "at_least": 1e100}, {"average_of": "total", "at_least": 1e99}],
    ids=["sum", "average"],
)
def test_what_adds_up_to_more_than_any_float_spoils_nobodys_evaluation(
    history: History, asked: dict[str, Any], largest: float
):
    history.customer(1)
    history.customer(2)
    for total in (largest, largest, 7):
        history.event(1, MONDAY, properties={"total": total})
    history.event(2, MONDAY, properties={"total": 7})

    assert history.of(ORDERED | asked, 1, MONDAY)[0]
    assert not history.of(ORDERED | asked, 2, MONDAY)[0]


def test_the_largest_numbers_of_both_signs_cancel_out(history: History):
    history.customer(1)
    for total in (10**400, -(10**400)):
        history.event(1, MONDAY, properties={"total": total})

    assert history.of(ORDERED | {"sum_of": "total", "exactly": 0}, 1, MONDAY)[0]
    assert history.of(ORDERED | {"average_of": "total", "exactly": 0}, 1, MONDAY)[0]


def test_what_has_no_number_has_no_average(history: History):
    history.customer(1)
    history.event(1, MONDAY, properties={"total": "much"})
    below = {"average_of": "total", "at_most": 10}

    assert not history.of(ORDERED | below, 1, MONDAY)[0]
    history.event(1, MONDAY, properties={"total": 4})
    assert history.of(ORDERED | below | {"at_least": 4}, 1, MONDAY)[0]


# --- one after the other -------------------------------------------------------------------------


def test_a_sequence_needs_its_order_and_its_time(history: History):
    history.customer(1)
    history.event(1, MONDAY, "cart.updated")
    history.event(1, MONDAY, "cart.updated")
    twice = {"sequence": [{"event": "cart.updated"}, {"event": "cart.updated"}]}
    rule = {
        "sequence": [{"event": "cart.updated"}, {"event": "order.completed", "within": "1 day"}]
    }
    history.event(1, MONDAY + DAY + TICK)

    assert history.of(twice, 1, MONDAY) == (True, None)
    assert history.of(rule, 1, MONDAY + 2 * DAY) == (False, None)

    history.event(1, MONDAY + DAY)

    assert history.of(rule, 1, MONDAY + 2 * DAY) == (True, None)


def test_what_must_not_follow_is_known_once_its_time_is_over(history: History):
    history.customer(1)
    history.event(1, MONDAY, "cart.updated")
    rule = {
        "sequence": [{"event": "cart.updated", "within": "2 days"}],
        "then_not": {"event": "order.completed", "within": "3 hours"},
    }

    assert history.of(rule, 1, MONDAY) == (False, MONDAY + 3 * HOUR)
    assert history.of(rule, 1, MONDAY + 3 * HOUR) == (True, MONDAY + 2 * DAY)

    history.event(1, MONDAY + 3 * HOUR)

    assert history.of(rule, 1, MONDAY + 3 * HOUR) == (False, None)


def test_a_trend_compares_two_stretches_side_by_side(history: History):
    history.customer(1)
    for day in (1, 2, 3, 4, 11, 12):
        history.event(1, MONDAY + day * DAY)
    rule = {"trend": ORDERED, "over": "10 days", "falls_by": "50%", "from_at_least": 4}

    assert history.of(rule, 1, MONDAY + 13 * DAY) == (False, MONDAY + 14 * DAY)
    assert history.of(rule, 1, MONDAY + 14 * DAY) == (True, MONDAY + 23 * DAY)


@pytest.mark.parametrize(
    ("status", "before", "after"),
    [
        (None, True, True), ("active", True, False), ("goal", False, True),
        (["exited", "merged"], False, False), ("held_out", False, False), ("never", False, False),
    ],
)  # fmt: skip
def test_a_journey_is_asked_as_it_stood_at_the_instant(
    history: History, status: Any, before: bool, after: bool
):
    history.customer(1)
    end = MONDAY + DAY
    history.enrollment(1, 1, MONDAY, ended_at=end, ended="goal")
    rule = {"journey": "win_back"} | ({"status": status} if status else {})

    assert history.of(rule, 1, end - TICK)[0] is before
    assert history.of(rule, 1, end)[0] is after
    assert history.of({"journey": "win_back", "status": "never"}, 1, MONDAY - TICK)[0]


# --- fifths --------------------------------------------------------------------------------------


def test_a_fifth_is_a_place_among_all_who_ever_bought(history: History):
    for customer in range(1, 12):
        history.customer(customer)
    for customer in range(1, 11):
        for _ in range(customer):
            history.event(customer, MONDAY - customer * DAY, properties={"total": 0.1})
    history.publish(MONDAY)

    def those(rule: dict[str, Any]) -> list[int]:
        found = history.ask({"rfm": rule}, Subjects.customers_between(1, 20, MONDAY + DAY))
        return [customer for customer, (holds, _) in found.items() if holds]

    assert those({"frequency": 5}) == [9, 10]
    assert those({"recency": "4..5"}) == [1, 2, 3, 4]
    assert those({"monetary": "1..2", "recency": "1..4"}) == [3, 4]
    assert those({"frequency": "1..5"}) == list(range(1, 11))


def test_a_place_moves_only_with_a_version(history: History):
    for customer in (1, 2):
        history.customer(customer)
        history.event(customer, MONDAY + customer * HOUR)
    history.publish(MONDAY + DAY)
    history.event(1, MONDAY + 2 * DAY)
    rule = {"rfm": {"frequency": "3..5"}}

    assert history.of(rule, 1, MONDAY + HOUR) == (False, None)
    assert history.of(rule, 1, MONDAY + 2 * DAY) == (False, None)

    history.publish(MONDAY + 3 * DAY)

    assert history.of(rule, 1, MONDAY + 3 * DAY) == (True, None)
    assert history.of(rule, 1, MONDAY + 2 * DAY) == (False, None)


def test_who_never_bought_is_in_no_fifth_and_moves_nobody_s(history: History):
    for customer in range(1, 21):
        history.customer(customer)
    for customer in range(1, 6):
        for _ in range(customer):
            history.event(customer, MONDAY)
    history.publish(MONDAY + DAY)

    def of(customer: int, rule: dict[str, Any]) -> bool:
        return bool(history.of(rule, customer, MONDAY + DAY)[0])

    best, any_ = {"rfm": {"frequency": 5}}, {"rfm": {"frequency": "1..5"}}
    assert [customer for customer in range(1, 21) if of(customer, best)] == [5]
    assert [of(20, any_), of(20, {"not": any_})] == [False, True]


# --- mails and answers ---------------------------------------------------------------------------


def test_a_mail_is_asked_by_what_became_of_it(history: History):
    history.customer(1)
    mail = history.message(1)
    history.delivery(mail, "clicked", MONDAY + HOUR)
    history.delivery(mail, "opened", MONDAY + HOUR, is_machine=True)
    at = MONDAY + DAY

    assert history.of({"message": "win_back/hello"}, 1, at)[0]
    assert history.of({"message": "any", "clicked": True, "within": "1 day"}, 1, at) == (
        True,
        MONDAY + HOUR + DAY,
    )
    assert not history.of({"message": "win_back/hello", "opened": True}, 1, at)[0]
    assert not history.of({"message": "win_back/gift"}, 1, at)[0]


def test_the_latest_counting_answer_is_asked(history: History):
    history.customer(1)
    history.answer(1, 1, MONDAY)
    history.answer(1, 5, MONDAY + HOUR)
    history.answer(1, 1, MONDAY + 2 * HOUR, is_counted=False)
    low = {"answer": "csat", "at_most": 2}
    at = MONDAY + DAY

    assert history.of(low, 1, at) == (False, None)
    assert history.of(low | {"any": True}, 1, at) == (True, None)
    assert history.of({"answer": "csat", "exists": False}, 1, at) == (False, None)
    assert history.of({"answer": "any", "at_least": 5, "within": "2 days"}, 1, at) == (
        True,
        MONDAY + HOUR + 2 * DAY,
    )


def test_the_past_is_judged_as_it_was_then(history: History):
    history.customer(1)
    mail = history.message(1)
    history.delivery(mail, "clicked", MONDAY, is_machine=True)
    history.answer(1, 5, MONDAY)
    click = history.tx.scalars(select(delivery_events.c.id)).one()
    answer = history.tx.scalars(select(answers.c.id)).one()
    note_turns(history.tx, REPORTED, {click: False}, MONDAY + DAY)
    note_turns(history.tx, ANSWERED, {answer: False}, MONDAY + DAY)
    note_turns(history.tx, ANSWERED, {answer: True}, MONDAY + 2 * DAY)

    def at(rule: dict[str, Any], days: int) -> bool:
        return bool(history.of(rule, 1, MONDAY + days * DAY)[0])

    assert [at({"message": "any", "clicked": True}, days) for days in (0, 1)] == [True, False]
    assert [at({"answer": "csat"}, days) for days in (0, 1, 2)] == [True, False, True]


def test_what_is_reported_of_a_mail_counts_once_we_know_that_it_left(history: History):
    history.customer(1)
    mail = history.message(1, MONDAY + HOUR)
    history.delivery(mail, "delivered", MONDAY)
    delivered = {"message": "any", "delivered": True}

    assert history.of(delivered, 1, MONDAY) == (False, MONDAY + HOUR)
    assert history.of(delivered, 1, MONDAY + HOUR) == (True, None)


# --- inside a journey ----------------------------------------------------------------------------


def test_after_the_start_means_after_its_event_in_event_order(history: History):
    history.customer(1)
    history.event(1, MONDAY)
    start = history.event(1, MONDAY)
    history.enrollment(1, 1, MONDAY, event_id=start)

    assert history.inside(ORDERED, MONDAY) == {1}
    assert history.inside(ORDERED, MONDAY, scope=Scope.SINCE_START) == set()

    history.event(1, MONDAY)

    assert history.inside(ORDERED, MONDAY, scope=Scope.SINCE_START) == {1}
    assert history.inside(ORDERED | {"since": "start", "exactly": 1}, MONDAY) == {1}


def test_waiting_counts_from_arrival(history: History):
    history.customer(1)
    history.enrollment(1, 1, MONDAY, arrived_at=MONDAY + DAY)
    history.event(1, MONDAY + HOUR)
    at = MONDAY + 2 * DAY

    assert history.inside(ORDERED, at, scope=Scope.SINCE_ARRIVAL) == set()

    history.event(1, MONDAY + DAY)

    assert history.inside(ORDERED, at, scope=Scope.SINCE_ARRIVAL) == {1}


def test_a_branch_may_look_back_to_an_earlier_step(history: History):
    history.customer(1)
    history.enrollment(1, 1, MONDAY)
    history.event(1, MONDAY + HOUR)
    history.decision(1, "remind", MONDAY + 2 * HOUR)
    rule = ORDERED | {"since": "remind"}

    assert history.inside(rule, MONDAY + DAY) == set()

    history.event(1, MONDAY + 3 * HOUR)

    assert history.inside(rule, MONDAY + DAY) == {1}


def test_a_key_ties_events_to_their_enrollment(history: History):
    history.customer(1)
    for number in (7, 8):
        history.enrollment(number, 1, MONDAY, key=str(number))
    history.event(1, MONDAY + HOUR, "ticket.reopened", properties={"ticket_id": 7})
    rule = {"event": "ticket.reopened"}

    assert history.inside(rule, MONDAY + DAY, scope=Scope.SINCE_START, per="ticket_id") == {7}


def test_mails_and_answers_speak_of_this_enrollment_alone(history: History):
    history.customer(1)
    for number in (1, 2):
        history.enrollment(number, 1, MONDAY, key=str(number))
    history.message(1, enrollment_id=1, step="ask")
    history.answer(1, 2, enrollment_id=1)
    at = MONDAY + DAY

    assert history.inside({"message": "any"}, at) == {1}
    assert history.inside({"message": "any", "ever": True}, at) == {1, 2}
    assert history.inside({"answer": "csat"}, at) == {1}
    assert history.inside({"answer": "csat", "ever": True}, at) == {1, 2}


@pytest.mark.parametrize(
    ("status", "sent_at", "outcome"),
    [("delivered", MONDAY, "sent"), ("refused", None, "refused"), ("uncertain", None, "uncertain")],
)
def test_a_step_is_asked_for_the_outcome_of_its_latest_visit(
    history: History, status: str, sent_at: datetime | None, outcome: str
):
    history.customer(1)
    history.enrollment(1, 1, MONDAY)
    history.message(1, None, enrollment_id=1, step="ask", visit=1, status="cancelled")
    history.message(1, sent_at, enrollment_id=1, step="ask", visit=2, status=status)

    true = [
        o
        for o in ("sent", "refused", "uncertain")
        if history.inside({"step": "ask", "outcome": o}, MONDAY)
    ]

    assert true == [outcome]


def test_a_single_event_is_asked_about_itself(history: History):
    history.customer(1)
    cheap = history.event(1, MONDAY, properties={"total": 5})
    dear = history.event(1, MONDAY, properties={"total": 50})
    rule = ORDERED | {"where": {"total": {"at_least": 10}}}

    found = history.ask(rule, Subjects.events_in([cheap, dear], MONDAY))

    assert {id_: holds for id_, (holds, _) in found.items()} == {cheap: False, dear: True}


def test_each_subject_may_have_its_own_instant(history: History):
    for id_ in (1, 2):
        history.customer(id_)
        event = history.event(id_, MONDAY + id_ * DAY)
    history.trait(2, "renewal", "2026-03-04")
    rule = {
        "all": [ORDERED | {"within": "1 day"}, {"not": {"trait": "renewal", "before": "today"}}]
    }

    found = history.ask(rule, Subjects.events_in([event - 1, event], events.c.occurred_at))

    assert {id_: holds for id_, (holds, _) in found.items()} == {event - 1: True, event: True}


def test_no_list_is_longer_than_databases_take():
    with pytest.raises(ValueError, match="'in' takes at most 10,000 values"):
        parse_condition({"trait": "plan", "in": list(range(10_001))})


@pytest.mark.parametrize("opened", ["35436", 35436, 35436.0])
@pytest.mark.parametrize("solved", ["35436", 35436])
def test_a_ticket_is_the_same_as_a_number_and_as_a_text(
    history: History, opened: object, solved: object
):
    history.customer(1)
    history.event(1, MONDAY, "ticket.opened", properties={"ticket_id": opened})
    rule = {"event": "ticket.opened", "without_later": ["ticket.solved"], "same": "ticket_id"}

    assert history.of(rule, 1, MONDAY)[0]
    history.event(1, MONDAY + HOUR, "ticket.solved", properties={"ticket_id": solved})
    assert not history.of(rule, 1, MONDAY + HOUR)[0]


@pytest.mark.parametrize("stored", ["17", 17])
@pytest.mark.parametrize(
    ("name", "asked", "holds"),
    [
        ("order_id", {"is": 17}, True), ("orderId", {"is": "17"}, True),
        ("Order ID", {"in": ["17", "x"]}, True), ("id", {"in": [16, 17]}, True),
        ("order_id", {"is_not": "17"}, False), ("order_id", {"not_in": [18, "19"]}, True),
        ("order_id", {"is": True}, False),
    ],
)  # fmt: skip
def test_what_is_called_an_id_equals_the_text_of_its_digits(
    history: History, stored: object, name: str, asked: dict[str, object], holds: bool
):
    history.customer(1)
    history.event(1, MONDAY, properties={name: stored})

    assert history.of(ORDERED | {"where": {name: asked}}, 1, MONDAY)[0] is holds


def test_anything_else_keeps_its_type(history: History):
    history.customer(1)
    history.event(1, MONDAY, properties={"paid": 17, "grid": "17"})

    assert not history.of(ORDERED | {"where": {"paid": "17"}}, 1, MONDAY)[0]
    assert not history.of(ORDERED | {"where": {"grid": 17}}, 1, MONDAY)[0]


def test_a_birthday_without_a_year_has_its_anniversary_and_is_no_date_otherwise(history: History):
    history.customer(1)
    history.trait(1, "birthday", "--03-04")  # two days after MONDAY
    near = {"trait": "birthday", "anniversary_in_next": "3 days"}

    assert history.of(near, 1, MONDAY) == (True, MONDAY.replace(hour=0) + 3 * DAY)
    assert not history.of(near, 1, MONDAY - 5 * DAY)[0]
    assert not history.of({"trait": "birthday", "before": "2026-01-01"}, 1, MONDAY)[0]
    assert not history.of(near | {"before": "2026-01-01"}, 1, MONDAY)[0]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Bestell-Nr.", {"Bestell-Nr.": 3}), ("No. of items", {"No. of items": 3}),
        ('"company.size"', {"company.size": 3}), ("company.size", {"company": {"size": 3}}),
        ('company."no. of.people"', {"company": {"no. of.people": 3}}),
    ],
)  # fmt: skip
def test_names_with_dots_can_be_asked_about(history: History, name: str, stored: dict[str, object]):
    history.customer(1)
    history.event(1, MONDAY, properties=stored)
    for key, value in stored.items():
        history.trait(1, key, value)

    assert history.of(ORDERED | {"where": {name: 3}}, 1, MONDAY)[0]
    assert history.of(ORDERED | {"sum_of": name, "exactly": 3}, 1, MONDAY)[0]
    assert history.of({"trait": name, "is": 3}, 1, MONDAY)[0]


@pytest.mark.parametrize("name", ["", ".a", "a..b", '"a', 'a"b"', '""', 'a.""'])
def test_what_cannot_be_a_name_is_refused(name: str):
    with pytest.raises(ValueError, match="cannot be the name of a property"):
        parse_path(name)
