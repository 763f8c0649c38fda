"""A journey as a picture: everything is there, nothing overlaps."""

from itertools import combinations

import pytest

from journeys.definition import Journey
from journeys.graph import build_graph
from web.dashboard.drawing import Box, Label, Picture, Way, draw_journey

SIMPLE = [{"send": "a/b"}, {"wait": "3 days"}]
BRANCHED = [
    {"send": "a/b"},
    {
        "branch": [
            {"when": {"trait": "vip", "is": True}, "steps": [{"send": "a/vip"}, {"end": "vip"}]},
            {"when": {"trait": "old", "is": True}, "steps": []},
            {
                "otherwise": [
                    {
                        "split": [
                            {"name": "x", "share": "50%", "steps": [{"send": "a/x"}]},
                            {"name": "y", "share": "50%"},
                        ]
                    },
                    {
                        "wait_for": {"event": "order.completed"},
                        "up_to": "3 days",
                        "came": [{"notify": "leads", "message": "!"}],
                    },
                ]
            },
        ]
    },
    {"wait": "1 day"},
]


def draw(steps, people=None, sent=None) -> Picture:
    journey = Journey.model_validate(
        {"journey": "j", "topic": "offers", "start": [{"event": "order.completed"}], "steps": steps}
    )
    return draw_journey(build_graph(journey), people or {}, sent or {}, "order.completed")


def boxes_of(picture: Picture) -> list[Box]:
    return [shape for shape in picture.shapes if isinstance(shape, Box)]


def test_every_step_is_a_box_between_start_and_finish():
    kinds = [box.kind for box in boxes_of(draw(SIMPLE))]

    assert kinds == ["start", "send", "wait", "finish"]


def test_people_behind_a_question_stand_at_their_own_steps():
    asked = {"approve": "leads", "up_to": "1 day", "otherwise": [{"emit": "vip.missed"}]}
    people = {"send:a/b": 3, "approve:leads.otherwise.emit:vip.missed": 2}

    boxes = boxes_of(draw([asked, {"send": "a/b"}], people))

    assert {box.kind: box.people for box in boxes if box.people} == {"send": 3, "emit": 2}


def test_people_and_mails_stand_at_their_step():
    picture = draw(SIMPLE, people={"wait": 7}, sent={"send:a/b": 9})

    _, send, wait, _ = boxes_of(picture)
    assert (send.people, send.sent) == (0, 9)
    assert (wait.people, wait.sent) == (7, 0)


@pytest.mark.parametrize("steps", [SIMPLE, BRANCHED])
def test_no_box_overlaps_another_or_leaves_the_picture(steps):
    picture = draw(steps)

    for one, other in combinations(boxes_of(picture), 2):
        is_beside = abs(one.x - other.x) >= (one.width + other.width) / 2
        is_apart = one.y + one.height <= other.y or other.y + other.height <= one.y
        assert is_beside or is_apart
    for box in boxes_of(picture):
        assert box.x - box.width / 2 >= 0
        assert box.x + box.width / 2 <= picture.width
        assert box.y + box.height <= picture.height


def test_every_way_out_of_a_branch_is_labelled():
    labels = [shape.text for shape in draw(BRANCHED).shapes if isinstance(shape, Label)]

    assert labels == [
        "trait: vip, is: yes",
        "trait: old, is: yes",
        "otherwise",
        "x · 50%",
        "y · 50%",
        "came",
        "did not",
    ]


def test_a_branch_without_otherwise_shows_the_way_past_it():
    steps = [{"branch": [{"when": {"trait": "vip", "is": True}, "steps": [{"send": "a/vip"}]}]}]

    labels = [shape.text for shape in draw(steps).shapes if isinstance(shape, Label)]

    assert labels == ["trait: vip, is: yes", "otherwise"]


def test_where_every_way_ends_by_itself_nothing_leads_to_finished():
    kinds = [box.kind for box in boxes_of(draw([{"send": "a/b"}, {"end": "done"}]))]

    assert kinds == ["start", "send", "end"]


def test_as_many_tips_arrive_as_there_are_ways():
    tips = [shape for shape in draw(SIMPLE).shapes if isinstance(shape, Way) and shape.has_tip]

    assert len(tips) == 3
