"""Every decision can be explained, and so can its absence."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from rekindle.cli.app import main
from rekindle.cli.why_journey import Standing, stand
from rekindle.cli.why_message import find_chain
from rekindle.errors import NotFound
from store.records import MessageId, Returned
from store.returns import act_on
from store.tables import delivery_events, messages
from tests.rehearsal.conftest import shop
from tests.shop import SETTINGS, Shop, with_webhook
from workers.doctor import examine
from workers.pausing import stop_journey

__all__ = ["shop"]  # the fixture

BUYERS = """
segment: buyers
match: {all: [{event: order.completed, at_least: 2}, {trait: age, at_least: 18}]}
"""
THANKS = """
journey: thanks
topic: news
holdout: none
because: a test
start: [{enters: buyers}]
steps:
  - branch:
      - when: {trait: age, at_least: 30}
        steps: [{send: thanks}]
"""


@pytest.fixture
def thanks(shop: Shop) -> Shop:
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS)
    shop.mail("thanks")
    shop.apply()
    shop.run()
    return shop


WAITING = """
journey: waiting
topic: service
holdout: none
start: [{event: order.completed}]
steps: [{wait: 2 days}]
"""


def told(shop: Shop, capsys: pytest.CaptureFixture[str], journey: str) -> list[str]:
    """What the command prints at the clock's now."""
    where = ["--workspace", str(shop.folder), "--database", shop.url]
    main(["why", "ana", journey, "--at", shop.clock.now().isoformat(), *where])
    return capsys.readouterr().out.splitlines()


def ask(shop: Shop, journey: str = "thanks") -> Standing:
    return stand(shop.services, "ana", journey, shop.clock.now())


def buy_twice(shop: Shop, age: int) -> None:
    shop.customer("ana", age=age)
    shop.happens("order.completed", "ana")
    shop.happens("order.completed", "ana")
    shop.run()


def test_who_is_not_in_the_segment_hears_which_condition_fails(thanks: Shop) -> None:
    thanks.customer("ana", age=40)
    thanks.run()

    said = ask(thanks)

    assert said.verdict == "not started"
    assert [one.reason for one in said.reasons] == ["never entered buyers"]
    rows = [(one["condition"], one["holds"]) for one in said.segments["buyers"]]
    assert rows[1][0]["event"] == ["order.completed"]
    assert [holds for _, holds in rows] == [False, False, True]


HOOKED = WAITING.replace("{wait: 2 days}", "{webhook: 'http://127.0.0.1:9/'}")


def hook(shop: Shop) -> None:
    """One whose receiver is not there."""
    shop.customer("ana")
    shop.write("rekindle.yaml", with_webhook(SETTINGS, "secret: whsec_c2VjcmV0"))
    shop.write("journeys/waiting.yaml", HOOKED)
    shop.apply()
    shop.happens("order.completed", "ana")
    shop.run()


def test_a_webhook_that_failed_for_good_does_not_read_as_done(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(shop)
    for _ in range(12):
        shop.later(hours=6)

    [line] = [one for one in told(shop, capsys, "waiting") if "called" in one]
    [failed] = [one for one in examine(shop.services, shop.clock.now()) if "effects" in one.kind]

    assert "; failed for good after 13 attempts: the webhook could not be reached" in line
    assert failed.said.startswith("notice or webhook has failed for good: ana in waiting (")


def test_a_webhook_that_failed_once_says_when_it_is_tried_again(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    hook(shop)

    [line] = [one for one in told(shop, capsys, "waiting") if "called" in one]

    assert "; failed in 1 attempt, is tried again at 2026-03-02 09:05: the webhook" in line


def test_that_a_webhook_failed_later_is_not_told(shop: Shop) -> None:
    hook(shop)
    before = shop.clock.now()
    for _ in range(10):
        shop.later(hours=6)
    shop.clock.at = before

    assert ask(shop, "waiting").undone == ()


def test_who_started_before_hears_that_again_forbids_it(thanks: Shop) -> None:
    buy_twice(thanks, age=40)
    thanks.later(days=1)

    [reason] = ask(thanks).reasons

    assert reason.reason == "started before, on 2026-03-02 09:00, and 'again' is never"
    assert reason.change == "'again' has to allow it"


def test_who_was_in_it_when_it_was_applied_hears_of_backfill(shop: Shop) -> None:
    buy_twice(shop, age=40)
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS)
    shop.mail("thanks")
    shop.apply()
    shop.run()

    [reason] = ask(shop).reasons

    assert reason.change == "'backfill: true' starts those who are in it already"


def test_an_event_that_never_came_is_named(shop: Shop) -> None:
    shop.customer("ana")
    shop.write("journeys/hello.yaml", THANKS.replace("thanks", "hello", 1).replace(
        "{enters: buyers}", "{event: ticket.solved}"))  # fmt: skip
    shop.mail("thanks")
    shop.apply()
    shop.run()

    [reason] = ask(shop, "hello").reasons

    assert reason.reason == "ticket.solved never happened"


def test_what_an_event_lacks_is_told_in_words(shop: Shop) -> None:
    start = "{event: order.completed, where: {total: {more_than: 10}}}"
    shop.customer("ana")
    shop.write("journeys/waiting.yaml", WAITING.replace("{event: order.completed}", start))
    shop.apply()
    shop.happens("order.completed", "ana", total=5)
    shop.run()

    [reason] = ask(shop, "waiting").reasons

    assert reason.change == (
        "has to happen: order.completed (where total is more than 10) at least once"
    )


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("api", "a program may start it through the API"),
        ("{on: {trait: birthday}}", "starts on the day that 'birthday' names"),
    ],
)
def test_starts_that_nothing_of_theirs_makes_are_told_in_words(
    shop: Shop, start: str, said: str
) -> None:
    shop.write(
        "journeys/thanks.yaml",
        f"journey: thanks\ntopic: service\nstart: [{start}]\nsteps: [{{wait: 1 day}}]\n",
    )
    shop.apply()
    shop.customer("ana")

    [reason] = ask(shop).reasons

    assert reason.reason == said


