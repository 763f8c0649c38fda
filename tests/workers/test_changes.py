"""What applying a changed journey means for those inside it, and for those who come."""

from datetime import timedelta

import pytest

from rekindle.workspace.applying import NotApplied
from store.approvals import answer_approvals, list_open_approvals
from store.customers import find_customer
from tests.shop import SETTINGS, Shop
from tests.workers.journeys import (
    endings,
    happened,
    in_transaction,
    places,
    said,
    started,
    write_journey,
)
from workers.advance import advance_due
from workers.changes import exit_customer
from workers.deliver import deliver_due
from workers.pausing import resume_journey, stop_journey

OLD = """
start: [{event: order.completed}]
again: after exit
exit: [{event: order.returned}]
steps:
  - wait: 3 days
  - send: thanks
"""
NEW = OLD.replace("3 days", "1 day").replace("send: thanks", "send: sorry")


@pytest.fixture
def waiting(shop: Shop) -> Shop:
    """Ana has waited for a day in a journey of three."""
    write_journey(shop, "care", OLD)
    shop.mail("thanks", subject="Thanks")
    shop.mail("sorry", subject="Sorry")
    shop.apply()
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.run()
    shop.later(days=1)
    return shop


def change(shop: Shop, keys: str, rest: str = NEW) -> None:
    write_journey(shop, "care", keys + rest)
    shop.apply()
    shop.run()


def subjects(shop: Shop) -> list[str]:
    return [str(mail["Subject"]) for mail in shop.mails("ana")]


def test_those_inside_finish_on_their_version_unless_the_new_one_says_otherwise(
    waiting: Shop,
) -> None:
    change(waiting, "")
    at_once = subjects(waiting)

    waiting.later(days=2)

    assert (at_once, subjects(waiting)) == ([], ["Thanks"])


def test_a_move_puts_them_on_the_new_version_and_a_shortened_wait_is_over(waiting: Shop) -> None:
    change(waiting, "in_flight: move\n")

    assert subjects(waiting) == ["Sorry"]
    assert ("wait", "moved") in said(waiting, "ana")


def test_a_drain_lets_them_leave(waiting: Shop) -> None:
    change(waiting, "in_flight: drain\n")
    waiting.later(days=5)

    assert (endings(waiting), subjects(waiting)) == (["drained"], [])


def test_a_move_that_leaves_somebody_no_place_is_refused(waiting: Shop) -> None:
    gone = NEW.replace("  - wait: 1 day\n", "")

    with pytest.raises(NotApplied, match="1 people stand at the step 'wait'"):
        change(waiting, "in_flight: move\n", gone)

    assert places(waiting) == ["wait"]


def test_a_move_says_where_a_step_went(waiting: Shop) -> None:
    renamed = NEW.replace("wait: 1 day", "wait: 1 day\n    id: pause")

    change(waiting, "in_flight: move\nmoved: {wait: pause}\n", renamed)

    assert subjects(waiting) == ["Sorry"]


RENAMED = OLD.replace("send: thanks", "send: thanks\n    id: farewell")


def rename(shop: Shop, *, back: bool = False) -> None:
    old, new = ("farewell", "send:thanks") if back else ("send:thanks", "farewell")
    change(shop, f"in_flight: move\nmoved: {{'{old}': '{new}'}}\n", OLD if back else RENAMED)


def test_what_has_left_is_not_sent_again_under_the_new_name_of_its_step(waiting: Shop) -> None:
    waiting.clock.move(timedelta(days=2))
    now = waiting.clock.now()
    advance_due(waiting.services)
    deliver_due(waiting.services, waiting.process.pool, now)  # and the process dies

    rename(waiting)

    assert subjects(waiting) == ["Thanks"]
    assert ("farewell", "sent") in said(waiting, "ana")


def test_a_held_mail_leaves_once_whatever_its_step_is_called_meanwhile(waiting: Shop) -> None:
    quiet = "quiet_hours: 21:00-08:00\ntopics: {service: {quiet_hours: true}}\n"
    waiting.write("rekindle.yaml", SETTINGS + quiet)
    waiting.apply()
    waiting.later(days=2, hours=13)  # at night

    rename(waiting)
    rename(waiting, back=True)
    at_night = subjects(waiting)
    waiting.later(hours=12)

    assert (at_night, subjects(waiting)) == ([], ["Thanks"])


ASKED = OLD.replace("wait: 3 days", "approve: leads\n    up_to: 9 days")


