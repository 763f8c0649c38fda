"""Permission as a whole shop lives it: budgets, paces, busy support, mails that come back."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from store.definitions import save_definitions
from store.figures import list_alarms
from store.intake import OwnEvent, record_own_events
from store.tables import messages
from tests.shop import SETTINGS, Shop
from tests.workers.journeys import in_transaction, said, started, write_journey

ORDERED = "start: [{event: order.completed}]\nagain: always\nholdout: none\nbecause: a test\n"
SEND = "steps: [{send: offer}]\n"


def settings(shop: Shop, more: str) -> None:
    shop.write("rekindle.yaml", SETTINGS + more)


def ordered_by(shop: Shop, count: int) -> None:
    for number in range(count):
        shop.customer(f"c{number}")
        shop.happens("order.completed", f"c{number}")


def reasons(shop: Shop) -> list[tuple[str, str]]:
    """Status and reason of every message, in order."""
    query = select(messages.c.status, messages.c.reason).order_by(messages.c.id)
    with shop.services.store.read() as connection:
        return [(row.status, row.reason) for row in connection.execute(query)]


def open_shop(shop: Shop, rest: str = SEND, keys: str = "") -> None:
    write_journey(shop, "offers", keys + ORDERED + rest, topic="offers")
    shop.mail("offer", subject="Offer")
    shop.mail("better", subject="Better")
    shop.apply()


def test_where_the_budget_has_room_for_one_the_higher_priority_goes_first(shop: Shop) -> None:
    settings(shop, "caps: {all: 1 per 7 days}\n")
    better = "priority: 80\n" + ORDERED + "steps: [{send: better}]\n"
    write_journey(shop, "better", better, topic="offers")
    open_shop(shop)
    ordered_by(shop, 1)

    shop.run()
    shop.later(days=1)

    assert [str(mail["Subject"]) for mail in shop.mails()] == ["Better"]
    assert ("refused", "over the cap 'all': 1 per 7 days") in reasons(shop)


def test_service_mails_pass_caps_and_quiet_hours_unless_their_topic_says_otherwise(
    shop: Shop,
) -> None:
    write_journey(shop, "care", ORDERED + SEND)
    shop.mail("offer")
    settings(shop, "caps: {all: 0 per 7 days}\nquiet_hours: 08:00-20:00\n")
    shop.apply()
    ordered_by(shop, 1)
    passed = shop.run().sent

    told = "topics: {service: {quiet_hours: true}, surveys: {}}\nquiet_hours: 08:00-20:00\n"
    settings(shop, told)
    shop.apply()
    shop.happens("order.completed", "c0")
    waited = shop.run()

    assert (passed, waited.sent, waited.held) == (1, 0, 1)


def test_a_journeys_pace_is_kept_and_everybody_gets_a_place(shop: Shop) -> None:
    open_shop(shop, keys="pace: 3 per day\n")
    ordered_by(shop, 7)

    sent = [shop.run().sent]
    sent += [shop.later(hours=25).sent for _ in range(2)]

    assert sent == [3, 3, 1]
    assert ("held", "paced: journey:offers 3 per 1 day") not in reasons(shop)


def test_one_domain_has_a_pace_of_its_own(shop: Shop) -> None:
    settings(shop, "pace: {domains: {slow.example: 1 per hour}}\n")
    open_shop(shop)
    for name, domain in (("ana", "slow.example"), ("bo", "slow.example"), ("cy", "fast.example")):
        shop.customer(name, email=f"{name}@{domain}")
        shop.happens("order.completed", name)

    assert shop.run().sent == 2
    assert shop.later(minutes=70).sent == 1


QUIET = "quiet_hours: 20:00-08:00\npace: {late: 5 per hour}\n"


def test_after_eight_hours_of_outage_nothing_bursts_and_nobody_is_mailed_at_night(
    shop: Shop,
) -> None:
    settings(shop, QUIET)
    open_shop(shop, "steps: [{wait: 2 hours}, {send: offer}]\n")
    ordered_by(shop, 12)
    shop.run()

    after = shop.later(hours=10)  # due at eleven, looked at when it is seven in the evening
    hours = [shop.later(hours=1).sent for _ in range(13)]  # until eight in the morning
    day = [shop.later(minutes=65).sent for _ in range(4)]

    assert after.sent == 1  # and one in twelve minutes, but it is night by then
    assert hours[:12] == [0] * 12
    assert max(*hours, *day) <= 5
    assert len(shop.mails()) == 12


def test_surveys_and_offers_wait_while_support_is_busy_and_then_come_evenly(shop: Shop) -> None:
    settings(shop, "support: {open_tickets: 1}\npace: {late: 2 per hour}\nunhappy: ignore\n")
    open_shop(shop)
    shop.customer("x")
    for ticket in ("1", "2"):
        shop.happens("ticket.opened", "x", ticket_id=ticket)
    ordered_by(shop, 5)
    busy = shop.run()

    shop.happens("ticket.solved", "x", ticket_id="1")
    relieved = [shop.later(hours=1, minutes=5).sent for _ in range(4)]

    assert (busy.sent, busy.held) == (0, 5)
    assert max(relieved) == 2
    assert len(shop.mails()) == 5


def test_a_journey_whose_mails_come_back_stops_itself_with_an_alarm(shop: Shop) -> None:
    settings(shop, "breaker: {bounces: 20%, after: 4}\n")
    open_shop(shop)
    ordered_by(shop, 4)
    shop.run()
    bounce_all(shop)

    shop.run()
    shop.customer("late")
    shop.happens("order.completed", "late")
    shop.run()

    [alarm] = in_transaction(shop, list_alarms)
    assert (alarm.kind, alarm.subject) == ("journey.stopped", "offers")
    assert "late" not in [who for who, _ in started(shop)]


def bounce_all(shop: Shop) -> None:
    with shop.services.store.begin() as tx:
        rows = tx.execute(select(messages.c.id, messages.c.customer_id)).all()
        tx.execute(update(messages).values(status="bounced"))
        facts = [
            OwnEvent(row.customer_id, "message.bounced", shop.clock.now(), f"b{row.id}",
                     {"message": row.id})
            for row in rows
        ]  # fmt: skip
        record_own_events(tx, facts, shop.clock.now())


def test_only_if_is_asked_again_when_the_mail_is_claimed(shop: Shop) -> None:
    settings(shop, "quiet_hours: 08:00-20:00\n")
    open_shop(shop, "steps: [{send: offer, only_if: {trait: wants, is: true}}]\n")
    shop.customer("ana", wants=True)
    shop.happens("order.completed", "ana")
    shop.run()

    shop.customer("ana", wants=False)
    shop.later(hours=12)

    assert shop.mails() == []
    assert reasons(shop) == [("refused", "only_if does not hold any more")]


SENSITIVE = """
steps:
  - approve: leads
    up_to: 1 day
    only_if: {trait: careful, is: true}
  - send: offer
    only_if: {trait: email, exists: true}
