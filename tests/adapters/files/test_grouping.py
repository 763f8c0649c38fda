"""An order that stands in several rows is one group, wherever its rows stand."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.files import grouping
from adapters.files.base import Line
from adapters.files.grouping import group_rows


def key_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["order"],)


def rows(*orders: str) -> list[Line]:
    return [Line(number, {"order": order}) for number, order in enumerate(orders, 2)]


def numbers(lines: list[Line]) -> list[list[int]]:
    return [[line.number for line in group] for group in group_rows(lambda: lines, key_of)]


@given(st.lists(st.sampled_from(["a", "b", "c", "d", ""]), max_size=12), st.booleans())
def test_every_row_is_in_the_one_group_of_its_key(orders: list[str], are_many: bool):
    lines = [*rows(*orders), Line(99, None, "broken")]
    with pytest.MonkeyPatch.context() as patch:
        if are_many:
            patch.setattr(grouping, "MOST_APART", 0)

        groups = list(group_rows(lambda: lines, key_of))

    assert sorted(line for group in groups for line in group) == sorted(lines)
    keys = Counter(key_of(group[0].row) for group in groups if group[0].row)
    assert {count for key, count in keys.items() if all(key)} <= {1}
    for group in groups:
        assert len({line.row and line.row["order"] for line in group}) == 1
        assert [line.number for line in group] == sorted(line.number for line in group)


def test_neighbours_stay_where_they_are_and_what_stands_apart_comes_last():
    assert numbers(rows("a", "b", "b", "a", "c")) == [[3, 4], [6], [2, 5]]


def test_rows_without_a_key_and_broken_ones_stand_alone():
    lines = [*rows("", "", "a"), Line(5, None, "broken"), Line(6, {"order": "a"})]

    assert numbers(lines) == [[2], [3], [5], [4, 6]]
