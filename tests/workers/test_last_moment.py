"""Whoever says no while their mail is claimed is heard before it leaves, by whichever door."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from adapters.email.base import OutgoingEmail
from rekindle.customers import erase, merge, suppress, tell
from rekindle.errors import NotNow
from store.blocking import suppress_addresses
from store.consents import save_choices
from store.customers import find_customer
from store.holds import begin_hold
from store.mailboxes import save_mailbox_choices
from store.permission_changes import (
    KEPT,
    PermissionWatch,
    forget_permission_changes,
    has_many_changes,
    note_permission_change,
)
from store.records import CustomerId, Report, Returned
from store.reports import record_reports
from store.returns import act_on
from store.session import Store
from tests.shop import Shop
from tests.workers.journeys import in_transaction, write_journey
from tests.workers.providers import Scripted, address, connect, crowd, rows
from workers.changes import exit_customer, follow_versions
from workers.pausing import stop_journey

WHO = "c0005"  # of ten, one after the other
THEIRS = address(5)
Door = Callable[[Shop], object]


def known(shop: Shop) -> CustomerId:
    with shop.services.store.read() as connection:
        found = find_customer(connection, WHO)
    assert found is not None
    return found


def by_command(shop: Shop) -> None:
    suppress(shop.services, [WHO])


def by_import(shop: Shop) -> None:
    in_transaction(shop, suppress_addresses, [(THEIRS, "a list")], shop.clock.now())


def by_preference_page(shop: Shop) -> None:
    said = {"offers": "denied"}
    in_transaction(shop, save_choices, known(shop), said, "page", shop.clock.now())


def by_mailbox(shop: Shop) -> None:
    said = {"offers": "denied"}
    in_transaction(shop, save_mailbox_choices, THEIRS, said, "one click", shop.clock.now())


def by_identify(shop: Shop) -> None:
    tell(shop.services, WHO, {}, {"offers": "denied"})


def by_report(kind: str) -> Door:
    def door(shop: Shop) -> None:
        report = Report(
            f"a {kind}", kind, THEIRS, shop.clock.now(), suppression=REASONS[kind]
        )  # fmt: skip
        in_transaction(shop, record_reports, [report], shop.clock.now())

    return door


REASONS = {"bounced": "hard_bounce", "complained": "complaint"}


def by_returned_mail(kind: str) -> Door:
    def door(shop: Shop) -> None:
        item = Returned(THEIRS, kind, hard=kind == "bounce", status="5.1.1", mark=f"a {kind}")
        in_transaction(shop, act_on, [item], shop.clock.now(), shop.services.settings)

    return door


def by_exit(shop: Shop) -> None:
    in_transaction(shop, exit_customer, "hello", known(shop), shop.clock.now())


def by_merge(shop: Shop) -> None:
    """What was denied to one of the two is denied to both."""
    shop.customer("other", email="other@example.com")
    tell(shop.services, "other", {}, {"offers": "denied"})
    merge(shop.services, "other", [WHO])


FOR_ONE: dict[str, Door] = {
    "command": by_command,
    "import": by_import,
    "preference page": by_preference_page,
    "one click": by_mailbox,
    "identify": by_identify,
    "reported bounce": by_report("bounced"),
    "reported complaint": by_report("complained"),
    "returned bounce": by_returned_mail("bounce"),
    "returned complaint": by_returned_mail("complaint"),
    "exit": by_exit,
    "merge": by_merge,
}


def by_stop(shop: Shop) -> None:
    library = shop.services.library()
    in_transaction(shop, stop_journey, library, "hello", "by hand", shop.clock.now())


def by_pause(shop: Shop) -> None:
    write(shop, "status: paused\n")


def by_drain(shop: Shop) -> None:
    write(shop, "in_flight: drain\nnote: again\n")
    follow_versions(shop.services, shop.clock.now())


def write(shop: Shop, more: str) -> None:
    rest = "start: [{event: came}]\nholdout: none\nbecause: a test\nsteps: [{send: hello}]\n"
    write_journey(shop, "hello", more + rest, topic="offers")
    shop.apply()


def by_settings(shop: Shop) -> None:
    shop.write(
        "rekindle.yaml",
        (shop.folder / "rekindle.yaml").read_text() + "topics: {offers: {consent: required}}\n",
    )
    shop.apply()


def by_hold(shop: Shop) -> None:
    in_transaction(shop, begin_hold, "to look", shop.clock.now())


FOR_ALL: dict[str, Door] = {
    "stop": by_stop,
    "pause": by_pause,
    "drain": by_drain,
    "settings": by_settings,
    "hold": by_hold,
}


def send_while(shop: Shop, door: Door) -> Scripted:
    """Ten mails are claimed; once the first has left, somebody comes through the door."""
    crowd(shop, 10)
    provider = connect(shop, Scripted())

    def open_door(email: OutgoingEmail) -> None:
        if email.to == address(0):
            door(shop)

    provider.after = open_door
    shop.run()
    return provider


@pytest.mark.parametrize("door", FOR_ONE)
def test_who_says_no_while_their_mail_is_claimed_is_not_mailed_and_the_others_are(
    shop: Shop, door: str
) -> None:
    provider = send_while(shop, FOR_ONE[door])

    assert [email.to for email in provider.taken if email.to == THEIRS] == []
    assert len(provider.taken) == 9
    assert rows(shop)[5]["status"] in ("refused", "bounced", "complained")


@pytest.mark.parametrize("door", FOR_ALL)
def test_what_is_stopped_while_mails_are_claimed_stops_at_the_next(shop: Shop, door: str) -> None:
    provider = send_while(shop, FOR_ALL[door])

    assert [email.to for email in provider.taken] == [address(0)]
    assert {row["status"] for row in rows(shop)[1:]} <= {"held", "refused"}
    assert {row["claimed_by"] for row in rows(shop)} == {None}


def test_nobody_is_erased_while_their_mail_leaves(shop: Shop) -> None:
    def door(shop: Shop) -> None:
        with pytest.raises(NotNow):
            erase(shop.services, WHO)

    assert len(send_while(shop, door).taken) == 10


def test_a_change_that_commits_late_is_heard_though_later_ones_were_heard_before(
    postgres_url: str,
) -> None:
    store = Store(postgres_url)
    with store.begin() as tx:
        watch = PermissionWatch.begin(tx)
    with store.begin() as slow:
        note_permission_change(slow, [CustomerId(1)])
        with store.begin() as quick:
            note_permission_change(quick, [CustomerId(2)])
        with store.begin() as tx, watch.hearing(tx, [CustomerId(1), CustomerId(2)]) as first:
            assert set(first) == {2}
    with store.begin() as tx, watch.hearing(tx, [CustomerId(1), CustomerId(2)]) as second:
        assert set(second) == {1}
    with store.begin() as tx, watch.hearing(tx, [CustomerId(1), CustomerId(2)]) as third:
        assert set(third) == set()
    store.close()


def test_what_is_forgotten_was_not_missed(store: Store) -> None:
    with store.begin() as tx:
        watch = PermissionWatch.begin(tx)
        note_permission_change(tx, [CustomerId(7)])
        for _ in range(KEPT + 10):
            note_permission_change(tx, [CustomerId(1)])
        assert not has_many_changes(tx)
        for _ in range(KEPT):
            note_permission_change(tx, [CustomerId(1)])
        assert has_many_changes(tx)
        forget_permission_changes(tx)

        with watch.hearing(tx, [CustomerId(7)]) as heard:
            assert set(heard) == {7}
        assert not has_many_changes(tx)


def test_a_look_that_failed_is_repeated(store: Store) -> None:
    with store.begin() as tx:
        watch = PermissionWatch.begin(tx)
        note_permission_change(tx)

        with pytest.raises(TimeoutError), watch.hearing(tx, [CustomerId(1)]):
            raise TimeoutError
        with watch.hearing(tx, [CustomerId(1)]) as heard:
            assert set(heard) == {1}


def test_caps_and_hours_that_were_granted_with_the_claim_are_not_asked_again(shop: Shop) -> None:
    shop.write(
        "rekindle.yaml",
        (shop.folder / "rekindle.yaml").read_text()
        + "caps: {all: 1 per 7 days}\nquiet_hours: 09:30-08:00\n",
    )

    def door(shop: Shop) -> None:
        shop.clock.move(timedelta(hours=1))
        in_transaction(shop, note_permission_change)

    assert len(send_while(shop, door).taken) == 10