"""


def test_a_mail_on_a_sensitive_topic_never_leaves_without_a_yes(shop: Shop) -> None:
    open_shop(shop, SENSITIVE)  # where the question is skipped for everybody
    settings(shop, "topics: {offers: {sensitive: true}, surveys: {}}\n")
    apply_unchecked(shop)
    ordered_by(shop, 1)

    shop.run()

    assert shop.mails("c0") == []
    assert reasons(shop) == [("refused", "offers is sensitive, and nobody has approved it")]


def apply_unchecked(shop: Shop) -> None:
    """Store the settings as they are, though `check` would object to the journey."""
    body = (shop.folder / "rekindle.yaml").read_text()
    with shop.services.store.begin() as tx:
        save_definitions(tx, {("settings", "rekindle"): body}, shop.clock.now())


@pytest.mark.parametrize("hours", [1, 30])
def test_a_mail_of_a_paused_journey_waits_however_long(shop: Shop, hours: int) -> None:
    settings(shop, "quiet_hours: 08:00-20:00\n")
    open_shop(shop)
    ordered_by(shop, 1)
    shop.run()
    write_journey(shop, "offers", f"status: paused\n{ORDERED}{SEND}", topic="offers")
    shop.apply()
    shop.run()

    shop.clock.move(timedelta(hours=12))
    waited = shop.later(hours=hours)

    assert (waited.sent, said(shop, "c0")) == (0, [])
