"""What a dead process held: nothing is lost, nothing is sent twice, and doubt is said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from store.records import CustomerId, EnrollmentId, Message, MessageId
from workers.lease import is_gone, new_claim, worker_name
from workers.retake import sort_abandoned

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CLAIMED = Message(
    id=MessageId(1),
    customer_id=CustomerId(1),
    enrollment_id=EnrollmentId(1),
    step="send",
    visit=1,
    template="offer",
    topic="offers",
    survey=None,
    address="ana@example.com",
    status="sending",
    reason="",
    header_id="a@example.com",
)
HANDED_OVER = replace(CLAIMED, handed_over_at=NOON)


def test_a_message_that_was_only_claimed_is_sent_by_the_next() -> None:
    abandoned = sort_abandoned([CLAIMED], NOON)

    assert abandoned.again == (replace(CLAIMED, status="queued"),)
    assert abandoned.results == ()


def test_a_message_handed_over_without_a_result_is_uncertain_and_decided_upon_at_once() -> None:
    [result] = sort_abandoned([HANDED_OVER], NOON).results

    assert (result.status, result.due_at) == ("uncertain", NOON)


def test_a_result_that_nobody_was_told_of_is_told() -> None:
    abandoned = sort_abandoned([replace(HANDED_OVER, sent_at=NOON)], NOON)

    assert [one.status for one in abandoned.results] == ["sent"]


def test_a_living_process_keeps_its_claim_until_its_lease_ends() -> None:
    until = NOON + timedelta(seconds=60)

    assert not is_gone(worker_name(), until, NOON)
    assert is_gone(worker_name(), until, until)


@pytest.mark.parametrize("trace", ["0", "not the start mark"])
def test_a_process_that_is_gone_loses_its_claim_at_once(trace: str) -> None:
    host, pid, _ = worker_name().split("/")

    assert is_gone(f"{host}/{pid}/{trace}", NOON + timedelta(seconds=60), NOON)


def test_a_claim_tells_whose_it_is_and_is_like_no_other() -> None:
    until = NOON + timedelta(seconds=60)
    host, pid, _ = worker_name().split("/")

    assert new_claim() != new_claim()
    assert not is_gone(new_claim(), until, NOON)
    assert is_gone(f"a claim@{host}/{pid}/another life", until, NOON)


def test_a_process_on_another_machine_keeps_its_claim_until_its_lease_ends() -> None:
    assert not is_gone("elsewhere/1/1", NOON + timedelta(seconds=60), NOON)
