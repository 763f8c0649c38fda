"""A no belongs to the mailbox, and a mailbox gets one copy, whoever of our customers has it."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from journeys.permission import Allowed, Held, Refused
from rekindle.customers import erase, tell, unsuppress
from rekindle.errors import NotFound
from store.blocking import suppress_addresses
from store.consents import save_preferences
from store.mailboxes import load_mailbox_consents
from store.messages import load_messages
from store.records import CustomerId, MessageId, Returned
from store.returns import act_on
from store.suppressions import fingerprint
from store.tables import consents, mailbox_consents, messages
from tests.shop import SETTINGS, Shop
from tests.workers.journeys import write_journey
from workers.permit import permit, permit_claims

ORDERED = "start: [{event: order.completed}]\nagain: always\nholdout: none\nbecause: a test\n"
SHARED = "shared@example.com"


@pytest.fixture
def family(shop: Shop) -> Shop:
    """Ana and Bo read the same mailbox, Bo with a capital letter; ana has got an email there."""
    shop.write("rekindle.yaml", f"{SETTINGS}topics: {{offers: {{consent: assumed}}}}\n")
    write_journey(shop, "offers", ORDERED + "steps: [{send: offer}]\n", topic="offers")
    shop.mail("offer", subject="Offer")
    shop.apply()
    shop.customer("ana", email=SHARED)
    shop.customer("bo", email="Bo <Shared@Example.com>")
    order(shop, "ana")
    return shop


def order(shop: Shop, who: str) -> str:
    """Bring somebody into the journey, days later; returns what became of their email."""
    shop.clock.move(timedelta(days=2))
    shop.happens("order.completed", who)
    shop.run()
    query = select(messages.c.status, messages.c.reason).order_by(messages.c.id.desc()).limit(1)
    with shop.services.store.read() as connection:
        status, reason = connection.execute(query).one()
    return str(reason or status)


def say(shop: Shop, choices: Mapping[str, str]) -> None:
    """By the link in the first email there was, which went to ana."""
    shop.clock.move(timedelta(minutes=1))
    with shop.services.store.begin() as tx:
        save_preferences(tx, CustomerId(1), MessageId(1), choices, shop.clock.now())


REFUSED = "this mailbox said no to offers"


def test_who_unsubscribes_does_so_for_everybody_at_that_mailbox_now_and_later(family: Shop):
    say(family, {"offers": "denied"})

    assert order(family, "bo") == REFUSED
    family.customer("cem", email="mailto:SHARED@example.com")
    assert order(family, "cem") == REFUSED
    family.customer("bo", email="bo@example.com")
    assert order(family, "bo") == "sent"  # the no was the mailbox's, not Bo's


def test_a_no_by_a_link_from_before_an_erasure_holds_for_the_mailbox(family: Shop):
    erase(family.services, "ana")

    say(family, {"offers": "denied"})

    assert order(family, "bo") == REFUSED
    erase(family.services, "bo")
    family.customer("cem", email="mailto:SHARED@example.com")
    assert order(family, "cem") == REFUSED


def test_the_newest_word_counts_whether_said_before_or_after_an_erasure(family: Shop):
    """Under the address or under its fingerprint, and again under that."""
    family.customer("ana", email="ana@example.com")  # bo alone has it, and an email of his own
    order(family, "bo")
    erase(family.services, "ana")
    words = [(1, "denied"), (2, "granted"), (1, "denied"), (1, "denied"), (1, "granted")]
    found = []
    for number, status in words:
        family.clock.move(timedelta(minutes=1))
        now = family.clock.now()
        with family.services.store.begin() as tx:
            save_preferences(tx, CustomerId(number), MessageId(number), {"offers": status}, now)
            found.append(load_mailbox_consents(tx, [SHARED], now)[SHARED]["offers"])

    assert found == [status for _, status in words]


def test_no_word_of_an_erased_address_is_left_in_its_emails(family: Shop):
    erase(family.services, "ana")

    with family.services.store.read() as connection:
        assert connection.scalars(select(messages.c.address)).all() == [fingerprint(SHARED)]


@pytest.mark.parametrize("who", ["ana", "bo"])
def test_a_yes_from_elsewhere_loosens_nothing_that_the_mailbox_said(family: Shop, who: str):
    say(family, {"offers": "denied"})

    tell(family.services, who, {}, {"offers": "granted"})

    assert order(family, who) == REFUSED


def test_the_mailbox_itself_takes_its_no_back(family: Shop):
    say(family, {"offers": "denied"})
    say(family, {"offers": "granted"})

    assert order(family, "bo") == "sent"


def say_by_last(shop: Shop, choices: Mapping[str, str]) -> None:
    """By the link in the newest email of all, whoever it went to."""
    shop.clock.move(timedelta(minutes=1))
    with shop.services.store.begin() as tx:
        query = select(messages.c.id, messages.c.customer_id).where(messages.c.status == "sent")
        id_, customer = tx.execute(query.order_by(messages.c.id.desc()).limit(1)).one()
        save_preferences(tx, CustomerId(customer), MessageId(id_), choices, shop.clock.now())


def test_the_mailbox_takes_its_no_back_by_the_email_of_whichever_customer(family: Shop):
    assert order(family, "bo") == "sent"
    say_by_last(family, {"offers": "denied"})  # by Bo's email
    say(family, {"offers": "granted"})  # by ana's

    assert order(family, "bo") == "sent"
    assert order(family, "ana") == "sent"


def test_a_yes_takes_back_nothing_that_was_said_at_another_mailbox_or_by_other_means(family: Shop):
    family.customer("bo", email="bo@example.com")
    assert order(family, "bo") == "sent"
    say_by_last(family, {"offers": "denied"})  # by an email to bo@example.com
    tell(family.services, "cem", {"email": SHARED}, {"offers": "denied"})  # by a form
    family.customer("bo", email=SHARED)
    say(family, {"offers": "denied"})
    say(family, {"offers": "granted"})

    assert order(family, "bo") == "said no to offers"
    assert order(family, "cem") == "said no to offers"
    assert order(family, "ana") == "sent"


def test_our_own_people_take_a_no_back_for_a_reason_that_is_kept(family: Shop):
    say(family, {"offers": "denied"})
    with family.services.store.begin() as tx:
        suppress_addresses(tx, [(SHARED, "by phone")], family.clock.now(), reason="person")

    assert unsuppress(family.services, ["Shared@example.com"], "asked by phone") == [SHARED]

    assert order(family, "ana") == "sent"
    with family.services.store.read() as connection:
        history = connection.execute(
            select(
                mailbox_consents.c.status, mailbox_consents.c.source, mailbox_consents.c.reason
            ).order_by(mailbox_consents.c.id)
        )
        assert [tuple(row) for row in history] == [
            ("denied", "preferences", ""), ("unknown", "person", "asked by phone"),
        ]  # fmt: skip
        assert list(connection.scalars(select(consents.c.status).order_by(consents.c.id))) == [
            "denied",
            "unknown",
        ]
    with pytest.raises(NotFound, match="nothing forbids email"):
        unsuppress(family.services, ["ana"], "again")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("bounce", "suppressed: hard_bounce"), ("complaint", "suppressed: complaint")],
)
def test_what_comes_back_in_any_spelling_stops_the_mailbox(family: Shop, kind: str, reason: str):
    came_back = Returned("<SHARED@Example.com.>", kind, True, "5.1.1", "mark-1")
    with family.services.store.begin() as tx:
        act_on(tx, [came_back], family.clock.now(), family.services.settings)

    assert order(family, "bo") == reason


def test_a_no_outlives_the_last_customer_of_its_mailbox_without_its_name(family: Shop):
    say(family, {"offers": "denied"})
    erase(family.services, "ana")
    with family.services.store.read() as connection:  # Bo has it still
        assert connection.scalar(select(mailbox_consents.c.mailbox)) == SHARED

    erase(family.services, "bo")

    with family.services.store.read() as connection:
        assert connection.scalar(select(mailbox_consents.c.mailbox)) == fingerprint(SHARED)
        now = family.clock.now()
        assert load_mailbox_consents(connection, [SHARED], now) == {SHARED: {"offers": "denied"}}
    family.customer("dee", email=SHARED)
    assert order(family, "dee") == REFUSED


COPY = "another customer has this address"
SECOND = "another customer with this address goes first"
UNHAPPY = "unhappy now: an unsolved ticket or a bad answer"


def later(shop: Shop, hours: int = 1) -> None:
    shop.clock.move(timedelta(hours=hours))
    shop.run()


def fates(shop: Shop) -> list[tuple[int, str]]:
    """Of every message, in order, whose it is, and its reason or status."""
    query = select(messages.c.customer_id, messages.c.status, messages.c.reason)
    with shop.services.store.read() as connection:
        rows = connection.execute(query.order_by(messages.c.id))
        return [(row.customer_id, row.reason or row.status) for row in rows]


def test_a_mailbox_gets_one_copy_and_service_email_goes_to_each(family: Shop):
    write_journey(family, "parcel", ORDERED + "steps: [{send: parcel}]\n")
    family.mail("parcel", subject="Parcel")
    family.apply()
    family.clock.move(timedelta(days=2))
    family.happens("order.completed", "ana")
    family.happens("order.completed", "bo")

    family.run()

    subjects = sorted(str(mail["Subject"]) for mail in family.mails()[1:])
    assert subjects == ["Offer", "Parcel", "Parcel"]
    later(family)
    assert (2, COPY) in fates(family)


def test_who_may_not_be_emailed_keeps_the_copy_from_nobody(family: Shop):
    tell(family.services, "ana", {}, {"offers": "denied"})
    family.clock.move(timedelta(days=2))
    family.happens("order.completed", "ana")
    family.happens("order.completed", "bo")

    family.run()

    assert fates(family)[1:] == [(1, "said no to offers"), (2, "sent")]


@pytest.fixture
def waiting(family: Shop) -> Shop:
    """An email is due to both; ana's goes first, and waits, since she is unhappy."""
    family.mail("offer", "{{ event.order_id }}", subject="Offer")
    family.apply()
    family.clock.move(timedelta(days=2))
    family.happens("ticket.opened", "ana", ticket_id="t-1")
    family.happens("order.completed", "ana")
    family.happens("order.completed", "bo", order_id="o-1")
    family.run()
    assert fates(family)[1:] == [(1, UNHAPPY), (2, SECOND)]
    return family


