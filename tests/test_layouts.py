"""What takes something away from an old process, and what does not."""

from dataclasses import replace

import pytest

from tests.layouts import Field, Layout, taken_away

TEXT = Field("TEXT")
STOOD = {"places": Layout({"step": TEXT, "due": Field("TEXT", is_nullable=True)}, ("step",))}


@pytest.mark.parametrize(
    ("stands", "lost"),
    [
        ({**STOOD, "names": Layout({"name": TEXT})}, {}),
        ({"places": STOOD["places"].having(more=Field("TEXT", is_nullable=True))}, {}),
        ({"places": STOOD["places"].having(more=Field("TEXT", has_default=True))}, {}),
        ({"places": replace(STOOD["places"], indexes={"ix": False})}, {}),
        ({}, {"places"}),
        ({"places": replace(STOOD["places"], fields={"step": TEXT})}, {"places.due"}),
        ({"places": STOOD["places"].having(step=Field("INTEGER"))}, {"places.step"}),
        ({"places": STOOD["places"].having(due=TEXT)}, {"places.due"}),
        ({"places": STOOD["places"].having(more=TEXT)}, {"places.more"}),
        ({"places": replace(STOOD["places"], key=("due",))}, {"places"}),
        ({"places": replace(STOOD["places"], indexes={"uq": True})}, {"uq"}),
    ],
)
def test_of_a_table_only_what_is_added_and_may_be_left_out_takes_nothing_away(stands, lost):
    assert taken_away(STOOD, stands).keys() == set(lost)
