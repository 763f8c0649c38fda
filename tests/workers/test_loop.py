"""Once round the loop: something happens, somebody gets a mail, their answer changes what comes
next.
"""

from datetime import timedelta

from tests.shop import Shop

FOLLOW_UP = """
journey: follow_up
topic: service
start:
  - event: ticket.solved
per: ticket_id
again: after exit
exit:
  - event: ticket.reopened
steps:
  - wait: 2 hours
  - send: solved
"""


def test_a_solved_ticket_is_followed_up_once_the_wait_is_over(shop: Shop) -> None:
    shop.write("journeys/follow_up.yaml", FOLLOW_UP)
    shop.mail("solved", subject="Ticket {{ event.ticket_id }} is solved")
    shop.apply()
    shop.customer("ana")
    shop.happens("ticket.solved", "ana", ticket_id="42")

    at_once = shop.run()
    after = shop.later(hours=2)

    assert (at_once.started, at_once.sent, after.sent) == (1, 0, 1)
    assert [mail["Subject"] for mail in shop.mails("ana@example.com")] == ["Ticket 42 is solved"]


def test_a_reopened_ticket_stops_its_follow_up_and_solving_it_again_starts_a_new_one(
    shop: Shop,
) -> None:
    shop.write("journeys/follow_up.yaml", FOLLOW_UP)
    shop.mail("solved")
    shop.apply()
    shop.customer("ana")
    shop.happens("ticket.solved", "ana", ticket_id="42")
    shop.run()
    shop.clock.move(timedelta(hours=1))
    shop.happens("ticket.reopened", "ana", ticket_id="42")

    stopped = shop.later(hours=2)
    shop.happens("ticket.solved", "ana", ticket_id="42")
    again = shop.run() + shop.later(hours=2)

    assert stopped.sent == 0
    assert (again.started, again.sent) == (1, 1)


def test_a_second_ticket_has_a_follow_up_of_its_own(shop: Shop) -> None:
    shop.write("journeys/follow_up.yaml", FOLLOW_UP)
    shop.mail("solved")
    shop.apply()
    shop.customer("ana")
    shop.happens("ticket.solved", "ana", ticket_id="1")
    shop.happens("ticket.solved", "ana", ticket_id="2")
    shop.run()
    shop.happens("ticket.reopened", "ana", ticket_id="1")

    counts = shop.later(hours=3)

    assert counts.sent == 1


def test_the_same_instant_again_does_nothing(shop: Shop) -> None:
    shop.write("journeys/follow_up.yaml", FOLLOW_UP)
    shop.mail("solved")
    shop.apply()
    shop.customer("ana")
    shop.happens("ticket.solved", "ana", ticket_id="42")
    shop.run()
    shop.later(hours=2)

    again = shop.run()

    assert again.as_document() == dict.fromkeys(again.as_document(), 0)
    assert len(shop.mails()) == 1
