"""A simulation of what was in force decides exactly what the live engine decided."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from rekindle.errors import NotFound
from rekindle.rehearsal.assumed import Rates
from rekindle.rehearsal.backtest import Simulation, compare, play_record, simulate
from store.approvals import answer_approvals
from store.customers import find_customer
from store.intake import merge_people, record_told
from store.records import CustomerId, MessageId
from store.suppressions import suppress
from store.tables import customers, decisions, definitions, enrollments, messages
from tests.rehearsal.mutations import live_a_while, open_authored
from tests.rehearsal.test_plan import everything
from tests.shop import Shop
from tests.workers.journeys import in_transaction
from web.tracking import record_request
from web.visits import Visitor
from workers.changes import exit_customer
from workers.pausing import resume_journey, stop_journey
from workers.starts import Wanted, start_by_hand

PERSON = Visitor("GET", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
Decided = tuple[str, str, str, int, datetime, str, str]


def decided_live(shop: Shop, journey: str) -> list[Decided]:
    query = (
        select(
            customers.c.external_id, enrollments.c.key, decisions.c.step, decisions.c.visit,
            decisions.c.due_at, decisions.c.decision, decisions.c.reason,
        )
        .join(enrollments, enrollments.c.id == decisions.c.enrollment_id)
        .join(customers, customers.c.id == enrollments.c.customer_id)
        .where(enrollments.c.journey == journey)
    )  # fmt: skip
    with shop.services.store.read() as connection:
        return sorted(tuple(row) for row in connection.execute(query))


def decided_again(simulation: Simulation) -> list[Decided]:
    return sorted(
        (trip.customer, trip.key, one.step, one.visit, one.due_at, one.decision, one.reason)
        for trip in simulation.trips
        for one in trip.steps
    )


def deployed_at(shop: Shop, journey: str) -> datetime:
    query = select(func.min(definitions.c.known_at, type_=definitions.c.known_at.type)).where(
        definitions.c.kind == "journey", definitions.c.name == journey
    )
    with shop.services.store.read() as connection:
        found: datetime = connection.execute(query).scalar_one()
    return found


def as_recorded(folder: Path, url: str, now: datetime, seed: int, edits: int) -> None:
    """Live for some days with edits in between, then play it all again."""
    chance = Random(seed)
    shop, author = open_authored(folder, url, now, chance)
    for _ in range(edits):
        live_a_while(shop, chance, days=2)
        author.edit()
        shop.clock.move(timedelta(minutes=1))
        author.apply()
        shop.run()
    ends = shop.clock.now()
    for journey in sorted(author.journeys):
        again = play_record(shop.services, journey, deployed_at(shop, journey), ends)
        assert decided_again(again) == decided_live(shop, journey), journey
    shop.close()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.deep)])
def test_the_record_decides_as_the_engine_did(
    tmp_path: Path, sqlite_url: str, now: datetime, seed: int
) -> None:
    as_recorded(tmp_path / "workspace", sqlite_url, now, seed, edits=1)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 130))
def test_the_record_decides_as_the_engine_did_through_many_edits(
    tmp_path: Path, database_url: str, now: datetime, seed: int
) -> None:
    as_recorded(tmp_path / "workspace", database_url, now, seed, edits=4)


WELCOME = """
journey: welcome
topic: offers
holdout: none
because: a test
start: [{event: customer.joined}]
steps:
  - send: hello
  - wait: 2 days
  - branch:
      - when: {message: hello, clicked: true}
        steps: [{send: offer}]
      - otherwise: [{send: story}]