def says_no(shop: Shop) -> None:
    tell(shop.services, "ana", {}, {"offers": "denied"})


def moves_away(shop: Shop) -> None:
    shop.customer("ana", email="ana@example.com")


def has_no_address(shop: Shop) -> None:
    shop.customer("ana", email="nobody")


def is_erased(shop: Shop) -> None:
    erase(shop.services, "ana")


def cannot_be_written_to(shop: Shop) -> None:
    """Her order has no number, which the template asks for."""
    shop.happens("ticket.solved", "ana", ticket_id="t-1")


@pytest.mark.parametrize(
    "become", [says_no, moves_away, has_no_address, is_erased, cannot_be_written_to]
)
def test_a_mailbox_gets_its_copy_whatever_becomes_of_the_first(
    waiting: Shop, become: Callable[[Shop], None]
):
    become(waiting)
    later(waiting, hours=7)
    later(waiting)

    assert fates(waiting)[-1] == (2, "sent")
    assert str(waiting.mails()[-1]["To"]) == "Shared@example.com"


def test_the_second_is_refused_once_the_first_has_left_and_not_before(waiting: Shop):
    waiting.happens("ticket.solved", "ana", ticket_id="t-1")
    waiting.mail("offer", subject="Offer")
    waiting.apply()
    later(waiting, hours=7)
    later(waiting)

    assert fates(waiting)[1:] == [(1, "sent"), (2, COPY)]


