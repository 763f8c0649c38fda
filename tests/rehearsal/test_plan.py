"""A plan says in people what applying the folder does, and nobody hears of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from rekindle.cli.plan_text import as_markdown, limits_sentence
from rekindle.rehearsal.consequences import Emails, JourneyPlan, Plan, SegmentPlan
from rekindle.rehearsal.exclusions import Outcome
from rekindle.rehearsal.plan import make_plan
from rekindle.rehearsal.world import World
from rekindle.settings import Limits
from rekindle.workspace.applying import Change
from store.blocking import suppress_addresses
from store.tables import metadata
from tests.rehearsal.sums import check_sums
from tests.shop import Shop

BUYERS = """
segment: buyers
match: {event: order.completed, at_least: 1}
"""
TWICE = BUYERS.replace("1", "2")
THANKS = """
journey: thanks
topic: offers
holdout: none
because: a test
start: [{enters: buyers}]
backfill: true
steps:
  - send: thanks
"""


def buyers(shop: Shop, **orders: int) -> None:
    for customer, count in orders.items():
        shop.customer(customer)
        for _ in range(count):
            shop.happens("order.completed", customer, ago=timedelta(days=1))


def segment(plan: Plan, name: str) -> tuple[str, int, int, int]:
    [one] = [one for one in plan.segments if one.segment == name]
    return one.change, one.size, len(one.enter), len(one.leave)


def journey(plan: Plan, name: str) -> tuple[str, int, int, int, int]:
    [one] = [one for one in plan.journeys if one.journey == name]
    return one.change, len(one.start), len(one.move), len(one.exit), one.mails_24h


def everything(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    with shop.services.store.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in metadata.sorted_tables
        }


def test_a_changed_rule_is_counted_in_those_who_come_and_those_who_go(shop: Shop) -> None:
    shop.write("segments/buyers.yaml", BUYERS)
    shop.apply()
    buyers(shop, ana=1, bob=2, cy=0)
    shop.run()
    shop.write("segments/buyers.yaml", TWICE)

    plan = make_plan(shop.services)

    assert segment(plan, "buyers") == ("changed", 1, 0, 1)


def test_what_would_have_changed_anyway_is_not_of_the_plan(shop: Shop) -> None:
    shop.write("segments/buyers.yaml", BUYERS)
    shop.apply()
    buyers(shop, ana=1, bob=2, cy=0)
    shop.write("segments/buyers.yaml", TWICE)

    plan = make_plan(shop.services)  # the engine has not looked at anybody yet

    assert segment(plan, "buyers") == ("changed", 1, 0, 1)


def test_a_segment_that_leans_on_a_changed_one_is_counted_too(shop: Shop) -> None:
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("segments/others.yaml", "segment: others\nmatch: {not: {segment: buyers}}\n")
    shop.apply()
    buyers(shop, ana=1, bob=2)
    shop.run()
    shop.write("segments/buyers.yaml", TWICE)

    plan = make_plan(shop.services)

    assert segment(plan, "others") == ("changed", 1, 1, 0)


def test_a_segment_that_is_gone_is_left_by_everybody(shop: Shop) -> None:
    shop.write("segments/buyers.yaml", BUYERS)
    shop.apply()
    buyers(shop, ana=1)
    shop.run()
    (shop.folder / "segments" / "buyers.yaml").unlink()

    plan = make_plan(shop.services)

    assert segment(plan, "buyers") == ("retired", 0, 0, 1)


def test_a_plan_changes_nothing_and_sends_nothing(shop: Shop) -> None:
    shop.apply()
    buyers(shop, ana=1, bob=2)
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS + "  - notify: leads\n    message: Hello\n")
    shop.mail("thanks")
    before = everything(shop)

    plan = make_plan(shop.services)

    assert journey(plan, "thanks") == ("new", 2, 0, 0, 2)
    assert everything(shop) == before
    assert shop.mails() == []


def test_mails_are_those_of_the_next_day(shop: Shop) -> None:
    shop.apply()
    buyers(shop, ana=1)
    shop.write("segments/buyers.yaml", BUYERS)
    later = "  - wait: 24 hours\n  - send: more\n  - wait: 1 minute\n  - send: most\n"
    shop.write("journeys/thanks.yaml", THANKS + later)
    for name in ("thanks", "more", "most"):
        shop.mail(name)

    plan = make_plan(shop.services)

    assert plan.mails_24h == 2


def test_those_who_get_no_mail_are_counted_by_reason(shop: Shop) -> None:
    shop.apply()
    buyers(shop, ana=1, bob=1, cy=1, dan=1)
    shop.customer("cy", email=None)
    with shop.services.store.begin() as tx:
        suppress_addresses(tx, [("bob@example.com", "")], shop.clock.now(), reason="complaint")
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS)
    shop.mail("thanks")

    [one] = make_plan(shop.services).journeys

    assert (len(one.start), one.outcome.emailed) == (4, 2)
    assert one.excluded == {"no usable address": 1, "suppressed: complaint": 1}


def test_without_backfill_nobody_starts_and_the_plan_says_who_might(shop: Shop) -> None:
    shop.apply()
    buyers(shop, ana=1, bob=1)
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS.replace("backfill: true\n", ""))
    shop.mail("thanks")

    [one] = make_plan(shop.services).journeys

    assert len(one.start) == 0
    assert one.excluded == {"already qualify; only 'backfill: true' starts them": 2}


def test_of_journeys_that_the_change_does_not_concern_nothing_is_told(shop: Shop) -> None:
    shop.apply()
    buyers(shop, ana=1, bob=1)
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS.replace("backfill: true\n", ""))
    shop.mail("thanks")
    shop.apply()  # nobody has looked at anybody yet

    nothing = make_plan(shop.services)
    shop.mail("thanks", "Thank you")
    another = make_plan(shop.services)

    assert [one.excluded for one in (*nothing.journeys, *another.journeys)] == [{}, {}]
    assert "already qualify" not in as_markdown(nothing)


def test_the_first_apply_may_fill_segments_and_a_later_one_asks(shop: Shop) -> None:
    buyers(shop, ana=1, bob=1, cy=0)
    shop.write("segments/buyers.yaml", BUYERS)
    first = make_plan(shop.services)
    shop.apply()
    shop.run()
    shop.write("segments/buyers.yaml", BUYERS.replace("at_least: 1", "exactly: 0"))

    second = make_plan(shop.services)

    strict = second.limits.model_copy(update={"floor": 0})
    asked = replace(second, limits=strict)
    assert (first.people, replace(first, limits=strict).is_within()) == (0, True)
    assert (second.people, second.is_within()) == (1, True)  # a small shop is asked for no share
    assert (asked.needed, asked.is_within(), asked.is_within(allow=1)) == (1, False, True)


def test_a_limit_of_mails_is_lifted_by_that_many(shop: Shop) -> None:
    buyers(shop, ana=1, bob=1)
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS)
    shop.mail("thanks")
    plan = make_plan(shop.services)

    few = replace(plan, limits=plan.limits.model_copy(update={"mails_24h": 1, "share": 1.0}))

    assert (few.is_within(), few.is_within(allow=1), few.is_within(allow=2)) == (False, False, True)


WAITS = """
journey: waits
topic: service
in_flight: {in_flight}
start: [{{event: ticket.opened}}]
steps:
{steps}
  - send: thanks
