"""What is said of failures that nobody foresaw."""

import pytest

from rekindle.errors import describe


def fail(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


@pytest.mark.parametrize("error", [AssertionError(), KeyError("a"), ValueError("no"), Exception()])
def test_a_failure_says_what_and_where_even_if_it_has_no_words(error: Exception) -> None:
    said = describe(fail(error))

    assert said.startswith(f"{type(error).__name__} at test_errors.py:")
    assert not said.rstrip().endswith(":")


def test_one_that_was_never_raised_has_no_place() -> None:
    assert describe(ValueError("no")) == "ValueError: no"