def test_who_came_while_the_journey_was_paused_hears_that_and_nothing_else(thanks: Shop) -> None:
    thanks.write("journeys/thanks.yaml", THANKS + "status: paused\n")
    thanks.apply()
    buy_twice(thanks, age=40)

    refused, heard = ask(thanks).reasons

    assert refused.reason.endswith("the journey is paused")
    assert heard.reason.endswith("and was refused")


def test_who_is_inside_hears_since_when_a_file_has_paused_the_journey(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.customer("ana")
    shop.write("journeys/waiting.yaml", WAITING)
    shop.apply()
    shop.happens("order.completed", "ana")
    shop.run()
    shop.write("journeys/waiting.yaml", WAITING + "status: paused\n")
    shop.clock.move(timedelta(hours=1))
    shop.apply()
    shop.later(days=3)

    lines = told(shop, capsys, "waiting")

    assert lines[1] == (
        "  the journey is paused since 2026-03-02 10:00: its file says 'status: paused'; "
        "somebody has to set 'status: live' in journeys/waiting.yaml and apply it."
    )
    assert lines[-1] == "    waits at wait, until the journey is resumed"


def test_who_is_outside_of_a_stopped_journey_hears_who_can_resume_it(
    thanks: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    with thanks.services.store.begin() as tx:
        stop_journey(tx, thanks.services.library(), "thanks", "3 of 9 mails bounced",
                     thanks.clock.now())  # fmt: skip
    buy_twice(thanks, age=40)

    lines = told(thanks, capsys, "thanks")

    assert lines[1] == (
        "  the journey is paused since 2026-03-02 09:00: 3 of 9 mails bounced; "
        "somebody has to resume it: POST /api/v1/journeys/thanks/resume."
    )
    assert ask(thanks).reasons[0].change == "nobody starts until somebody resumes the journey"


def test_a_pause_of_later_is_not_told(thanks: Shop) -> None:
    buy_twice(thanks, age=40)
    before = thanks.clock.now()
    thanks.clock.move(timedelta(days=1))
    with thanks.services.store.begin() as tx:
        stop_journey(tx, thanks.services.library(), "thanks", "a test", thanks.clock.now())
    thanks.clock.at = before

    assert ask(thanks).pauses == ()


def test_a_mail_is_told_as_it_stood_then(thanks: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    thanks.write("rekindle.yaml", SETTINGS + "caps: {all: 0 per 7 days}\n")
    thanks.write("journeys/thanks.yaml", THANKS.replace("topic: news", "topic: offers"))
    thanks.apply()
    buy_twice(thanks, age=40)
    before = thanks.clock.now()
    thanks.later(days=2)
    thanks.clock.at = before

    lines = told(thanks, capsys, "thanks")

    assert [(one.status, one.reason) for one in ask(thanks).mails] == [("queued", "")]
    assert "    waits at branch.1.send:thanks, until something happens" in lines


def test_a_sent_mail_that_came_back_later_was_sent_then(shop: Shop) -> None:
    shop.customer("ana")
    shop.write("journeys/waiting.yaml", WAITING.replace("{wait: 2 days}", "{send: thanks}"))
    shop.mail("thanks")
    shop.apply()
    shop.happens("order.completed", "ana")
    shop.run()
    with shop.services.store.begin() as tx:
        tx.execute(update(messages).values(status="bounced", reason="no such mailbox"))
        later = shop.clock.now() + timedelta(hours=1)
        tx.execute(insert(delivery_events).values(
            message_id=1, kind="bounced", occurred_at=later, known_at=later,
            is_machine=False, details={}))  # fmt: skip

    assert [(one.status, one.reason) for one in ask(shop, "waiting").mails] == [("sent", "")]


def test_a_mail_tells_which_report_ended_it_and_the_next_what_suppressed_its_address(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.customer("ana")
    shop.write(
        "journeys/waiting.yaml", WAITING.replace("{wait: 2 days}", "{send: thanks}") + "per: id\n"
    )
    shop.mail("thanks")
    shop.apply()
    shop.happens("order.completed", "ana", id="1")
    shop.run()
    said = "550 5.1.1 user unknown"
    with shop.services.store.begin() as tx:
        mail = tx.execute(select(messages.c.address, messages.c.header_id)).one()
        bounce = Returned(mail.address, "bounce", True, "5.1.1", "m", mail.header_id, said)
        act_on(tx, [bounce], shop.clock.now(), shop.services.settings)
    shop.later(days=1)
    shop.happens("order.completed", "ana", id="2")
    shop.run()

    lines = []
    for message in ("1", "2"):
        main(["why", message, "--workspace", str(shop.folder), "--database", shop.url])
        lines.append(capsys.readouterr().out.splitlines()[-1].split("  ", 1)[-1])

    assert lines == [
        f"bounced for good, says an email that came back: 5.1.1: {said}",
        f"the address was suppressed: hard_bounce (report on email 1: 5.1.1: {said})",
    ]


def test_who_is_inside_with_an_older_key_is_under_way(shop: Shop) -> None:
    shop.customer("ana")
    shop.write("journeys/waiting.yaml", WAITING + "per: order_id\nexit: [{event: order.closed}]\n")
    shop.apply()
    shop.happens("order.completed", "ana", order_id="1")
    shop.run()
    shop.clock.move(timedelta(hours=1))
    shop.happens("order.completed", "ana", order_id="2")
    shop.run()
    shop.happens("order.closed", "ana", order_id="2")
    shop.run()

    standing = ask(shop, "waiting")

    assert [(one.key, one.ended) for one in standing.trips] == [("2", "exited"), ("1", None)]
    assert standing.verdict == "under way"


def test_it_is_told_as_it_was_then(thanks: Shop) -> None:
    before = thanks.clock.now()
    thanks.clock.move(timedelta(days=1))
    buy_twice(thanks, age=40)
    thanks.clock.at = before

    assert ask(thanks).verdict == "not started"


def test_a_refused_mail_says_why_and_what_would_have_to_change(thanks: Shop) -> None:
    buy_twice(thanks, age=40)

    chain = find_chain(thanks.services, MessageId(1))

    assert (chain.mail.status, chain.mail.reason) == ("refused", "has not said yes to news")
    assert chain.change == "the customer would have to say yes to the topic"


def test_a_mail_has_the_chain_of_decisions_with_what_held_then(thanks: Shop) -> None:
    buy_twice(thanks, age=40)
    thanks.customer("ana", age=20)
    thanks.later(days=1)

    chain = find_chain(thanks.services, MessageId(1))

    assert chain.start is not None
    assert (chain.start.event, chain.start.segment) == ("segment.entered", "buyers")
    assert [one["holds"] for one in chain.start.conditions] == [True, True, True]
    assert [one.decision.decision for one in chain.links] == ["took when 1", "refused"]
    assert [row["question"] for row in chain.links[0].conditions] == ["when 1"]


def test_a_mail_that_is_not_there_is_not_found(thanks: Shop) -> None:
    with pytest.raises(NotFound, match="no mail has the number 7"):
        find_chain(thanks.services, MessageId(7))


def test_who_came_by_one_way_hears_of_that_trip_first_and_of_the_other_way_after(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.customer("ana")
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/thanks.yaml", THANKS.replace(
        "{enters: buyers}", "{enters: buyers}, {event: ticket.solved}"))  # fmt: skip
    shop.mail("thanks")
    shop.apply()
    shop.happens("ticket.solved", "ana")
    shop.run()
    shop.later(days=1)

    standing = ask(shop)
    where = ["--workspace", str(shop.folder), "--database", shop.url]
    main(["why", "ana", "thanks", "--at", shop.clock.now().isoformat(), *where])
    lines = capsys.readouterr().out.splitlines()

    assert standing.verdict == "ended"
    assert standing.reasons[0].reason == "not by having entered buyers, so far"
    assert lines[1].startswith("  from 2026-03-02 09:00")
    heading = lines.index("  to start once more:")
    assert lines[heading + 1].startswith("    not by having entered buyers, so far; has to be in")