"""
ONE_WAIT = WAITS.format(in_flight="pin", steps="  - wait: 5 hours")
TWO_WAITS = "  - wait: 1 hour\n  - wait: 5 hours"


def somebody_waits(shop: Shop) -> None:
    shop.write("journeys/waits.yaml", ONE_WAIT)
    shop.mail("thanks")
    shop.apply()
    shop.customer("ana")
    shop.happens("ticket.opened", "ana")
    shop.run()


def test_a_plan_asks_for_an_id_where_it_is_not_clear_which_step_is_which(shop: Shop) -> None:
    somebody_waits(shop)
    shop.write("journeys/waits.yaml", WAITS.format(in_flight="move", steps=TWO_WAITS))

    plan = make_plan(shop.services)

    assert [(one.journey, one.step) for one in plan.asks] == [("waits", "wait")]
    assert not plan.is_within(allow=99)


def test_who_finishes_on_the_old_version_is_asked_for_nothing(shop: Shop) -> None:
    somebody_waits(shop)
    shop.write("journeys/waits.yaml", WAITS.format(in_flight="pin", steps=TWO_WAITS))

    plan = make_plan(shop.services)

    assert plan.is_within()
    assert journey(plan, "waits") == ("changed", 0, 0, 0, 1)


def test_who_moves_and_who_is_put_out_is_counted(shop: Shop) -> None:
    somebody_waits(shop)
    longer = "  - wait: 6 hours"
    shop.write("journeys/waits.yaml", WAITS.format(in_flight="move", steps=longer))
    moving = make_plan(shop.services)
    shop.write("journeys/waits.yaml", WAITS.format(in_flight="drain", steps=longer))

    drained = make_plan(shop.services)

    assert journey(moving, "waits") == ("changed", 0, 1, 0, 1)
    assert journey(drained, "waits") == ("changed", 0, 0, 1, 0)


def test_customers_who_share_a_mailbox_are_counted_and_get_one_copy(shop: Shop) -> None:
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS)
    shop.mail("thanks")
    buyers(shop, ana=1, bob=1, cy=1)
    shop.customer("bob", email="Ana <ANA@example.com>")

    plan = make_plan(shop.services)

    [one] = plan.journeys
    assert (one.mails_24h, one.mailboxes, one.sharing) == (2, 2, 2)
    assert one.excluded == {"another customer has this address": 1}
    assert "2 of them share one mailbox." in as_markdown(plan)


def test_who_stays_on_the_version_before_is_counted_and_gets_the_new_words(shop: Shop) -> None:
    somebody_waits(shop)
    shop.write("journeys/waits.yaml", WAITS.format(in_flight="pin", steps="  - wait: 6 hours"))
    shop.mail("thanks", "Thank you")
    shop.mail("other", "Nobody is sent this")

    plan = make_plan(shop.services)

    [one] = plan.journeys
    assert (len(one.stay), one.emails.to_inside, one.emails.total) == (1, 1, 1)
    assert [(reworded.template, len(reworded.inside)) for reworded in plan.rewordings] == [
        ("thanks", 1)
    ]
    said = as_markdown(plan)
    assert "1 stays inside waits, on the version before." in said
    assert "thanks has new words, also for 1 customer inside who may yet get it." in said
    assert "1 email of waits in 24 hours: 1 to those inside already." in said


def test_a_changed_layout_is_new_words_of_every_email_in_it(shop: Shop) -> None:
    somebody_waits(shop)
    layout = shop.folder / "templates" / "layouts" / "brand.html.j2"
    layout.write_text(layout.read_text().replace("Unsubscribe", "No more of this"))

    [reworded] = make_plan(shop.services).rewordings

    assert (reworded.template, len(reworded.inside)) == ("thanks", 1)


def test_no_words_reach_those_who_are_held_out(shop: Shop) -> None:
    shop.write("journeys/waits.yaml", ONE_WAIT + "holdout: 100%\n")
    shop.mail("thanks")
    shop.apply()
    shop.customer("ana")
    shop.happens("ticket.opened", "ana")
    shop.run()
    shop.mail("thanks", "Thank you")

    assert make_plan(shop.services).rewordings == ()


def test_who_comes_into_the_segment_within_the_day_is_told_apart(shop: Shop) -> None:
    silent = "{not: {event: order.completed, within: 30 days}}"
    shop.write("segments/buyers.yaml", f"segment: buyers\nmatch: {silent}\n")
    shop.write("journeys/thanks.yaml", THANKS)
    shop.mail("thanks")
    shop.customer("ana")
    shop.customer("bob")
    shop.happens("order.completed", "bob", ago=timedelta(days=29, hours=14))

    [one] = make_plan(shop.services).journeys

    assert (len(one.start), one.outcome.emailed, dict(one.excluded)) == (1, 1, {})
    assert (one.emails.to_starting, one.emails.to_later) == (1, 1)


@pytest.mark.parametrize(
    ("people", "of", "mails", "needed"),
    [(132, 300, 126, 0), (500, 600, 500, 0), (501, 2000, 501, 501), (100, 200, 501, 100),
     (501, 4000, 501, 0), (10, 5000, 5001, 5001), (900, 1000, 5001, 5001),
     (6000, 6001, 5001, 6000)],
)  # fmt: skip
def test_the_limit_that_is_past_names_the_number_that_lifts_it(
    shop: Shop, people: int, of: int, mails: int, needed: int
) -> None:
    """Shares are asked from 500 people or emails on."""
    shop.mail("thanks")
    one = JourneyPlan("thanks", "new", frozenset(range(people)))
    plan = replace(make_plan(shop.services), journeys=(one,), customers=of, mails_24h=mails)

    assert plan.needed == needed
    assert plan.is_within(needed)
    assert not needed or not plan.is_within(needed - 1)
    said = limits_sentence(plan, 0)
    assert f"{people:,} start thanks" in said
    assert (f"'apply --allow {needed}' would let it pass." in said) is bool(needed)


def people(most: int) -> st.SearchStrategy[frozenset[int]]:
    return st.integers(0, most).map(lambda count: frozenset(range(count)))


COUNTS = st.dictionaries(st.sampled_from(["held out", "suppressed: complaint", "why not"]),
                         st.integers(1, 2000), max_size=3)  # fmt: skip


@st.composite
def journey_plans(draw: st.DrawFn, name: str) -> JourneyPlan:
    """Any numbers that can be true of one journey."""
    reasons, emailed = draw(COUNTS), draw(st.integers(0, 3000))
    start = frozenset(range(emailed + sum(reasons.values())))
    more = draw(st.integers(0, 300)) if emailed else 0
    emails = Emails(emailed + more, draw(st.integers(0, 3000)), draw(st.integers(0, 300)))
    return JourneyPlan(
        name, draw(st.sampled_from(["new", "changed", "unchanged", "retired"])), start,
        draw(people(900)), draw(people(900)), draw(people(900)), Outcome(emailed, reasons),
        draw(COUNTS), emails, sharing=2, shared=1,
    )  # fmt: skip


LIMITS = st.builds(
    Limits,
    mails_24h=st.integers(0, 9000),
    share=st.sampled_from(["0%", "20%", "100%"]),
    floor=st.sampled_from([0, 500, 4000]),
)


@given(
    st.tuples(journey_plans("one"), journey_plans("two")),
    people(6000),
    st.integers(1, 20_000),
    LIMITS,
    st.booleans(),
)
def test_the_words_of_any_plan_add_up(
    journeys: tuple[JourneyPlan, ...],
    enter: frozenset[int],
    customers: int,
    limits: Limits,
    is_first: bool,
) -> None:
    mails = sum(one.mails_24h for one in journeys)
    change = Change("journey", "one", "changed")
    check_sums(
        Plan(
            datetime(2026, 3, 2, tzinfo=UTC), (change,), (SegmentPlan("s", "new", 9, enter),),
            journeys, mails, customers, is_first, limits, World("", "", ""),
        )
    )  # fmt: skip
