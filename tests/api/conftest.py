"""A small shop with its API, and a program that holds a key."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from rekindle.api.app import mount_api
from store.keys import add_key
from tests.shop import LAYOUT, Shop
from web.app import create_app

SETTINGS = """
brand: {name: Shop, zone: UTC, address: "1 Street"}
sender: {from: "Shop <hello@example.com>"}
"""
BUYERS = """
segment: buyers
match: {event: order.completed}
"""
WELCOME = """
journey: welcome
topic: service
start:
  - api: true
steps:
  - send: welcome
  - wait: 1 day
"""
CSAT = "survey: csat\nkind: csat\n"


@dataclass
class Caller:
    """A program with a key, and the shop it calls."""

    shop: Shop
    client: TestClient

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's document; whatever its status."""
        answer = self.client.request(method, f"/api/v1{path}", json=body)
        assert answer.headers["content-type"] == "application/json", answer.text
        return answer.json()

    def status(self, method: str, path: str, body: Any = None) -> int:
        return self.client.request(method, f"/api/v1{path}", json=body).status_code


@pytest.fixture
def caller(tmp_path: Path, database_url: str, now: datetime) -> Iterator[Caller]:
    """Once on each database: two customers, one of whom bought."""
    shop = Shop(tmp_path, database_url, now)
    shop.write("rekindle.yaml", SETTINGS)
    shop.write("segments/buyers.yaml", BUYERS)
    shop.write("journeys/welcome.yaml", WELCOME)
    shop.write("surveys/csat.yaml", CSAT)
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.mail("welcome")
    shop.apply()
    shop.customer("ana", plan="pro")
    shop.customer("bo")
    shop.happens("order.completed", "ana", total=20)
    shop.run()
    with shop.services.store.begin() as tx:
        add_key(tx, "ak_program", now, kind="api")
    app = create_app(shop.services, more=[mount_api(shop.services)])
    headers = {"authorization": "Bearer ak_program"}
    yield Caller(shop, TestClient(app, base_url="http://127.0.0.1:8000", headers=headers))
    shop.close()