"""
JOINED_ON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def two_join(shop: Shop) -> None:
    shop.write("journeys/welcome.yaml", WELCOME)
    for name in ("hello", "offer", "story"):
        shop.mail(name)
    for customer in ("ana", "bob"):
        shop.customer(customer)


def click(shop: Shop, customer: str) -> None:
    query = (
        select(messages.c.id)
        .join(customers, customers.c.id == messages.c.customer_id)
        .where(customers.c.external_id == customer)
    )
    with shop.services.store.begin() as tx:
        message_id = MessageId(tx.execute(query).scalars().one())
        record_request(tx, message_id, "click:1", "https://x.example/", PERSON, shop.clock.now())


def welcomed(shop: Shop, *names: str) -> datetime:
    """These have joined and wait in the journey; the answer is when it began."""
    two_join(shop)
    shop.apply()
    begins = shop.clock.now()
    for name in names:
        shop.happens("customer.joined", name)
    shop.run()
    shop.later(hours=3)
    return begins


def id_of(shop: Shop, name: str) -> CustomerId:
    with shop.services.store.read() as connection:
        found = find_customer(connection, name)
    assert found is not None
    return found


def mails(simulation: Simulation) -> list[tuple[str, str]]:
    return sorted(
        (trip.customer, one.step)
        for trip in simulation.trips
        for one in trip.steps
        if one.decision == "sent"
    )


def test_a_simulated_mail_gets_the_response_that_the_real_one_got(shop: Shop) -> None:
    two_join(shop)
    shop.apply()
    begins = shop.clock.now()
    for customer in ("ana", "bob"):
        shop.happens("customer.joined", customer)
    shop.run()
    shop.clock.move(timedelta(hours=3))
    click(shop, "ana")
    shop.later(days=3)

    again = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert decided_again(again) == decided_live(shop, "welcome")
    assert ("ana", "branch.1.send:offer") in mails(again)
    assert ("bob", "branch.otherwise.send:story") in mails(again)


def test_an_edited_journey_is_played_with_the_responses_it_shares(shop: Shop) -> None:
    two_join(shop)
    shop.apply()
    begins = shop.clock.now()
    for customer in ("ana", "bob"):
        shop.happens("customer.joined", customer)
    shop.run()
    shop.clock.move(timedelta(hours=3))
    click(shop, "ana")
    shop.later(days=3)
    shop.write("journeys/welcome.yaml", WELCOME.replace("2 days", "1 day"))

    edited = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert edited.version == "as in the folder"
    assert ("ana", "branch.1.send:offer") in mails(edited)
    assert {one.due_at for trip in edited.trips for one in trip.steps[1:]} == {
        begins + timedelta(days=1)
    }


def test_a_journey_that_was_never_applied_is_played_over_imported_history(shop: Shop) -> None:
    two_join(shop)
    shop.clock.at = JOINED_ON + timedelta(days=30)
    shop.happened("customer.joined", "ana", JOINED_ON)
    shop.happened("customer.joined", "bob", JOINED_ON - timedelta(days=30))

    played = simulate(
        shop.services, "welcome", JOINED_ON - timedelta(days=1), JOINED_ON + timedelta(days=7)
    )

    assert mails(played) == [("ana", "branch.otherwise.send:story"), ("ana", "send:hello")]
    assert played.trips[0].entered_at == JOINED_ON


def test_what_was_not_known_yet_plays_no_part(shop: Shop) -> None:
    two_join(shop)
    shop.write("journeys/welcome.yaml", WELCOME.replace("message: hello, clicked: true",
                                                        "event: order.completed"))  # fmt: skip
    shop.apply()
    begins = shop.clock.now()
    shop.happens("customer.joined", "ana")
    shop.run()
    shop.later(days=3)
    shop.happens("order.completed", "ana", ago=timedelta(days=3))  # told late

    again = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert ("ana", "branch.otherwise.send:story") in mails(again)


def test_another_version_is_played_in_place_of_the_one_there_is(shop: Shop) -> None:
    two_join(shop)
    shop.apply()
    begins = shop.clock.now()
    shop.happens("customer.joined", "ana")
    shop.run()
    shop.later(days=3)
    text = WELCOME.replace("send: story", "send: offer")

    _, other = compare(
        shop.services, "welcome", begins, shop.clock.now(), against=("other.yaml", text)
    )

    assert mails(other) == [("ana", "branch.otherwise.send:offer"), ("ana", "send:hello")]


def test_a_simulation_changes_nothing_and_sends_nothing(shop: Shop) -> None:
    two_join(shop)
    shop.happens("customer.joined", "ana")
    before = everything(shop)

    simulate(shop.services, "welcome", shop.clock.now(), shop.clock.now() + timedelta(days=7))

    assert everything(shop) == before
    assert shop.mails() == []


def test_a_journey_that_nobody_wrote_is_not_found(shop: Shop) -> None:
    with pytest.raises(NotFound, match="no journey is called 'nix'"):
        simulate(shop.services, "nix", shop.clock.now(), shop.clock.now())


def test_clicks_are_assumed_only_where_somebody_asks_for_it(shop: Shop) -> None:
    two_join(shop)
    shop.clock.at = JOINED_ON + timedelta(days=30)
    shop.happened("customer.joined", "ana", JOINED_ON)
    period = (JOINED_ON - timedelta(days=1), JOINED_ON + timedelta(days=7))

    plain = simulate(shop.services, "welcome", *period)
    assumed = simulate(shop.services, "welcome", *period, rates=Rates(opened=1.0, clicked=1.0))

    assert ("ana", "branch.otherwise.send:story") in mails(plain)
    assert ("ana", "branch.1.send:offer") in mails(assumed)


ASKED = """
journey: asked
topic: service
start: [api]
steps:
  - approve: leads
    message: May we?
    up_to: 2 days
  - send: hello
