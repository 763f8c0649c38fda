from collections.abc import Iterator

import pytest

from store.session import Store
from tests.segments.history import History


@pytest.fixture
def history(store: Store) -> Iterator[History]:
    """An empty past, once on each database; gone after the test."""
    with store.begin() as tx:
        rehearsal = tx.begin_nested()
        yield History(tx)
        rehearsal.rollback()
