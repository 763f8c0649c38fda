"""What steps do to the world around them, on a shop with a clock moved by hand."""

import json
from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs
from werkzeug import Request, Response

from adapters.webhook import signed_headers
from store.approvals import answer_approvals, list_open_approvals
from store.figures import list_alarms
from tests.shop import Shop, with_webhook
from tests.workers.journeys import (
    endings,
    happened,
    in_transaction,
    places,
    said,
    traits_of,
    write_journey,
)

START = "start: [{event: order.completed}]\n"


def begin(shop: Shop, rest: str, topic: str = "service") -> None:
    """A journey of one customer, who has just ordered."""
    write_journey(shop, "care", START + rest, topic)
    shop.mail("thanks")
    shop.apply()
    shop.customer("ana")
    shop.happens("order.completed", "ana", order_id="7")
    shop.run()


def test_traits_that_a_journey_sets_are_seen_by_its_next_step(shop: Shop) -> None:
    begin(
        shop,
        "steps:\n"
        "  - set: {stage: cared_for, old: null}\n"
        "  - branch:\n"
        "      - when: {trait: stage, is: cared_for}\n"
        "        steps: [{send: thanks}]\n",
    )

    assert traits_of(shop, "ana")["stage"] == "cared_for"
    assert len(shop.mails("ana")) == 1


def test_an_event_that_a_journey_emits_starts_another_and_bears_its_key(shop: Shop) -> None:
    write_journey(shop, "party", "start: [{event: loyalty.reached}]\nsteps: [{send: thanks}]\n")

    begin(
        shop,
        "per: order_id\nsteps: [{emit: loyalty.reached, properties: {level: gold}}]\n",
    )

    [event] = happened(shop, "loyalty.reached")
    assert (event["level"], event["order_id"]) == ("gold", "7")
    assert len(shop.mails("ana")) == 1


def test_a_wait_until_ends_where_the_customer_lives(shop: Shop) -> None:
    shop.customer("ana", zone="Asia/Tehran")
    begin(shop, "steps: [{wait_until: 09:00}, {send: thanks}]\n")  # it is 12:30 there

    early = shop.later(hours=20, minutes=29)
    due = shop.later(minutes=1)

    assert (early.sent, due.sent) == (0, 1)


APPROVED = """
steps:
  - approve: leads
    message: "Shall we thank {{ customer.id }}?"
    up_to: 2 days
    otherwise: [{set: {thanked: false}}]
  - send: thanks
"""


def test_nothing_goes_on_without_a_persons_yes(shop: Shop) -> None:
    begin(shop, APPROVED)
    [question] = in_transaction(shop, list_open_approvals, now=shop.clock.now())
    asked = [str(mail["Subject"]) for mail in shop.mails("leads@example.com")]
    before = len(shop.mails("ana@"))

    in_transaction(
        shop, answer_approvals, [question.id], is_granted=True, by="lea", now=shop.clock.now()
    )
    shop.run()

    assert asked == ["Shall we thank ana?"]
    assert (before, len(shop.mails("ana@"))) == (0, 1)


def test_after_a_no_only_the_other_way_is_taken_and_then_the_end(shop: Shop) -> None:
    begin(shop, APPROVED)
    [question] = in_transaction(shop, list_open_approvals, now=shop.clock.now())

    in_transaction(
        shop, answer_approvals, [question.id], is_granted=False, by="lea", now=shop.clock.now()
    )
    shop.run()

    assert traits_of(shop, "ana")["thanked"] is False
    assert (shop.mails("ana@"), endings(shop)) == ([], ["finished"])


def test_no_answer_in_time_is_a_no(shop: Shop) -> None:
    begin(shop, APPROVED)

    shop.later(days=2)

    assert (shop.mails("ana@"), endings(shop)) == ([], ["finished"])
    assert said(shop, "ana")[0] == ("approve:leads", "denied")


def test_a_question_that_comes_up_after_its_time_is_a_no_that_nobody_is_asked(shop: Shop) -> None:
    begin(shop, APPROVED.replace("steps:", "steps:\n  - wait: 1 day"))

    shop.later(days=4)  # slept through

    assert said(shop, "ana")[1] == ("approve:leads", "denied")
    assert (shop.mails("leads"), endings(shop)) == ([], ["finished"])


LATE = (
    "steps:\n  - wait: 2 hours\n    between: 09:00-17:00\n  - send: thanks\n    if_late: {rule}\n"
)


