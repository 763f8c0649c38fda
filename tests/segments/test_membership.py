"""Who entered, who left, at which instant and why."""

from datetime import datetime
from typing import Any

from segments.membership import Trigger, compare
from store.records import CustomerId, Evaluation, Membership
from tests.conftest import MONDAY
from tests.segments.history import DAY, HOUR

ANNA = CustomerId(1)
NOW = MONDAY + DAY


def stored(is_member: bool, **known: Any) -> dict[CustomerId, Membership]:
    row = {"since": MONDAY - 9 * DAY, "next_check_at": None, **known}
    return {ANNA: Membership("vip", ANNA, is_member=is_member, **row)}


def found(holds: bool, check: datetime | None = None) -> list[Evaluation]:
    return [Evaluation(ANNA, holds, check)]


def test_an_event_makes_its_customer_enter_at_its_own_instant():
    trigger = {ANNA: Trigger(NOW - HOUR, NOW - HOUR)}

    (change,) = compare("vip", {}, found(True), NOW, triggers=trigger).entered

    assert (change.at, change.cause) == (NOW - HOUR, "event")


def test_what_was_learned_late_moves_people_only_now():
    trigger = {ANNA: Trigger(NOW - 3 * DAY, NOW)}

    (change,) = compare("vip", stored(True), found(False), NOW, triggers=trigger).left

    assert (change.at, change.cause) == (NOW, "late")


def test_time_makes_people_leave_at_the_instant_of_their_check():
    before = stored(True, next_check_at=MONDAY)

    difference = compare("vip", before, found(False), NOW)

    assert [(c.at, c.cause) for c in difference.left] == [(MONDAY, "time")]
    assert difference.memberships == (Membership("vip", ANNA, False, MONDAY, None),)


def test_a_check_that_came_before_the_event_is_the_cause():
    before = stored(True, next_check_at=MONDAY)
    trigger = {ANNA: Trigger(NOW - HOUR, NOW - HOUR)}

    (change,) = compare("vip", before, found(False), NOW, triggers=trigger).left

    assert (change.at, change.cause) == (MONDAY, "time")


def test_a_new_definition_is_the_cause_for_everybody():
    difference = compare("vip", {}, found(True), NOW, because="first")

    assert [(c.at, c.cause) for c in difference.entered] == [(NOW, "first")]


def test_nobody_leaves_before_they_came():
    before = stored(True, since=NOW - HOUR)
    trigger = {ANNA: Trigger(NOW - 2 * HOUR, NOW - 2 * HOUR)}

    (change,) = compare("vip", before, found(False), NOW, triggers=trigger).left

    assert change.at == NOW - HOUR


def test_a_fruitless_look_only_moves_the_check():
    difference = compare("vip", stored(True, next_check_at=MONDAY), found(True, NOW + DAY), NOW)

    assert difference.changes == ()
    assert [m.next_check_at for m in difference.memberships] == [NOW + DAY]
    assert difference.memberships[0].since == MONDAY - 9 * DAY


def test_what_is_as_it_was_is_not_written_again():
    before = stored(True, next_check_at=NOW + DAY)

    assert compare("vip", before, found(True, NOW + DAY), NOW).memberships == ()
    assert compare("vip", {}, found(False), NOW).memberships == ()


def test_what_was_learned_without_an_event_of_its_own_moves_people_late():
    before = stored(False, next_check_at=NOW + DAY)

    (change,) = compare("vip", before, found(True), NOW).entered

    assert (change.at, change.cause) == (NOW, "late")


def test_the_figures_of_a_new_day_move_people_by_time():
    (change,) = compare("vip", {}, found(True), NOW, because="time").entered

    assert (change.at, change.cause) == (NOW, "time")
