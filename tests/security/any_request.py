"""Requests of every kind to every address of the web, drawn from a seed."""

import base64
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from starlette.routing import BaseRoute, Route

from rekindle.api.app import create_api
from tests.security.conftest import API_KEY, BROWSER_KEY, INBOUND_SECRET, SERVER_KEY
from tests.web.conftest import Site
from web.app import create_app

METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")
WORDS = (
    "c1", "ana", "csat", "welcome", "chatwoot", "batch", "track", "pages.css", "", "-1", "0", "1",
    "2", "007", "1.5", "1e3", str(2**31), str(2**63 - 1), str(2**63), str(2**64), "9" * 30,
    "9" * 5_000, "٣", "²", "é", "😀", "\u202e", "\ufffd", "a/b", "a//b", "..", "../../etc/passwd",
    "a'b", 'a"b', "%", "%25", "x" * 3_000, "<b>", "{{7*7}}", "\r\nX: y", "a;b", "null", "NaN",
    "true", "[]", "' OR 1=1 --", "%_%",
)  # fmt: skip
BROKEN = (
    "%00",
    "a%00b",
    "%ff",
    "%c3",
    "%c3%28",
    "%ed%a0%80",
    "%f8%88%80%80%80",
    "%",
    "%zz",
    "%0d%0a",
)
QUERIES = (
    "score", "query", "state", "status", "before", "after", "answered", "limit", "template",
    "customer", "at", "x", "x[]", "",
)  # fmt: skip
FIELDS = (
    "score", "comment", "solved", "action", "topic.offers", "List-Unsubscribe", "email", "password",
    "says", "approval", "newest", "journey", "step", "headers", "text", "envelope", "charsets", "x",
)  # fmt: skip
SAID = ("confirm", "save", "undo", "keep", "One-Click", "yes", "no", "5", "10", '{"from": ""}')
NAMES = (
    "type", "event", "userId", "anonymousId", "messageId", "timestamp", "sentAt", "context",
    "traits", "properties", "batch", "writeKey", "previousId", "groupId", "channel", "consent",
    "customer", "customers", "request_id", "reason", "specversion", "id", "source", "subject", "x",
)  # fmt: skip
TYPES = (
    "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=x", "application/cloudevents+json; charset=latin-1",
    "application/cloudevents-batch+json", "application/octet-stream", "x", "",
)  # fmt: skip


@dataclass(frozen=True)
class Attack:
    method: str
    address: str
    headers: dict[str, str]
    body: bytes


Operation = tuple[str, str]  # a method, and an address with its parameters in braces


def operations_of(site: Site) -> list[Operation]:
    """Everything that may be asked of the web."""
    api = create_api(site.services).openapi()["paths"]
    return [
        *_operations(create_app(site.services).routes),
        *((method.upper(), f"/api/v1{path}") for path, found in api.items() for method in found),
        *(("GET", path) for path in ("/api/v1/openapi.json", "/nothing", "/a/b", "/v1/a/b")),
    ]


def _operations(routes: Sequence[BaseRoute]) -> Iterator[Operation]:
    for route in routes:
        assert isinstance(route, Route)
        for method in sorted(route.methods or {"GET", "POST"}):
            yield method, route.path