@pytest.mark.parametrize(
    ("rule", "sent_at_night", "sent_next_day"),
    [
        ("{after: 6 hours, do: send}", 1, 1),
        ("{after: 6 hours, do: skip}", 0, 0),
        ("{after: 6 hours, do: retime}", 0, 1),
        ("{after: 20 hours, do: skip}", 1, 1),
    ],
)
def test_what_an_outage_delayed_is_treated_as_its_policy_says(
    shop: Shop, rule: str, sent_at_night: int, sent_next_day: int
) -> None:
    begin(shop, LATE.replace("{rule}", rule))

    shop.later(hours=12)  # due at eleven, looked at when it is nine in the evening
    at_night = len(shop.mails("ana"))
    shop.later(hours=12)  # until nine the next day

    assert (at_night, len(shop.mails("ana"))) == (sent_at_night, sent_next_day)


def test_a_moment_that_an_outage_slept_through_is_waited_for_anew(shop: Shop) -> None:
    begin(shop, "steps: [{wait_until: 11:00, if_late: {after: 6 hours, do: retime}},"
                " {send: thanks}]\n")  # fmt: skip

    sent = []
    for hours in (12, 13, 1):  # nine in the evening, ten, and eleven the next day
        shop.later(hours=hours)
        sent.append(len(shop.mails("ana")))

    assert sent == [0, 0, 1]
    assert ("wait_until", "retimed") in said(shop, "ana")


# --- webhooks

HOOK = "steps: [{webhook: '{url}', body: {stage: won}}]\n"


def with_secret(shop: Shop) -> None:
    shop.environment["HOOK_SECRET"] = "whsec_c2VjcmV0"
    settings = (shop.folder / "rekindle.yaml").read_text()
    shop.write("rekindle.yaml", with_webhook(settings, 'secret: "${HOOK_SECRET}"'))


def test_a_webhook_is_signed_and_says_what_happened(shop: Shop, httpserver: HTTPServer) -> None:
    heard: list[Request] = []

    def hear(request: Request) -> Response:
        request.get_data()
        heard.append(request)
        return Response(status=204)

    httpserver.expect_request("/hook").respond_with_handler(hear)
    with_secret(shop)

    begin(shop, HOOK.replace("{url}", httpserver.url_for("/hook")))

    [request] = heard
    data = json.loads(request.get_data())["data"]
    expected = signed_headers(
        request.get_data(), "whsec_c2VjcmV0", request.headers["Webhook-Id"], shop.clock.now()
    )
    assert request.headers["Webhook-Signature"] == expected["Webhook-Signature"]
    assert (data["customer"], data["event"]["order_id"], data["stage"]) == ("ana", "7", "won")


