"""What attackers attack: the site of the web tests, and one with keys and secrets of providers."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from rekindle.api.app import mount_api
from store.keys import add_key
from tests.web.conftest import SETTINGS, Site, browser_at, open_site, site, small_site
from web.app import create_app

__all__ = ["site", "small_site"]

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # what is tried is not the cost
SERVER_KEY = "wk_server"
BROWSER_KEY = "wk_browser"
API_KEY = "ak_program"
INBOUND_SECRET = "of inbound mail"
WEBHOOK_SECRET = "of the helpdesk"
SOURCES = f"""\
sendgrid: {{inbound_secret: {INBOUND_SECRET}}}
sources: {{chatwoot: {{secret: {WEBHOOK_SECRET}}}}}
"""


@pytest.fixture(autouse=True)
def nobodys_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.passwords.NOBODYS", CHEAP.hash("nobody's"))


def open_house(folder: Path, url: str, now: datetime) -> Site:
    """A site with everything that listens: one key of each kind is let in."""
    site = open_site(folder, url, now)
    services = site.services
    site.write("rekindle.yaml", SETTINGS + SOURCES)
    site.apply()
    with services.store.begin() as tx:
        add_key(tx, SERVER_KEY, now)
        add_key(tx, BROWSER_KEY, now, is_browser=True)
        add_key(tx, API_KEY, now, kind="api")
    site.client = browser_at(create_app(services, more=[mount_api(services)]))
    return site


@pytest.fixture
def house(tmp_path: Path, database_url: str, now: datetime) -> Iterator[Site]:
    """Once on each database."""
    opened = open_house(tmp_path, database_url, now)
    yield opened
    opened.services.close()


@pytest.fixture
def small_house(tmp_path: Path, sqlite_url: str, now: datetime) -> Iterator[Site]:
    """On SQLite only, for what the database has no part in."""
    opened = open_house(tmp_path, sqlite_url, now)
    yield opened
    opened.services.close()