def test_a_yes_counts_under_the_new_name_of_its_step(waiting: Shop) -> None:
    change(waiting, "in_flight: move\nmoved: {wait: 'approve:leads'}\n", ASKED)
    [asked] = in_transaction(waiting, list_open_approvals, now=waiting.clock.now())
    in_transaction(
        waiting, answer_approvals, [asked.id], is_granted=True, by="lea", now=waiting.clock.now()
    )

    renamed = ASKED.replace("up_to", "id: question\n    up_to")
    change(waiting, "in_flight: move\nmoved: {'approve:leads': question}\n", renamed)

    assert subjects(waiting) == ["Thanks"]


def test_while_paused_nobody_goes_on_but_exits_act(waiting: Shop) -> None:
    waiting.customer("bo")
    waiting.happens("order.completed", "bo")
    waiting.run()
    change(waiting, "status: paused\n", OLD)

    waiting.later(days=4)
    waiting.happens("order.returned", "ana")
    waiting.run()

    assert (subjects(waiting), endings(waiting)) == ([], ["exited", None])


def test_after_a_pause_everybody_goes_on(waiting: Shop) -> None:
    change(waiting, "status: paused\n", OLD)
    waiting.later(days=4)

    change(waiting, "", OLD)

    assert subjects(waiting) == ["Thanks"]


def test_while_draining_those_inside_go_on_and_nobody_starts(waiting: Shop) -> None:
    waiting.customer("bo")
    change(waiting, "status: draining\n", OLD)

    waiting.happens("order.completed", "bo")
    waiting.later(days=4)

    assert [who for who, _ in started(waiting)] == ["ana"]
    assert subjects(waiting) == ["Thanks"]
    assert len(happened(waiting, "enrollment.refused")) == 1


def test_in_the_shadow_all_is_decided_and_nothing_is_done(shop: Shop) -> None:
    steps = "steps: [{set: {a: 1}}, {send: thanks}, {notify: leads, message: Look}]\n"
    write_journey(shop, "care", f"status: shadow\nstart: [{{event: order.completed}}]\n{steps}")
    shop.mail("thanks")
    shop.apply()
    shop.customer("ana")
    shop.happens("order.completed", "ana")

    shop.run()

    assert [decision for _, decision in said(shop, "ana")] == ["shadowed"] * 3
    assert shop.mails() == []


def test_who_was_only_rehearsed_can_start_once_the_journey_is_live(waiting: Shop) -> None:
    never = OLD.replace("again: after exit\n", "")
    write_journey(waiting, "other", f"status: shadow\n{never}")
    waiting.apply()
    waiting.happens("order.completed", "ana")
    waiting.run()

    write_journey(waiting, "other", never)
    waiting.apply()
    waiting.run()
    waiting.happens("order.completed", "ana")
    waiting.later(days=4)

    assert endings(waiting) == ["finished", "shadowed", "finished"]


REGULARS = "segment: regulars\nmatch: {event: order.completed, at_least: 1}\n"
ENTERS = "start: [{enters: regulars}]\nagain: always\nsteps: [{send: thanks}]\n"


@pytest.mark.parametrize(("keys", "mailed"), [("backfill: true\n", 1), ("", 0)])
def test_members_of_a_segment_that_was_there_start_only_by_backfill(
    shop: Shop, keys: str, mailed: int
) -> None:
    shop.write("segments/regulars.yaml", REGULARS)
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.apply()
    shop.run()
    shop.mail("thanks")
    write_journey(shop, "care", keys + ENTERS)
    shop.apply()

    shop.run()
    shop.run()

    assert len(shop.mails("ana")) == mailed


def test_a_segment_that_comes_with_its_journey_starts_each_member_once(shop: Shop) -> None:
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.write("segments/regulars.yaml", REGULARS)
    shop.mail("thanks")
    write_journey(shop, "care", f"backfill: true\n{ENTERS}")
    shop.apply()

    shop.run()

    assert len(shop.mails("ana")) == 1


# --- by hand


def test_a_stopped_journey_holds_everybody_until_it_is_resumed(waiting: Shop) -> None:
    library, now = waiting.services.library(), waiting.clock.now()
    in_transaction(waiting, stop_journey, library, "care", "by lea", now)
    stopped = waiting.later(days=4)

    in_transaction(waiting, resume_journey, library, "care", waiting.clock.now())
    resumed = waiting.run()

    assert (stopped.sent, resumed.sent) == (0, 1)


def test_a_person_can_take_a_customer_out(waiting: Shop) -> None:
    with waiting.services.store.begin() as tx:
        ana = find_customer(tx, "ana")
        assert ana is not None
        exit_customer(tx, "care", ana, waiting.clock.now())

    waiting.clock.move(timedelta(days=4))
    waiting.run()

    assert (endings(waiting), subjects(waiting)) == (["exited"], [])