def test_a_webhook_that_fails_is_tried_again_and_in_the_end_has_failed_with_an_alarm(
    shop: Shop, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/hook").respond_with_data(status=503)
    with_secret(shop)
    begin(shop, HOOK.replace("{url}", httpserver.url_for("/hook")))

    for _ in range(12):
        shop.later(hours=6)

    [alarm] = in_transaction(shop, list_alarms)
    assert len(httpserver.log) == 13  # for three days
    assert alarm.subject.startswith("care/webhook:")
    assert (endings(shop), places(shop)) == (["finished"], [])


def test_a_webhook_is_not_carried_to_another_address(shop: Shop, httpserver: HTTPServer) -> None:
    elsewhere = {"Location": httpserver.url_for("/elsewhere")}
    httpserver.expect_request("/hook").respond_with_data(status=307, headers=elsewhere)
    httpserver.expect_request("/elsewhere").respond_with_data(status=204)
    with_secret(shop)

    begin(shop, HOOK.replace("{url}", httpserver.url_for("/hook")))

    assert [request.path for request, _ in httpserver.log] == ["/hook"]


def test_a_customer_who_buys_again_while_a_webhook_fails_loses_nothing(
    shop: Shop, httpserver: HTTPServer
) -> None:
    httpserver.expect_ordered_request("/hook").respond_with_data(status=500)
    httpserver.expect_ordered_request("/hook").respond_with_data(status=200)
    with_secret(shop)
    begin(shop, HOOK.replace("{url}", httpserver.url_for("/hook")))

    shop.later(hours=1)
    shop.clock.move(timedelta(days=30))
    shop.run()

    assert len(httpserver.log) == 2


def test_a_condition_since_a_step_sees_that_step_decided_in_the_same_breath(shop: Shop) -> None:
    begin(
        shop,
        "steps:\n"
        "  - {id: gift, emit: gift.given}\n"
        "  - branch:\n"
        "      - when: {event: gift.given, since: gift}\n"
        "        steps: [{send: thanks}]\n",
    )

    assert said(shop, "ana")[:2] == [("gift", "emitted"), ("branch", "took when 1")]


def test_what_came_before_the_arrival_at_a_wait_does_not_end_it(shop: Shop) -> None:
    begin(
        shop,
        "steps:\n"
        "  - wait: 1 day\n"
        "  - wait_for: {event: ticket.closed}\n"
        "    up_to: 2 days\n"
        "    came: [{send: thanks}]\n",
    )
    shop.happens("ticket.closed", "ana")
    shop.run()

    shop.later(days=1)

    assert places(shop) == ["wait_for"]


def test_customers_with_different_answers_part_in_one_round(shop: Shop) -> None:
    write_journey(
        shop,
        "care",
        START + "steps:\n"
        "  - branch:\n"
        "      - when: {trait: plan, is: gold}\n"
        "        steps: [{set: {seen: gold}}]\n"
        "      - otherwise: [{set: {seen: others}}]\n",
    )
    shop.apply()
    for name, plan in (("ana", "gold"), ("bo", "basic"), ("cy", "gold")):
        shop.customer(name, plan=plan)
        shop.happens("order.completed", name, order_id=name)

    shop.run()

    seen = {name: traits_of(shop, name)["seen"] for name in ("ana", "bo", "cy")}
    assert seen == {"ana": "gold", "bo": "others", "cy": "gold"}


# --- notices through another service


def test_a_notice_that_its_service_does_not_take_is_tried_again(
    shop: Shop, httpserver: HTTPServer
) -> None:
    pytest.importorskip("apprise")
    httpserver.expect_ordered_request("/hook").respond_with_data(status=500)
    httpserver.expect_ordered_request("/hook").respond_with_data(status=200)
    address = f"json://{httpserver.host}:{httpserver.port}/hook"
    settings = (shop.folder / "rekindle.yaml").read_text()
    shop.write("rekindle.yaml", settings.replace("mailto:leads@example.com", address))
    begin(shop, "steps: [{notify: leads, message: '{{ event.order_id }} is here'}]\n")

    tried = len(httpserver.log)
    shop.later(minutes=5)
    shop.later(hours=1)

    assert (tried, len(httpserver.log)) == (1, 2)
    assert "7 is here" in httpserver.log[-1][0].get_data(as_text=True)
    assert in_transaction(shop, list_alarms) == []


def test_a_notice_to_a_target_that_names_nobody_fails_with_an_alarm(shop: Shop) -> None:
    pytest.importorskip("apprise")
    settings = (shop.folder / "rekindle.yaml").read_text()
    shop.write("rekindle.yaml", settings.replace("mailto:leads@example.com", "slack://${COOP}"))
    begin(shop, "steps: [{notify: leads, message: Hello}]\n")

    for _ in range(12):
        shop.later(hours=6)

    [alarm] = in_transaction(shop, list_alarms)
    assert (alarm.kind, alarm.subject) == ("effect.failed", "care/notify:leads")


# --- notices whose words fail


@pytest.mark.parametrize(
    "words",
    [
        "{{ 1 / (event.order_id|int - 7) }} of 5",
        "{{ customer.nickname }} has ordered",  # a trait that ana does not have
        "{% if event.order_id %}{% endif %}",  # nothing comes out
    ],
)
def test_a_notice_whose_words_fail_is_given_plainly_with_an_alarm(shop: Shop, words: str) -> None:
    begin(shop, f'steps: [{{notify: leads, message: "{words}"}}]\n')

    [mail] = shop.mails("leads@example.com")
    body = mail.get_body(("plain",))
    assert body is not None
    text = " ".join(body.get_content().split())
    assert str(mail["Subject"]) == "customer ana: care, notify:leads"
    assert "could not be written in its own words" in text
    assert words in text
    [alarm] = in_transaction(shop, list_alarms)
    assert (alarm.kind, alarm.subject) == ("notice.unwritten", "care/notify:leads")

    with_words = shop.folder / "journeys/care.yaml"
    with_words.write_text(with_words.read_text().replace(words, "All is well"))
    shop.apply()
    shop.customer("bo")
    shop.happens("order.completed", "bo", order_id="8")
    shop.run()

    assert [str(one["Subject"]) for one in shop.mails("leads@example.com")][1:] == ["All is well"]
    assert in_transaction(shop, list_alarms) == []


def test_a_log_target_logs_the_words_without_addresses(shop: Shop) -> None:
    settings = (shop.folder / "rekindle.yaml").read_text()
    shop.write("rekindle.yaml", settings.replace("mailto:leads@example.com", "log:"))

    words = "Call {{ customer.email }} of {{ event.order_id }}"
    with capture_logs() as logged:
        begin(shop, f"steps: [{{notify: leads, message: '{words}'}}]\n")

    [given] = [line for line in logged if line["event"] == "notice.given"]
    assert given["words"] == "Call a•••@example.com of 7"
