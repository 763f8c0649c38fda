from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeys.permission import Allowed, Asked, Held, Refused, ask
from rekindle.settings import Settings
from tests.journeys import strategies
from tests.journeys.builders import DAY, HOUR, LONDON, MINUTE, MONDAY

AT_NIGHT = datetime(2026, 3, 2, 23, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
SETTINGS = Settings.model_validate(
    {
        "topics": {
            "offers": {"consent": "assumed"},
            "news": {"consent": "required"},
            "surveys": {"consent": "assumed"},
        },
        "survey_rest": "30 days",
        "caps": {"all": "4 per 7 days", "offers": "2 per 7 days"},
        "quiet_hours": "21:00-08:00",
    }
)


def a_mail(**fields):
    """An offer to somebody against whom nothing speaks, queued at nine on Monday."""
    plain = Asked(topic="offers", queued_at=MONDAY, zone=LONDON, address="ann@example.com")
    return replace(plain, **fields)


def a_survey(**fields):
    return a_mail(topic="surveys", survey="csat", **fields)


def verdict(mail, now=MONDAY, settings=SETTINGS):
    return ask(mail, settings, now)


def mails(*topics_and_ages):
    """Mails sent that long before Monday, newest first."""
    return tuple((MONDAY - age, topic) for topic, age in topics_and_ages)


def test_a_mail_against_which_nothing_speaks_may_go():
    assert verdict(a_mail()) == Allowed()


# --- never ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ended": "exited"}, "the enrollment was left: exited"),
        ({"address": ""}, "no usable address"),
        ({"suppressed": "hard_bounce"}, "suppressed: hard_bounce"),
        ({"suppressed": ""}, "suppressed: "),
        ({"consent": "denied"}, "said no to offers"),
    ],
)
@pytest.mark.parametrize("topic", ["offers", "service"])
def test_what_forbids_a_mail_for_ever_holds_for_service_too(topic, fields, reason):
    refused = verdict(a_mail(topic=topic, **fields))

    assert refused == Refused(reason.replace("offers", topic))


@pytest.mark.parametrize(
    ("topic", "consent", "may_go"),
    [
        ("offers", "granted", True),
        ("offers", "unknown", True),
        ("news", "granted", True),
        ("news", "unknown", False),
        ("service", "unknown", True),
        ("never_heard_of", "granted", True),
        ("never_heard_of", "unknown", False),
    ],
)
def test_silence_is_consent_only_where_the_topic_assumes_it(topic, consent, may_go):
    expected = Allowed() if may_go else Refused(f"has not said yes to {topic}")

    assert verdict(a_mail(topic=topic, consent=consent)) == expected


# --- rest -----------------------------------------------------------------


def test_a_survey_rests_from_the_last_invitation_to_any():
    refused = verdict(a_survey(invited_at=MONDAY - 30 * DAY + MINUTE))

    assert refused == Refused("was asked on 2026-01-31; rests 30 days")


def test_the_rest_is_over_after_exactly_its_length():
    assert verdict(a_survey(invited_at=MONDAY - 30 * DAY)) == Allowed()


def test_a_first_invitation_and_a_reminder_of_it_need_no_rest():
    assert verdict(a_survey(invited_at=None)) == Allowed()


def test_who_rests_from_surveys_still_gets_other_mails():
    assert verdict(a_mail(invited_at=MONDAY - DAY)) == Allowed()


def test_a_survey_of_a_service_journey_rests_as_well():
    asked_again = a_survey(invited_at=MONDAY - DAY)

    assert isinstance(verdict(replace(asked_again, topic="service")), Refused)


# --- caps -----------------------------------------------------------------


def test_as_many_mails_as_the_cap_may_go():
    assert verdict(a_mail(sent=mails(("offers", DAY)))) == Allowed()


def test_over_the_cap_a_mail_waits_until_enough_earlier_ones_are_out_of_the_window():
    older = [("offers", 7 * DAY - 5 * HOUR), ("offers", 7 * DAY - HOUR)]

    held = verdict(a_mail(sent=mails(("offers", 2 * DAY), *older)))

    assert held == Held(MONDAY + 5 * HOUR, "over the cap 'offers': 2 per 7 days")


def test_a_mail_as_old_as_the_window_counts_no_more():
    sent = mails(("offers", DAY), ("offers", 7 * DAY))

    assert verdict(a_mail(sent=sent)) == Allowed()
    assert isinstance(verdict(a_mail(sent=sent), now=MONDAY - timedelta(microseconds=1)), Held)


def test_a_mail_over_the_cap_is_held_a_day_at_most():
    sent = mails(("offers", HOUR), ("offers", 2 * HOUR))

    held = verdict(a_mail(sent=sent))

    assert held == Held(MONDAY + DAY, "over the cap 'offers': 2 per 7 days")


def test_after_a_day_over_the_cap_it_is_refused_with_the_same_reason():
    sent = mails(("offers", HOUR), ("offers", 2 * HOUR))

    refused = verdict(a_mail(sent=sent), now=MONDAY + DAY)

    assert refused == Refused("over the cap 'offers': 2 per 7 days")


def test_a_mail_that_the_cap_frees_on_its_last_day_still_goes():
    sent = mails(("offers", DAY), ("offers", 6 * DAY))
    held = verdict(a_mail(sent=sent))

    assert held.until == MONDAY + DAY
    assert verdict(a_mail(sent=sent), now=held.until) == Allowed()


