"""What is durable before the last byte of a mail leaves, and that one failure is everybody's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import update

from adapters.email.base import OutgoingEmail
from store.editions import find_address
from store.messages import Sending, load_messages, load_stored, queue_messages
from store.records import MessageId
from store.session import Store
from store.tables import messages
from workers.composing import Written
from workers.ledger import Entry, Ledger, NotMarked, NotOurs

CLAIM = "a claim@here/1/1"
BYTES = b"Subject: Hello\r\n\r\nHello.\r\n"


def test_marks_that_are_asked_for_at_once_are_all_durable_when_each_returns(
    store: Store, now: datetime
) -> None:
    ids = queued(store, now, count=20)
    ledger = Ledger(store, CLAIM, now)

    def mark(id_: MessageId) -> datetime | None:
        ledger.write(entry(id_))
        with store.read() as connection:
            return load_messages(connection, [id_])[0].handed_over_at

    with ThreadPoolExecutor(4) as executor:
        seen = list(executor.map(mark, ids))

    assert seen == [now] * 20


def test_with_the_mark_go_the_result_before_the_links_and_the_bytes_of_service_mail(
    store: Store, now: datetime
) -> None:
    before, this = queued(store, now, count=2)
    sent = Sending(before, "sent", sent_at=now)

    Ledger(store, CLAIM, now).write(entry(this, unsaved=sent, is_kept=True))

    with store.read() as connection:
        assert load_messages(connection, [before])[0].sent_at == now
        assert load_stored(connection, [this]) == {this: BYTES}
        assert find_address(connection, "first", 1) == "https://shop.example/"


def test_a_mark_that_cannot_be_written_is_said_and_the_next_one_is_tried_anew(
    store: Store, now: datetime
) -> None:
    broken, sound = queued(store, now, count=2)
    ledger = Ledger(store, CLAIM, now)
    without_zone = Sending(sound, "sent", sent_at=now.replace(tzinfo=None))

    with pytest.raises(NotMarked):
        ledger.write(entry(broken, unsaved=without_zone))
    ledger.write(entry(sound))

    with store.read() as connection:
        marks = {one.id: one.handed_over_at for one in load_messages(connection, [broken, sound])}
    assert marks == {broken: None, sound: now}


@pytest.mark.parametrize(
    "became",
    [
        {"claimed_by": "another@there/1/1"},
        {"claimed_by": None, "status": "queued"},
        {"status": "delivered"},
    ],
)
def test_a_mail_that_is_not_ours_any_more_gets_no_mark_and_the_others_do(
    store: Store, now: datetime, became: dict[str, str]
) -> None:
    lost, kept = queued(store, now, count=2)
    with store.begin() as tx:
        tx.execute(update(messages).where(messages.c.id == lost).values(**became))
    ledger = Ledger(store, CLAIM, now)

    with pytest.raises(NotOurs):
        ledger.write(entry(lost, is_kept=True))
    ledger.write(entry(kept))

    with store.read() as connection:
        marks = {one.id: one.handed_over_at for one in load_messages(connection, [lost, kept])}
        assert load_stored(connection, [lost]) == {}
    assert marks == {lost: None, kept: now}


def test_a_mail_whose_permission_was_taken_back_gets_no_mark(store: Store, now: datetime) -> None:
    withdrawn, kept = queued(store, now, count=2)
    ledger = Ledger(store, CLAIM, now, lambda _tx: {withdrawn})

    with pytest.raises(NotOurs):
        ledger.write(entry(withdrawn))
    ledger.write(entry(kept))

    assert ledger.marked == {kept}


def queued(store: Store, now: datetime, *, count: int) -> list[MessageId]:
    rows = [
        {
            "customer_id": number, "enrollment_id": number, "step": "hello", "visit": 1,
            "template": "hello", "topic": "service", "status": "sending", "queued_at": now,
            "claimed_by": CLAIM,
            "header_id": f"{number}@example.com",
        }
        for number in range(1, count + 1)
    ]  # fmt: skip
    with store.begin() as tx:
        return sorted(queue_messages(tx, rows))


def entry(id_: MessageId, *, unsaved: Sending | None = None, is_kept: bool = False) -> Entry:
    email = OutgoingEmail(id_, "h@example.com", "a@example.com", "b@example.com", BYTES, "", "", "")
    return Entry(id_, unsaved, Written(email, "first", ("https://shop.example/",)), is_kept=is_kept)
