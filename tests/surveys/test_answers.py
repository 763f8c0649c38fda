"""What one sent form does to what was said before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from store.records import Answer, CustomerId, MessageId
from surveys.answers import (
    LONGEST_COMMENT,
    Closed,
    Invitation,
    OffScale,
    Recorded,
    Reply,
    Unchanged,
    current_answer,
    receive,
    tidy_comment,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INVITATION = Invitation(
    survey="csat",
    scores=range(1, 6),
    closes_at=NOON + timedelta(days=14),
    message_id=MessageId(7),
    customer_id=CustomerId(3),
    key="T-1",
)


def a_reply(score=4, comment="", sent_at=NOON, is_person=True):
    return Reply(score=score, comment=comment, sent_at=sent_at, is_person=is_person)


def an_answer(score=4, comment="", revision=1, is_counted=True):
    return Answer(
        survey="csat",
        customer_id=CustomerId(3),
        message_id=MessageId(7),
        key="T-1",
        score=score,
        comment=comment,
        answered_at=NOON,
        revision=revision,
        is_counted=is_counted,
    )


def test_the_first_form_of_a_person_is_an_answer():
    outcome = receive(a_reply(score=2, comment="slow"), INVITATION, ())

    assert outcome == Recorded(an_answer(score=2, comment="slow"), "survey.answered")


def test_the_same_form_twice_changes_nothing():
    assert receive(a_reply(), INVITATION, (an_answer(),)) == Unchanged()


def test_another_score_is_a_revision():
    outcome = receive(a_reply(score=5), INVITATION, (an_answer(score=4),))

    assert outcome == Recorded(an_answer(score=5, revision=2), "survey.revised")


def test_a_comment_added_later_is_a_revision():
    outcome = receive(a_reply(comment="thanks"), INVITATION, (an_answer(),))

    assert isinstance(outcome, Recorded)
    assert outcome.event == "survey.revised"


def test_changing_back_is_a_revision_too():
    given = (an_answer(score=4), an_answer(score=1, revision=2))

    outcome = receive(a_reply(score=4), INVITATION, given)

    assert outcome == Recorded(an_answer(score=4, revision=3), "survey.revised")


def test_a_machines_form_is_kept_without_an_event():
    outcome = receive(a_reply(is_person=False), INVITATION, ())

    assert outcome == Recorded(an_answer(is_counted=False), None)


def test_a_machine_repeating_itself_is_not_kept_twice():
    outcome = receive(a_reply(is_person=False), INVITATION, (an_answer(is_counted=False),))

    assert outcome == Unchanged()


def test_a_person_saying_what_a_machine_said_before_is_the_first_answer():
    outcome = receive(a_reply(), INVITATION, (an_answer(is_counted=False),))

    assert outcome == Recorded(an_answer(revision=2), "survey.answered")


def test_after_the_survey_has_expired_nothing_is_recorded():
    late = a_reply(sent_at=INVITATION.closes_at)

    assert receive(late, INVITATION, ()) == Closed()


def test_a_score_that_does_not_exist_is_refused():
    assert receive(a_reply(score=6), INVITATION, ()) == OffScale()


def test_the_current_answer_is_the_newest_that_counts():
    machine = an_answer(score=1, revision=2, is_counted=False)

    assert current_answer((machine, an_answer())) == an_answer()


def test_whether_the_problem_is_solved_is_part_of_the_answer():
    outcome = receive(replace(a_reply(), solved="no"), INVITATION, (an_answer(),))

    assert outcome == Recorded(
        replace(an_answer(revision=2), solved="no"),
        "survey.revised",
    )


def test_a_form_that_does_not_ask_whether_it_is_solved_leaves_what_was_said():
    given = (replace(an_answer(), solved="no"),)

    assert receive(a_reply(), INVITATION, given) == Unchanged()
    assert receive(a_reply(score=5), INVITATION, given) == Recorded(
        replace(an_answer(score=5, revision=2), solved="no"), "survey.revised"
    )


def test_a_comment_is_kept_tidy_and_bounded():
    assert tidy_comment("  so\r\nsl\x00ow \r\n") == "so\nslow"
    assert len(tidy_comment("x" * 9999)) == LONGEST_COMMENT
