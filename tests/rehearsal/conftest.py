"""A shop on each database, with customers."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.shop import LAYOUT, Shop


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now: datetime) -> Iterator[Shop]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    opened = Shop(folder, database_url, now)
    opened.write("templates/layouts/brand.html.j2", LAYOUT)
    yield opened
    opened.close()
