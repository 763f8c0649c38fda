"""A small life of a shop, lived by a process of an older version: run in that version's checkout.

Arguments: folder, database. Says "ready" once it lives, waits for a line, and then lives on beside
whatever has become of the database meanwhile. Prints what it saw as one JSON document.
"""

import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

from starlette.testclient import TestClient

from rekindle.api.app import mount_api
from rekindle.migrating import upgrade
from store.keys import add_key
from store.session import Store
from tests.shop import LAYOUT, SETTINGS, Shop
from web.app import create_app
from workers.doctor import examine
from workers.schedule import sweep

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOPICS = "topics: {offers: {consent: assumed}, surveys: {consent: assumed}}\n"
CAPS = "caps: {all: 3 per day}\npace: {provider: 50 per hour}\n"
BUYERS = "segment: buyers\nmatch: {event: order.completed, last: {within: 30 days}}\n"
CSAT = "survey: csat\nkind: csat\nexpires: 14 days\n"
THANKS = """
journey: thanks
topic: offers
holdout: none
because: a test
start: [{event: order.completed}]
again: always
steps:
  - send: thanks
  - notify: leads
    message: An order
  - wait: 2 days
  - survey: csat
    template: ask
  - wait: 2 days
  - send: tips
"""
LINK = re.compile(r'href="https?://[^/"]+(/[su]/[^"?]+)')


class Life:
    def __init__(self, folder: Path, url: str) -> None:
        store = Store(url)
        upgrade(store)
        store.close()
        self.shop = Shop(folder, url, MONDAY)
        shop = self.shop
        shop.write("templates/layouts/brand.html.j2", LAYOUT)
        shop.write("rekindle.yaml", SETTINGS + TOPICS + CAPS)
        shop.write("segments/buyers.yaml", BUYERS)
        shop.write("surveys/csat.yaml", CSAT)
        shop.write("journeys/thanks.yaml", THANKS)
        shop.mail("thanks")
        shop.mail("tips")
        shop.mail("ask", body="{{ survey('csat') }}")
        shop.apply()
        with shop.services.store.begin() as tx:
            add_key(tx, "wk", MONDAY)
            add_key(tx, "ak", MONDAY, kind="api")
        web = create_app(shop.services, more=[mount_api(shop.services)])
        self.client = TestClient(web, base_url=shop.services.settings.base_url)
        self.statuses: list[int] = []

    def track(self, customer: str) -> None:
        what = {"userId": customer, "timestamp": self.shop.clock.now().isoformat()}
        traits = {"email": f"{customer}@example.com"}
        batch = [
            {**what, "type": "identify", "messageId": f"i-{customer}", "traits": traits},
            {**what, "type": "track", "messageId": f"t-{customer}", "event": "Order Completed"},
        ]
        self.say(self.client.post("/v1/batch", json={"batch": batch}, auth=("wk", "")))

    def ask(self, method: str, path: str, body: object = None) -> None:
        bearer = {"Authorization": "Bearer ak"}
        self.say(self.client.request(method, f"/api/v1/{path}", json=body, headers=bearer))

    def say(self, response: object) -> None:
        self.statuses.append(response.status_code)  # type: ignore[attr-defined]  # httpx's

    def links(self, customer: str) -> list[str]:
        """Of the latest mail: its survey's and its preferences' pages."""
        html = self.shop.mails(customer)[-1].get_body(("html",))
        assert html is not None
        return [unescape(link) for link in LINK.findall(html.get_content())]

    def move(self, **duration: float) -> None:
        """Time passes, a scheduler sweeps, workers work."""
        self.shop.later(**duration)
        sweep(self.shop.services, self.shop.process.pool, self.shop.clock.now())

    def begin(self) -> None:
        for customer in ("ana", "bea"):
            self.track(customer)
        self.move(seconds=1)

    def live_on(self) -> None:
        """Everything that writes: events, mails, answers, a no, commands, an apply, an erasure."""
        for customer in ("cai", "dan", "eve"):
            self.track(customer)
        self.move(seconds=1)
        self.move(days=2)
        survey = next(link for link in self.links("ana") if link.startswith("/s/"))
        self.say(self.client.get(survey))
        self.shop.clock.at = self.shop.clock.at.replace(second=30)
        self.say(self.client.post(survey, data={"score": "5", "comment": "good"}))
        no = next(link for link in self.links("bea") if link.startswith("/u/"))
        self.say(self.client.post(no, data={"List-Unsubscribe": "One-Click"}))
        self.ask("POST", "customers/cai/suppress", {"reason": "asked"})
        self.ask("POST", "journeys/thanks/pause", {"reason": "look"})
        self.shop.write("journeys/thanks.yaml", THANKS.replace("send: tips", "send: thanks"))
        self.shop.apply()
        self.move(hours=1)
        self.ask("POST", "journeys/thanks/resume")
        self.ask("DELETE", "customers/dan")
        self.track("fay")
        self.move(days=2)
        self.move(days=1)

    def document(self) -> dict[str, object]:
        found = examine(self.shop.services, self.shop.clock.now())
        mails = Counter(str(mail["To"]).partition("@")[0] for mail in self.shop.mails())
        return {
            "statuses": self.statuses,
            "mails": dict(mails),
            "findings": [finding.said for finding in found],
        }


if __name__ == "__main__":
    life = Life(Path(sys.argv[1]), sys.argv[2])
    life.begin()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    life.live_on()
    sys.stdout.write(json.dumps(life.document()))
    life.shop.close()