def test_whoever_is_claimed_goes_first_and_may_yet_fail(family: Shop):
    """What is claimed has not left; who comes with a better rank meanwhile waits for it."""
    write_journey(family, "offers", ORDERED + "steps: [{send: offer}]\n", topic="offers")
    family.clock.move(timedelta(days=2))
    for who in ("ana", "bo"):
        family.happens("ticket.opened", who, ticket_id=who)
        family.happens("order.completed", who)
    family.run()
    for who in ("ana", "bo"):
        family.happens("ticket.solved", who, ticket_id=who)
    now = family.clock.now()
    library = family.services.library()
    with family.services.store.begin() as tx:
        tx.execute(
            update(messages)
            .where(messages.c.customer_id == 2)
            .values(status="queued", claimed_by="somebody", address=SHARED)
        )
        [id_] = tx.scalars(
            select(messages.c.id).where(messages.c.customer_id == 1, messages.c.status == "held")
        )
        [one] = permit(tx, library, load_messages(tx, [id_]), now)

    assert isinstance(one.verdict, Held)
    assert one.verdict.reason == SECOND


def test_what_never_leaves_takes_no_room_from_the_others_at_its_mailbox(family: Shop):
    """Asked in one batch: ana's goes before Bo's, but she has said no."""
    caps = "topics: {offers: {consent: assumed}}\ncaps: {all: 1 per 1 day}\n"
    family.write("rekindle.yaml", f"{SETTINGS}{caps}")
    write_journey(family, "other", ORDERED + "steps: [{send: other}]\n", topic="offers")
    family.mail("other", subject="Other")
    family.apply()
    family.clock.move(timedelta(days=2))
    now, library = family.clock.now(), family.services.library()
    tell(family.services, "ana", {}, {"offers": "denied"})
    with family.services.store.begin() as tx:
        tx.execute(
            insert(messages),
            [
                {
                    "customer_id": customer, "template": "other", "topic": "offers",
                    "status": "queued", "queued_at": now, "due_at": now, "header_id": "x@x",
                }
                for customer in (1, 2)
            ],
        )  # fmt: skip
        ids = list(tx.scalars(select(messages.c.id).where(messages.c.template == "other")))
        verdicts = [one.verdict for one in permit(tx, library, load_messages(tx, ids), now)]

    assert verdicts == [Refused("said no to offers"), Allowed()]


