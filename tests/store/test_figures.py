"""The dashboard's and the reports' counts, on every database."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert

from store.answers import load_answers, save_answer, save_standing
from store.figures import (
    SurveyFigures,
    count_drift,
    count_enrollments,
    count_journey_mails,
    count_positions,
    count_sent_by_day,
    count_step_mails,
    count_surveys,
    search_customers,
)
from store.intake import record_customers
from store.records import Answer, CustomerId, IncomingCustomer, MessageId
from store.steps import intern_steps
from store.suppressions import find_suppressed, lift, suppress
from store.tables import answers, drift_states, enrollments, messages, positions
from store.users import add_user, find_user, has_users, list_users, use_token

DAY = timedelta(days=1)


def add_mail(tx, now, **columns) -> MessageId:
    values = {
        "customer_id": 1, "template": "t", "topic": "offers", "status": "sent", "queued_at": now,
        "sent_at": now, "header_id": "<1@example.com>", **columns,
    }  # fmt: skip
    added = tx.execute(insert(messages).values(values).returning(messages.c.id))
    return MessageId(added.scalar_one())


def add_enrollment(tx, now, customer, **columns) -> int:
    values = {
        "journey": "hello", "version_id": 1, "customer_id": customer, "key": "",
        "occurrence": str(customer), "cause": "event", "is_held_out": False, "started_at": now,
        **columns,
    }  # fmt: skip
    added = tx.execute(insert(enrollments).values(values).returning(enrollments.c.id))
    return int(added.scalar_one())


def an_answer(message, **fields) -> Answer:
    plain = {"survey": "nps", "customer_id": CustomerId(1), "score": 9, "comment": ""}
    return Answer(**{**plain, "message_id": message, **fields})


def test_journeys_are_counted_by_how_they_ended(store, now):
    with store.begin() as tx:
        for customer, ended in enumerate([None, None, "finished", "goal", "exited"], start=1):
            add_enrollment(tx, now, customer, ended=ended, is_held_out=customer == 1)

    with store.read() as connection:
        (figures,) = count_enrollments(connection).values()

    assert (figures.started, figures.active, figures.held_out) == (5, 2, 1)
    assert (figures.finished, figures.goal, figures.exited) == (1, 1, 1)


def test_people_and_mails_are_counted_by_step(store, now):
    with store.begin() as tx:
        for customer in (1, 2):
            enrollment = add_enrollment(tx, now, customer)
            tx.execute(
                insert(positions).values(
                    enrollment_id=enrollment,
                    step_id=intern_steps(tx, ["wait"])["wait"],
                    visit=1,
                    arrived_at=now,
                )
            )
            sent_at = now if customer == 1 else None
            status = "sent" if customer == 1 else "held"
            add_mail(
                tx, now, enrollment_id=enrollment, step="send:t", sent_at=sent_at, status=status
            )

    with store.read() as connection:
        assert count_positions(connection, "hello") == {"wait": 2}
        assert count_step_mails(connection, "hello") == {"send:t": 1}
        assert count_journey_mails(connection) == {"hello": {"sent": 1, "held": 1}}


def test_the_drift_state_is_the_one_of_the_instant(store, now):
    crossings = {
        "cooling_at": now - DAY,
        "drifting_at": now,
        "dormant_at": now + DAY,
        "lost_at": now + 2 * DAY,
    }
    row = {
        "clock": "goal", "customer_id": 1, "priors_id": 1, "n": 3, "first_at": now,
        "last_at": now, "ee": 1.0, "dec": 1.0, "fst": 1.0, "day_over_at": now,
        "wound_at": now, **crossings,
    }  # fmt: skip
    with store.begin() as tx:
        tx.execute(insert(drift_states).values(row))

    def state_at(at):
        with store.read() as connection:
            return [name for name, count in count_drift(connection, "goal", at).items() if count]

    assert state_at(now - 2 * DAY) == ["active"]
    assert state_at(now - DAY) == ["cooling"]
    assert state_at(now) == ["drifting"]
    assert state_at(now + 2 * DAY) == ["lost"]


def test_mails_are_counted_by_stretches_of_a_day_that_end_now(store, now):
    with store.begin() as tx:
        for ago in (timedelta(), timedelta(hours=23), DAY, 3 * DAY):
            add_mail(tx, now, sent_at=now - ago)

    with store.read() as connection:
        assert count_sent_by_day(connection, now, days=3) == [0, 1, 2]


def test_a_survey_counts_people_and_only_answers_that_count(store, now):
    with store.begin() as tx:
        first = add_mail(tx, now, survey="nps", customer_id=1)
        add_mail(tx, now, survey="nps", customer_id=1)  # the same person, reminded
        second = add_mail(tx, now, survey="nps", customer_id=2)
        add_mail(tx, now, survey="nps", customer_id=3, status="bounced")
        add_mail(tx, now, survey="nps", customer_id=4, status="refused", sent_at=None)
        save_answer(tx, an_answer(first, answered_at=now), now)
        save_answer(tx, an_answer(first, score=3, revision=2, answered_at=now), now)
        save_answer(tx, an_answer(second, is_counted=False, answered_at=now), now)

    with store.read() as connection:
        figures = count_surveys(connection)["nps"]

    assert figures == SurveyFigures(
        survey="nps", invited=3, delivered=2, answered=1, machine_answers=1, histogram={3: 1}
    )


def test_where_the_provider_confirms_deliveries_only_those_count(store, now):
    with store.begin() as tx:
        add_mail(tx, now, survey="nps", customer_id=1, status="delivered")
        add_mail(tx, now, survey="nps", customer_id=2, status="sent")

    with store.read() as connection:
        assert count_surveys(connection)["nps"].delivered == 1


def test_taking_an_answer_back_makes_the_one_before_it_current(store, now):
    with store.begin() as tx:
        message = add_mail(tx, now, survey="nps")
        save_answer(tx, an_answer(message, answered_at=now), now)
        save_answer(tx, an_answer(message, score=1, revision=2, answered_at=now), now)
        _, second = load_answers(tx, message)
        save_standing(tx, [replace(second, is_counted=False)], now)
        rows = tx.execute(answers.select().order_by(answers.c.revision)).all()

    assert [(row.score, row.is_current, row.is_counted) for row in rows] == [
        (9, True, True),
        (1, False, False),
    ]


@pytest.mark.parametrize("text", ["c1", "C1", "sara@", "SARA"])
def test_a_customer_is_found_by_the_beginning_of_id_or_address(store, now, text):
    people = [
        IncomingCustomer("c1", {"email": "sara@example.com"}),
        IncomingCustomer("d2", {"email": "omid@example.com"}),
    ]
    with store.begin() as tx:
        record_customers(tx, people, now=now)

    with store.read() as connection:
        found = search_customers(connection, text, now, limit_rows=10)

    assert [one.external_id for one in found] == ["c1"]


def test_an_address_is_suppressed_once_and_may_be_lifted(store, now):
    with store.begin() as tx:
        assert suppress(tx, {"A@example.com": "person", "": "person"}, now) == 1
        assert suppress(tx, {"a@example.com": "complaint"}, now + DAY) == 0
        assert find_suppressed(tx, ["A@EXAMPLE.com", "b@example.com"], now) == {
            "a@example.com": "person"
        }
        assert find_suppressed(tx, ["a@example.com"], now, known_by=now - DAY) == {}
        assert lift(tx, "a@example.com", now + DAY)
        assert not lift(tx, "a@example.com", now + DAY)
        assert find_suppressed(tx, ["a@example.com"], now + DAY) == {}


def test_a_user_is_added_once_by_address(store, now):
    with store.begin() as tx:
        assert not has_users(tx)
        assert add_user(tx, " Ana@Example.com ", "hash", now)
        assert not add_user(tx, "ana@example.com", "other", now)
        found = find_user(tx, "ANA@example.com")
        assert found is not None
        assert found.password_hash == "hash"
        assert [user.email for user in list_users(tx)] == ["ana@example.com"]


def test_a_one_time_link_is_followed_once(store, now):
    with store.begin() as tx:
        assert use_token(tx, "token", now)
        assert not use_token(tx, "token", now)
        assert use_token(tx, "another", now)
