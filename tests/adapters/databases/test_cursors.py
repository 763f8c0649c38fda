"""Values of a cursor: kept as JSON, stepped back, never forward."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.databases.cursors import (
    can_step_back,
    instant_of,
    keep_cursor,
    load_cursor,
    step_back,
)

INSTANT = datetime.fromisoformat("2026-03-02T09:00:00.123456")
ZONE = timezone(timedelta(hours=3, minutes=30))
TEN_MINUTES = timedelta(minutes=10)
VALUES: list[Any] = [
    INSTANT, INSTANT.replace(tzinfo=UTC), INSTANT.replace(tzinfo=ZONE), date(2026, 3, 2), 7, 2**62,
    Decimal("1.50"), "2026-03-02 09:00:00", "2026-03-02T09:00:00.5Z", "2026-03-02", "A-17", "",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_comes_back_as_it_was_kept_and_is_stepped_back_in_its_own_type(value: Any):
    back = load_cursor(json.loads(json.dumps(keep_cursor(value))))

    assert back == value
    assert type(back) is type(value)
    stepped = step_back(value, TEN_MINUTES, 5)
    assert type(stepped) is type(value)
    assert stepped <= value
    assert (stepped < value) == can_step_back(value)


@given(
    st.datetimes(datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2100-01-01")),
    st.sampled_from([" ", "T"]),
    st.sampled_from(["", ".5", ".123456"]),
    st.sampled_from(["", "Z", "+03:30"]),
    st.integers(0, 31 * 86_400),
)
def test_texts_within_the_overlap_are_never_before_where_it_begins(
    at: datetime, separator: str, fraction: str, zone: str, seconds: int
):
    def written(instant: datetime) -> str:
        return f"{instant:%Y-%m-%d}{separator}{instant:%H:%M:%S}{fraction}{zone}"

    overlap = timedelta(seconds=seconds)
    begin = step_back(written(at), overlap, 0)

    assert begin <= written(at)
    assert begin <= written(at - overlap)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-03-02 09:00:00", datetime(2026, 3, 2, 5, 30, tzinfo=UTC)),
        (datetime(2026, 3, 2, 9, 0, tzinfo=UTC), datetime(2026, 3, 2, 9, 0, tzinfo=UTC)),
        (date(2026, 3, 2), datetime(2026, 3, 1, 20, 30, tzinfo=UTC)),
        (7, None),
        ("A-17", None),
    ],
)
def test_an_instant_without_a_zone_is_in_the_one_that_is_given(value: Any, at: datetime | None):
    assert instant_of(value, ZONE) == at


def test_what_cannot_be_compared_is_no_cursor():
    with pytest.raises(ValueError, match="not dict"):
        keep_cursor({})
    with pytest.raises(ValueError, match="not yes or no"):
        keep_cursor(True)
