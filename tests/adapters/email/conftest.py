"""A mail to hand over, and a witness of what was marked before its last byte left."""

from dataclasses import dataclass, field, replace

import pytest

from adapters.email.base import OutgoingEmail

MIME = (
    b"From: Shop <hello@shop.example.com>\r\nTo: ana@example.com\r\nSubject: Hello\r\n\r\n"
    b".starts with a dot\r\nand ends\r\n"
)
EMAIL = OutgoingEmail(
    message_id=42,
    header_id="42@shop.example.com",
    sender="Shop <hello@shop.example.com>",
    to="ana@example.com",
    mime=MIME,
    subject="Hello",
    html="<p>Hello</p>",
    text="Hello\n",
    headers=(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),),
    topic="offers",
    reply_to="Help <help@shop.example.com>",
)


def an_email(**known: object) -> OutgoingEmail:
    return replace(EMAIL, **known)  # type: ignore[arg-type]


@dataclass
class Marks:
    """Stands for the durable mark: counts how often it was set."""

    count: int = 0
    seen: list[object] = field(default_factory=list)

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def marks() -> Marks:
    return Marks()
