"""Memberships as rows: kept while they matter, found when their check has come."""

from datetime import timedelta
from typing import Any

from store.memberships import (
    claim_due_checks,
    count_members,
    forget_segment,
    load_memberships,
    next_check,
    save_memberships,
)
from store.records import CustomerId, Membership
from store.session import Store
from tests.conftest import MONDAY

HOUR = timedelta(hours=1)


def member(customer: int, **known: Any) -> Membership:
    row: dict[str, Any] = {"is_member": True, "since": MONDAY, "next_check_at": None, **known}
    return Membership(row.pop("segment", "vip"), CustomerId(customer), **row)


def test_who_is_no_member_and_never_will_be_by_time_alone_keeps_no_row(store: Store):
    waits = member(2, is_member=False, next_check_at=MONDAY)
    with store.begin() as tx:
        save_memberships(tx, [member(1), waits, member(3, is_member=False)])
        save_memberships(tx, [member(1, is_member=False)])

        found = load_memberships(tx, "vip", [1, 2, 3])

    assert found == {2: waits}


def test_saving_again_replaces(store: Store):
    with store.begin() as tx:
        save_memberships(tx, [member(1)])
        save_memberships(tx, [member(1, next_check_at=MONDAY)])

        found = load_memberships(tx, "vip", [1])
        sizes = count_members(tx)

    assert found[CustomerId(1)].next_check_at == MONDAY
    assert sizes == {"vip": 1}


def test_checks_are_claimed_when_they_have_come_the_longest_due_first(store: Store):
    checks = {1: MONDAY, 2: MONDAY - HOUR, 3: MONDAY + HOUR}
    with store.begin() as tx:
        save_memberships(tx, [member(c, next_check_at=at) for c, at in checks.items()])

        due = claim_due_checks(tx, MONDAY, 10)
        first = claim_due_checks(tx, MONDAY, 1)
        soonest = next_check(tx)

    assert [check.customer_id for check in due] == [2, 1]
    assert [check.customer_id for check in first] == [2]
    assert soonest == MONDAY - HOUR


def test_a_forgotten_segment_has_nobody(store: Store):
    with store.begin() as tx:
        save_memberships(tx, [member(1), member(1, segment="new")])
        forget_segment(tx, "vip")

        assert count_members(tx) == {"new": 1}