def test_a_cap_of_a_topic_counts_its_own_mails_only():
    sent = mails(("news", DAY), ("surveys", DAY), ("offers", DAY))

    assert verdict(a_mail(sent=sent)) == Allowed()


def test_the_contact_budget_counts_mails_and_surveys_of_every_topic():
    sent = mails(("news", HOUR), ("surveys", DAY), ("service", DAY), ("offers", 2 * DAY))

    held = verdict(a_survey(sent=sent))

    assert held == Held(MONDAY + DAY, "over the cap 'all': 4 per 7 days")


def test_a_cap_of_nothing_lets_nothing_pass():
    closed = SETTINGS.model_copy(
        update={"caps": Settings.model_validate({"caps": {"all": "0 per 1 day"}}).caps}
    )

    assert isinstance(verdict(a_mail(), settings=closed), Held)
    assert isinstance(verdict(a_mail(), MONDAY + DAY, closed), Refused)


# --- quiet hours ----------------------------------------------------------


@pytest.mark.parametrize("mail", [a_mail(), a_survey()])
def test_at_night_a_mail_waits_for_the_morning(mail):
    held = verdict(mail, now=AT_NIGHT)

    assert held == Held(MORNING, "quiet hours where the customer lives")
    assert verdict(mail, now=MORNING) == Allowed()


def test_it_is_night_where_the_customer_lives():
    in_tokyo = a_mail(zone=ZoneInfo("Asia/Tokyo"))  # nine hours ahead

    assert verdict(in_tokyo, now=MONDAY) == Allowed()
    assert verdict(in_tokyo, now=MONDAY + 3 * HOUR) == Held(
        datetime(2026, 3, 2, 23, 0, tzinfo=UTC), "quiet hours where the customer lives"
    )


# --- unhappy now ----------------------------------------------------------


def test_an_offer_to_an_unhappy_customer_is_held_and_asked_for_again():
    held = verdict(a_mail(unhappy=True))

    assert held == Held(MONDAY + 6 * HOUR, "unhappy now: an unsolved ticket or a bad answer")


def test_an_offer_to_a_customer_who_stays_unhappy_for_a_week_is_refused():
    assert isinstance(verdict(a_mail(unhappy=True), MONDAY + 7 * DAY - MINUTE), Held)
    assert verdict(a_mail(unhappy=True), MONDAY + 7 * DAY) == Refused("unhappy now, for a week")


def test_an_unhappy_customer_is_still_asked_how_it_went():
    assert verdict(a_survey(unhappy=True)) == Allowed()


# --- together -------------------------------------------------------------


def test_service_passes_caps_quiet_hours_and_unhappiness():
    sent = mails(*[("offers", HOUR)] * 10)

    mail = a_mail(topic="service", sent=sent, unhappy=True)

    assert verdict(mail, now=AT_NIGHT) == Allowed()


# each rule's own objection, in the order in which the rules are asked
OBJECTIONS: list[tuple[dict[str, Any], str]] = [
    ({"ended": "goal"}, "the enrollment was left"),
    ({"address": ""}, "no usable address"),
    ({"suppressed": "complaint"}, "suppressed"),
    ({"consent": "denied"}, "said no"),
    ({"survey": "csat", "invited_at": AT_NIGHT - DAY}, "was asked"),
    ({"sent": ((AT_NIGHT - HOUR, "offers"),) * 9}, "over the cap 'all'"),
    ({}, "quiet hours"),
]


@pytest.mark.parametrize("place", range(len(OBJECTIONS)))
def test_the_first_rule_that_objects_gives_the_reason(place):
    fields: dict[str, Any] = {}
    for objection, _ in OBJECTIONS[place:]:
        fields |= objection

    said = verdict(a_mail(queued_at=AT_NIGHT, unhappy=True, **fields), now=AT_NIGHT)

    assert said.reason.startswith(OBJECTIONS[place][1])


NO_ONE = st.none()
ages = st.timedeltas(timedelta(0), 40 * DAY)
earlier = ages.map(lambda age: MONDAY - age)
any_mail = st.builds(
    Asked,
    topic=st.sampled_from(["offers", "news", "surveys", "service", "other"]),
    queued_at=earlier,
    zone=strategies.zones,
    survey=NO_ONE | st.just("csat"),
    address=st.sampled_from(["", "ann@example.com"]),
    suppressed=NO_ONE | st.sampled_from(["", "complaint"]),
    consent=st.sampled_from(["granted", "denied", "unknown"]),
    sent=st.lists(st.tuples(earlier, st.sampled_from(["offers", "news"])), max_size=6).map(
        lambda sent: tuple(sorted(sent, reverse=True))
    ),
    invited_at=NO_ONE | earlier,
    unhappy=st.booleans(),
    ended=NO_ONE | st.just("exited"),
)


@given(any_mail)
@strategies.unhurried
def test_nobody_is_mailed_who_said_no(mail):
    if mail.suppressed is not None or mail.consent == "denied" or not mail.address:
        assert isinstance(verdict(mail), Refused)


@given(any_mail)
@strategies.unhurried
def test_what_is_held_is_held_for_later(mail):
    said = verdict(mail)

    assert not isinstance(said, Held) or said.until > MONDAY


@given(any_mail)
@strategies.unhurried
def test_what_is_held_is_decided_for_good_within_nine_days(mail):
    now, said = MONDAY, verdict(mail)
    while isinstance(said, Held):
        now = said.until
        said = verdict(mail, now)

    assert now <= MONDAY + 9 * DAY
