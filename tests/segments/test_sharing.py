"""Segments that read the same are asked in one statement, and never too many things at once."""

from zoneinfo import ZoneInfo

from segments.definition import Segment
from segments.lexicon import Lexicon
from segments.prepared import MOST_MEETINGS, groups_of
from segments.sharing import MOST_TOGETHER, share_out, things_read


def segments(**rules):
    return {
        name: Segment.model_validate({"segment": name, "match": rule})
        for name, rule in rules.items()
    }


def did(name, **bounds):
    return {"event": name, **bounds}


def test_bounds_make_no_difference_to_what_is_read():
    asked = segments(
        often={"any": [did("order.completed", at_least=3), did("order.completed", exactly=0)]},
        lately={"all": [did("order.completed", within="30 days"), {"trait": "plan", "is": "gold"}]},
    )

    assert len(things_read(asked["often"].match, asked)) == 1
    assert len(things_read(asked["lately"].match, asked)) == 2


def test_what_another_segment_reads_is_read_too_even_in_a_circle():
    asked = segments(
        gold={"all": [{"trait": "plan", "is": "gold"}, {"segment": "buyers"}]},
        buyers={"any": [did("order.completed"), {"segment": "gold"}]},
    )

    assert len(things_read(asked["gold"].match, asked)) == 2


def test_segments_that_read_the_same_stand_together():
    rules = {f"rule_{n}": did("order.completed", at_least=n) for n in range(1, 40)}
    asked = segments(**rules)

    assert share_out(list(asked), asked) == [sorted(asked)]


def test_no_group_reads_more_than_the_most():
    rules = {f"rule_{n}": {"all": [did(f"a{n}.done"), did(f"b{n}.done")]} for n in range(20)}
    asked = segments(**rules)

    groups = share_out(list(asked), asked)

    assert sorted(name for group in groups for name in group) == sorted(asked)
    for group in groups:
        read = set().union(*(things_read(asked[name].match, asked) for name in group))
        assert len(read) <= MOST_TOGETHER


def test_one_rule_that_reads_more_stands_alone():
    wide = {"any": [did(f"a{n}.done") for n in range(MOST_TOGETHER + 3)]}
    asked = segments(wide=wide, narrow=did("order.completed"))

    assert sorted(map(tuple, share_out(list(asked), asked))) == [("narrow",), ("wide",)]


def test_after_many_chance_meetings_segments_are_asked_one_by_one():
    rules = {f"rule_{n}": did("order.completed", at_least=n + 1) for n in range(MOST_MEETINGS + 2)}
    lexicon = Lexicon(frozenset({"web"}), (), ZoneInfo("UTC"), segments(**rules))
    first, *others = rules

    for other in others:
        groups_of([first, other], lexicon)

    assert groups_of([first, others[0]], lexicon) == [sorted([first, others[0]])]
    assert groups_of([first, others[-1]], lexicon) == [[first], [others[-1]]]