def test_what_a_second_customer_is_sent_another_day_is_no_copy(family: Shop):
    assert order(family, "bo") == "sent"


def test_caps_and_the_rest_after_a_survey_count_by_mailbox(family: Shop):
    more = "topics: {offers: {consent: assumed}, surveys: {consent: assumed}}\n"
    family.write("rekindle.yaml", f"{SETTINGS}{more}caps: {{offers: 1 per 7 days}}\n")
    family.write("surveys/nps.yaml", "survey: nps\nkind: nps\n")
    family.mail("asked", body='{{ survey("nps") }}', subject="Asked")
    for name, event in (("ask", "order.shipped"), ("ask_more", "order.rated")):
        start = f"start: [{{event: {event}}}]\nholdout: none\nbecause: a test\n"
        steps = "steps: [{survey: nps, template: asked}]\n"
        write_journey(family, name, start + steps, topic="surveys")
    family.apply()

    assert order(family, "bo").startswith("over the cap 'offers'")
    family.happens("order.shipped", "ana")
    family.run()
    family.happens("order.rated", "bo")
    family.run()

    assert fates(family)[-2] == (1, "sent")
    assert fates(family)[-1][1].startswith("was asked on")


def test_two_workers_never_claim_for_one_mailbox_at_once(family: Shop):
    """On SQLite there is one writer at a time; on PostgreSQL the second leaves the mailbox out."""
    store, now = family.services.store, family.clock.now()
    family.clock.move(timedelta(days=2))
    family.happens("order.completed", "ana")
    family.happens("order.completed", "bo")
    family.customer("cem")
    family.happens("order.completed", "cem")
    library = family.services.library()
    with store.begin() as tx:
        tx.execute(
            insert(messages),
            [
                {
                    "customer_id": customer, "template": "other", "topic": "offers",
                    "status": "queued", "queued_at": now, "due_at": now, "header_id": "x@x",
                }
                for customer in (1, 2, 3)
            ],
        )  # fmt: skip
        ids = list(tx.scalars(select(messages.c.id).where(messages.c.template == "other")))
    if store.is_sqlite:
        with store.begin() as tx:
            both = permit_claims(tx, library, load_messages(tx, ids), now)
        assert [one.message.customer_id for one in both] == [1, 3]  # the rest in the next round
        return

    with store.begin() as first, store.begin() as second:
        claimed = permit_claims(first, library, load_messages(first, ids[:1]), now)
        meanwhile = permit_claims(second, library, load_messages(second, ids[1:]), now)

    assert [one.message.customer_id for one in claimed] == [1]
    assert [one.message.customer_id for one in meanwhile] == [3]
