"""A small workspace with its engine, for tests that go round the whole loop on a clock moved by
hand.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import Any

from rekindle.clock import FixedClock
from rekindle.process import Process
from rekindle.services import Services, open_services
from rekindle.workspace.applying import apply_folder
from store.intake import record_customers, record_events
from store.records import Identity, IncomingCustomer, IncomingEvent, Receipt
from workers.counts import Counts

ROOT = Path(__file__).parents[1]
SETTINGS = """
brand: {name: Shop, zone: UTC, address: "1 Street"}
sender: {from: "Shop <hello@example.com>"}
people: {leads: ["mailto:leads@example.com"]}
webhook: {allow: [127.0.0.1, localhost]}
"""
ALLOW = "allow: [127.0.0.1, localhost]"  # receivers of tests are on this machine
LAYOUT = """
<!doctype html><html><head><title>{% block subject %}{% endblock %}</title></head>
<body><p>{% block preheader %}{% endblock %}</p>{% block body %}{% endblock %}
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>
"""


def with_webhook(settings: str, more: str) -> str:
    """These settings with `more` of `webhook` in them."""
    return settings.replace(ALLOW, f"{ALLOW}, {more}")


@dataclass
class Shop:
    """Write files, apply, let things happen, run; then look at what came of it."""

    folder: Path
    url: str
    at: datetime
    environment: dict[str, str] = field(
        default_factory=lambda: {"REKINDLE_SECRET_KEY": "for tests only, and long enough for it"}
    )

    def __post_init__(self) -> None:
        self.clock = FixedClock(self.at)
        self.ordinal = count(1)
        if not (self.folder / "rekindle.yaml").exists():
            self.write("rekindle.yaml", SETTINGS)
        self.services: Services = open_services(
            self.folder, self.clock, database=self.url, environment=self.environment
        )
        self.process = Process(self.services)

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip(), encoding="utf-8")

    def mail(self, name: str, body: str = "Hello", subject: str = "Hello") -> None:
        """A template of that name."""
        self.write(
            f"templates/{name}.html.j2",
            '{% extends "layouts/brand" %}'
            f"{{% block subject %}}{subject}{{% endblock %}}"
            f"{{% block body %}}<p>{body}</p>{{% endblock %}}",
        )

    def apply(self) -> None:
        apply_folder(self.services.store, self.folder, self.environment, self.clock.now())

    def customer(self, id_: str, **traits: Any) -> None:
        traits = {"email": f"{id_}@example.com", **traits}
        with self.services.store.begin() as tx:
            record_customers(tx, [IncomingCustomer(id_, traits)], now=self.clock.now())

    def happens(
        self, name: str, customer: str, ago: timedelta = timedelta(), **properties: Any
    ) -> None:
        """A live event of one customer, `ago` before now."""
        self.receive(
            IncomingEvent(
                name=name,
                occurred_at=self.clock.now() - ago,
                message_id=f"test-{next(self.ordinal)}",
                identities=(Identity("external", customer),),
                properties=properties,
            )
        )

    def happened(self, name: str, customer: str, at: datetime, **properties: Any) -> None:
        """An imported event of the past."""
        self.receive(
            IncomingEvent(
                name=name,
                occurred_at=at,
                message_id=f"test-{next(self.ordinal)}",
                identities=(Identity("external", customer),),
                properties=properties,
                is_known_since_occurred=True,
            )
        )

    def receive(self, *events: IncomingEvent) -> Receipt:
        with self.services.store.begin() as tx:
            return record_events(tx, events, now=self.clock.now(), settings=self.services.settings)

    def run(self) -> Counts:
        return self.process.run_until_idle()

    def later(self, **duration: float) -> Counts:
        """Let time pass, then work off what became due."""
        self.clock.move(timedelta(**duration))
        return self.run()

    def mails(self, to: str | None = None) -> list[EmailMessage]:
        """What lies in the outbox, oldest first."""
        files = sorted((self.folder / "outbox").glob("*.eml"), key=lambda file: int(file.stem))
        found = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
        return [mail for mail in found if to is None or to in str(mail["To"])]

    def close(self) -> None:
        self.process.stop()
