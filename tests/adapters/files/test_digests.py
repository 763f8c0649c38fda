"""Rows are known by what they hold, always in the same words."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.files.rows import encode, write_cells

VALUES = st.one_of(
    st.text(),
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(max_size=3), max_size=2),
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5))
def test_cells_are_written_as_the_encoder_writes_them(cells: dict[str, object]):
    assert write_cells(cells) == encode(cells)
