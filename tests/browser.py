"""Debian's Chromium, where it is installed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("REKINDLE_REQUIRE_SERVICES") != "1",
    reason="chromium is not installed",
)


@contextmanager
def launched() -> Iterator[Any]:
    """A browser. Fails where it is required and missing; skips without playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    assert CHROMIUM, "chromium is required here and is missing"
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