class Attacker:
    """Draws requests; some of them bear keys, tokens and bodies that are let in."""

    def __init__(self, seed: int, operations: Sequence[Operation], tokens: Sequence[str]) -> None:
        self.random = Random(seed)
        self.operations = operations
        self.tokens = tokens

    def draw(self) -> Attack:
        random = self.random
        method, path = random.choice(self.operations)
        if random.random() < 0.1:
            method = random.choice(METHODS)
        while "{" in path:
            before, _, rest = path.partition("{")
            name, _, after = rest.partition("}")
            path = before + self._value(name) + after
        if random.random() < 0.5:
            fields = [f"{random.choice(QUERIES)}={self._value('')}" for _ in range(3)]
            path += "?" + "&".join(fields[: random.randrange(4)])
        body, content_type = self._body() if method != "GET" else (b"", "")
        return Attack(method, path, self._headers(content_type), body)

    def _value(self, name: str) -> str:
        random = self.random
        if name == "token" and random.random() < 0.7:
            token = random.choice(self.tokens)
            if random.random() < 0.5:
                at = random.randrange(len(token))
                token = token[:at] + random.choice("A_-.%=~") + token[at + 1 :]
            return token
        if random.random() < 0.25:
            return random.choice(BROKEN)
        return quote(random.choice(WORDS), safe=random.choice(["", "/"]))

    def _headers(self, content_type: str) -> dict[str, str]:
        random = self.random
        keys = (
            f"{SERVER_KEY}:",
            f"{BROWSER_KEY}:",
            f"any:{INBOUND_SECRET}",
            "wk_guess:",
            "\0:\xff",
        )
        headers = {"content-type": content_type} if content_type else {}
        kind = random.random()
        if kind < 0.5:
            said = base64.b64encode(random.choice(keys).encode("latin-1")).decode()
            headers["authorization"] = f"Basic {said}"
        elif kind < 0.9:
            headers["authorization"] = f"Bearer {API_KEY}"
        if "authorization" in headers and random.random() < 0.1:
            said = headers["authorization"]
            at = random.randrange(len(said))
            headers["authorization"] = said[:at] + random.choice("\xff\xc3 =:") + said[at:]
        odd = {
            "content-encoding": ("gzip", "br", "identity", "x"),
            "ce-id": ("1", "\xff"),
            "ce-specversion": ("1.0", "2"),
            "ce-source": ("/s",),
            "ce-type": ("seen", "x" * 300),
            "ce-subject": ("ana", "%00"),
            "ce-time": ("2026-03-02T09:00:00Z", "9999-12-31T23:59:59-12:00", "never"),
            "user-agent": ("", "bot", "x" * 2_000, "\xe9"),
            "host": ("127.0.0.1:8000", "[", "evil.example", "a b"),
            "cookie": ("rekindle_sign_in=x", "=;=;", "\xff"),
            "x-forwarded-for": ("1.1.1.1", "%00", ",,"),
            "sec-fetch-site": ("cross-site", "same-origin"),
            "accept": ("text/html", "application/json"),
        }
        for name in random.sample(sorted(odd), random.randrange(4)):
            headers[name] = random.choice(odd[name])
        return headers

    def _body(self) -> tuple[bytes, str]:
        random = self.random
        make: Callable[[], tuple[bytes, str]] = random.choice(
            [self._json, self._json, self._form, self._multipart, self._bytes]
        )
        body, content_type = make()
        if random.random() < 0.15:
            body = gzip.compress(body, mtime=0)
        if random.random() < 0.1:
            body = body[: random.randrange(len(body) + 1)]
        return body, random.choice(TYPES) if random.random() < 0.1 else content_type

    def _json(self) -> tuple[bytes, str]:
        document = self._document(3)
        if self.random.random() < 0.5:
            messages = [self._document(2) for _ in range(self.random.randrange(4))]
            document = {"batch": messages, "writeKey": self.random.choice([SERVER_KEY, "x"])}
        return json.dumps(document).encode(), "application/json"

    def _document(self, depth: int) -> Any:
        random = self.random
        kind = random.random()
        if depth and kind < 0.6:
            return {random.choice(NAMES): self._document(depth - 1) for _ in range(6)}
        if depth and kind < 0.7:
            return [self._document(depth - 1) for _ in range(3)]
        odd = (None, True, 0, -1, 2**63, 2**70, 1.5, 1e308, float("nan"), float("inf"))
        known = (
            "track",
            "identify",
            "Order Completed",
            "2026-03-02T09:00:00Z",
            "1.0",
            "\0",
            "\ud800",
        )
        return random.choice([*odd, *known, *known, *WORDS])

    def _form(self) -> tuple[bytes, str]:
        random = self.random
        fields = [
            f"{random.choice(FIELDS)}={random.choice([self._value(''), *SAID])}" for _ in range(4)
        ]
        if random.random() < 0.05:
            fields *= 300
        return "&".join(fields).encode(), "application/x-www-form-urlencoded"

    def _multipart(self) -> tuple[bytes, str]:
        random = self.random
        parts = []
        for _ in range(random.choice([1, 2, 4, 150])):
            kind = random.choice(["", '; filename="a.eml"', '; filename="\xff"', "; filename*=x"])
            value = random.choice([*SAID, "From: a@b\r\nSubject: =?x?b?QQ==?=\r\n\r\nhi", "\xff\0"])
            head = f'Content-Disposition: form-data; name="{random.choice(FIELDS)}"{kind}'
            parts.append(f"--x\r\n{head}\r\n\r\n{value}\r\n")
        return "".join(parts).encode("latin-1") + b"--x--\r\n", "multipart/form-data; boundary=x"

    def _bytes(self) -> tuple[bytes, str]:
        return self.random.randbytes(self.random.choice([0, 1, 50, 2_000])), "text/plain"
