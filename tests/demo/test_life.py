"""The generated people live as people do: in rhythms, with troubles, and some leave for good."""

from itertools import pairwise
from statistics import mean, median

from rekindle.demo.life import Happening, live
from rekindle.demo.people import YEAR, Person, generate_people

SEED = 7
PEOPLE = generate_people(400, SEED)
LIVES = {person: live(person, SEED) for person in PEOPLE}


def orders_of(person: Person) -> list[Happening]:
    return [one for one in LIVES[person] if one.name == "order.completed"]


def test_the_same_seed_makes_the_same_lives():
    again = generate_people(400, SEED)

    assert again == PEOPLE
    assert [live(person, SEED) for person in again] == list(LIVES.values())


def test_another_seed_makes_other_people():
    assert generate_people(5, SEED + 1) != generate_people(5, SEED)


def test_more_people_leave_the_first_as_they_were():
    assert generate_people(10, SEED) == PEOPLE[:10]


def test_everything_happens_in_order_and_within_the_year():
    for happenings in LIVES.values():
        days = [one.day for one in happenings]
        assert days == sorted(days)
        assert all(0 <= day < YEAR for day in days)


def test_who_left_buys_nothing_more():
    for person in PEOPLE:
        if person.leaves_on is not None:
            assert all(order.day < person.leaves_on + 1 for order in orders_of(person))


def test_some_really_leave_and_most_stay():
    left = [person for person in PEOPLE if person.leaves_on and person.leaves_on < YEAR]

    assert 0.2 < len(left) / len(PEOPLE) < 0.4


def test_everybody_keeps_their_own_rhythm():
    kept = []
    for person in PEOPLE:
        gaps = [b.day - a.day for a, b in pairwise(orders_of(person))]
        if person.leaves_on is None and len(gaps) >= 10:
            kept.append(mean(gaps) / person.order_gap)

    assert 0.9 < median(kept) < 1.1


def test_a_ticket_is_opened_before_it_is_solved_and_solved_before_it_is_reopened():
    for happenings in LIVES.values():
        seen: dict[str, list[str]] = {}
        for one in happenings:
            if one.channel == "ticket":
                seen.setdefault(one.properties["ticket_id"], []).append(one.name)
        for story in seen.values():
            assert story[0] == "ticket.opened"
            if "ticket.reopened" in story:
                assert "ticket.solved" in story[: story.index("ticket.reopened")]
