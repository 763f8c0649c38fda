"""Where a sentence counts, one is singular."""

import pytest

from rekindle.counting import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 mails"), (1, "1 mail"), (2, "2 mails"), (12_345, "12,345 mails")]
)
def test_of_one_the_noun_has_no_s(number: int, words: str) -> None:
    assert counted(number, "mail") == words
