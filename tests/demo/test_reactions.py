"""How generated people take their mails."""

from datetime import UTC, datetime, timedelta

from rekindle.acting import Answers, Clicks, Opens, SentMail
from rekindle.demo.life import live_again
from rekindle.demo.people import YEAR, generate_people
from rekindle.demo.reactions import ComesBack, react
from rekindle.demo.shop import DAY, make_shop
from store.records import MessageId

SEED = 7
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PEOPLE = generate_people(500, SEED)
OFFER = SentMail(MessageId(1), "win_back/we_miss_you", "offers", None, MONDAY)
CSAT = SentMail(MessageId(2), "surveys/csat", "surveys", "csat", MONDAY)


def reactions_to(mail, *, has_left=False):
    return [react(person, mail, SEED, has_left=has_left) for person in PEOPLE]


def test_some_react_and_most_stay_silent():
    silent = [one for one in reactions_to(OFFER) if not one]

    assert 0.3 < len(silent) / len(PEOPLE) < 0.9


def test_a_mail_is_opened_before_anything_else_and_never_within_seconds():
    for reactions in reactions_to(OFFER) + reactions_to(CSAT):
        if reactions:
            assert isinstance(reactions[0], Opens)
            assert reactions[0].at >= MONDAY + timedelta(minutes=2)
            assert [one.at for one in reactions] == sorted(one.at for one in reactions)


def test_scores_stay_on_the_survey_s_scale():
    answers = [one for each in reactions_to(CSAT) for one in each if isinstance(one, Answers)]

    assert {one.score for one in answers} <= set(range(1, 6))
    assert len({one.score for one in answers}) >= 4


def test_only_who_had_left_comes_back_and_only_by_a_click():
    stayed = [one for each in reactions_to(OFFER) for one in each]
    returned = [each for each in reactions_to(OFFER, has_left=True) if each]

    assert not any(isinstance(one, ComesBack) for one in stayed)
    for each in returned:
        if any(isinstance(one, ComesBack) for one in each):
            assert any(isinstance(one, Clicks) for one in each)


def test_who_comes_back_orders_on_that_day_and_goes_on():
    person = PEOPLE[0]

    orders = [one for one in live_again(person, 320.5, SEED) if one.name == "order.completed"]

    assert orders[0].day == 320.5
    assert all(one.day < YEAR for one in orders)


def test_history_ends_where_the_play_begins():
    shop, history = make_shop(50, MONDAY, SEED)

    assert max(event.occurred_at for event in history) < shop.plays_from
    assert all(event.is_known_since_occurred for event in history)
    ahead = shop.take_until(shop.plays_from + 10 * DAY)
    assert ahead
    assert min(event.occurred_at for event in ahead) >= shop.plays_from
    assert not any(event.is_known_since_occurred for event in ahead)


def test_what_has_happened_does_not_happen_again():
    shop, _history = make_shop(50, MONDAY, SEED)
    tomorrow = shop.plays_from + DAY

    shop.take_until(tomorrow)

    assert shop.take_until(tomorrow) == []


def test_every_event_of_a_shop_has_its_own_id():
    shop, history = make_shop(200, MONDAY, SEED)
    for person in shop.people.values():
        shop.bring_back(person, shop.plays_from + DAY)

    ids = [event.message_id for event in history + shop.take_until(shop.ends_at)]

    assert len(ids) == len(set(ids))
