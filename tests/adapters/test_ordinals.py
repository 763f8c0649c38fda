"""Equal content is counted, and little is kept of it."""

from collections import Counter
from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from adapters.ordinals import Ordinals


def digest(content: int) -> str:
    return blake2b(str(content).encode(), digest_size=16).hexdigest()


@given(st.lists(st.integers(0, 300), max_size=600))
def test_each_of_equal_contents_has_the_next_ordinal(contents: list[int]):
    ordinals, seen = Ordinals(), Counter[int]()

    for content in contents:
        seen[content] += 1
        assert ordinals.next(digest(content)) == seen[content]


def test_a_digest_of_nothing_but_zeros_is_one_like_any_other():
    ordinals = Ordinals()

    assert [ordinals.next("0" * 32), ordinals.next("0" * 32)] == [1, 2]


def test_a_row_takes_a_few_bytes():
    ordinals = Ordinals()
    count = 60_000

    assert sum(ordinals.next(digest(content)) == 1 for content in range(count)) == count
    assert ordinals.size <= 24 * count