"""


def test_what_people_did_by_hand_is_done_again(shop: Shop) -> None:
    shop.write("journeys/asked.yaml", ASKED)
    shop.mail("hello")
    shop.apply()
    shop.customer("ana")
    begins = shop.clock.now()
    shop.later(hours=1)
    with shop.services.store.begin() as tx:
        ana = find_customer(tx, "ana")
        assert ana is not None
        start_by_hand(tx, shop.services.library(), Wanted("asked", ana, "7"), shop.clock.now())
    shop.run()
    shop.clock.move(timedelta(hours=3))
    with shop.services.store.begin() as tx:
        answer_approvals(tx, [1], is_granted=True, by="lea", now=shop.clock.now())
    shop.run()

    again = simulate(shop.services, "asked", begins, shop.clock.now())

    assert decided_again(again) == decided_live(shop, "asked")
    assert mails(again) == [("ana", "send:hello")]


def test_somebody_who_was_taken_out_is_taken_out_again(shop: Shop) -> None:
    begins = welcomed(shop, "ana", "bob")
    in_transaction(shop, exit_customer, "welcome", id_of(shop, "ana"), shop.clock.now())
    shop.later(days=3)

    again = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert decided_again(again) == decided_live(shop, "welcome")
    assert ("ana", "exited") in {(trip.customer, trip.ended) for trip in again.trips}


def test_a_journey_stands_still_again_where_somebody_stopped_it(shop: Shop) -> None:
    begins = welcomed(shop, "ana")
    in_transaction(shop, stop_journey, shop.services.library(), "welcome", "so", shop.clock.now())
    shop.happens("customer.joined", "bob")
    shop.later(days=3)
    in_transaction(shop, resume_journey, shop.services.library(), "welcome", shop.clock.now())
    shop.clock.move(timedelta(minutes=1))
    shop.happens("customer.joined", "cem")
    shop.later(hours=1)

    again = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert decided_again(again) == decided_live(shop, "welcome")
    assert {trip.customer for trip in again.trips} == {"ana", "cem"}


def test_two_who_became_one_are_two_until_then(shop: Shop) -> None:
    begins = welcomed(shop, "ana")
    shop.later(hours=1)
    shop.happens("customer.joined", "bob")
    shop.later(hours=1)
    in_transaction(shop, merge_people, {id_of(shop, "ana"): id_of(shop, "bob")}, shop.clock.now())
    shop.later(days=3)

    again = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert decided_again(again) == decided_live(shop, "welcome")
    assert sorted((trip.customer, trip.ended) for trip in again.trips) == [
        ("bob", "finished"), ("bob", "merged")
    ]  # fmt: skip


def test_what_a_file_said_of_customers_is_known_when_the_file_came(shop: Shop) -> None:
    two_join(shop)
    text = WELCOME.replace("message: hello, clicked: true", "trait: vip, is: true")
    shop.write("journeys/welcome.yaml", text)
    shop.apply()
    begins = shop.clock.now()
    shop.happens("customer.joined", "ana")
    shop.run()
    shop.later(days=3)
    shop.clock.move(timedelta(minutes=1))
    shop.customer("ana", vip=True)  # too late for the branch
    shop.happens("customer.joined", "cem")
    shop.customer("cem", vip=True)
    shop.later(hours=1)
    shop.later(days=3)

    again = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert decided_again(again) == decided_live(shop, "welcome")
    assert ("ana", "branch.otherwise.send:story") in mails(again)
    assert ("cem", "branch.1.send:offer") in mails(again)


def test_what_a_step_is_yet_to_set_is_not_known_before(shop: Shop) -> None:
    two_join(shop)
    steps = (
        "steps:\n  - {send: hello, only_if: {trait: met, exists: false}}\n  - set: {met: true}\n"
    )
    shop.write("journeys/welcome.yaml", WELCOME[: WELCOME.index("steps:")] + steps)
    shop.customer("cem")
    shop.apply()
    begins = shop.clock.now()
    in_transaction(shop, suppress, {"cem@example.com": "person"}, begins)
    shop.happens("customer.joined", "cem")  # whose mail takes no time, so that all is one instant
    shop.run()

    again = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert decided_again(again) == decided_live(shop, "welcome")
    assert [one.decision for trip in again.trips for one in trip.steps] == ["refused", "set"]


def test_what_a_program_said_of_somebody_is_said_again_when_it_was(shop: Shop) -> None:
    shop.write("segments/vips.yaml", "segment: vips\nmatch: {trait: vip, is: true}\n")
    start = "start: [{event: customer.joined}]"
    shop.write("journeys/welcome.yaml", WELCOME.replace(start, "start: [{enters: vips}]"))
    for name in ("hello", "offer", "story"):
        shop.mail(name)
    shop.apply()
    begins = shop.clock.now()
    shop.run()
    shop.later(hours=1)
    said = {"vip": True, "email": "ana@example.com"}
    in_transaction(shop, record_told, "ana", said, {}, shop.clock.now())
    shop.later(hours=1)

    again = simulate(shop.services, "welcome", begins, shop.clock.now())

    assert decided_again(again) == decided_live(shop, "welcome")
    assert mails(again) == [("ana", "send:hello")]
