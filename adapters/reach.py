"""Where calls out may go: to the public internet, and to what the settings name.

A workspace says whom webhooks and notices call, and whoever may change it must not get at what only
this machine and its network can reach: databases, cloud metadata, the engine itself. So it is the
address judged that is connected to, after all names, spellings and redirects.
"""

import socket
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any
from urllib.parse import unquote, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Place = tuple[Address, int]  # an address and a port

# IANA IPv4 Special-Purpose Address Registry and multicast, read 2026-11: all but those that are
# globally reachable and AS112's
NOT_PUBLIC_4 = tuple(
    IPv4Network(written)
    for written in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's own services of a virtual machine, read 2026-11
    )
)  # fmt: skip
# global unicast (RFC 4291 2.4), and of it what IANA's IPv6 Special-Purpose Address Registry keeps
PUBLIC_6 = IPv6Network("2000::/3")
NOT_PUBLIC_6 = tuple(IPv6Network(w) for w in ("2001::/23", "2001:db8::/32", "3fff::/20"))
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
SIX_TO_FOUR = IPv6Network("2002::/16")  # RFC 3056
ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})  # RFC 5214 6.1: the first half of the interface


class NotAllowed(OSError):
    """The address is of this machine or its network, and `webhook.allow` does not name it."""


@dataclass(frozen=True)
class Allowed:
    """One entry of `webhook.allow`: a host by its name, or addresses; any port if none is given."""

    host: str = ""
    network: Network | None = None
    port: int | None = None

    @classmethod
    def parse(cls, written: str) -> "Allowed":
        """Read an entry such as `hooks.internal`, `10.0.0.0/8`, `127.0.0.1:9000` or `[::1]:9000`.

        Raises ValueError.
        """
        text = written.strip()
        try:
            return cls(network=ip_network(text.strip("[]"), strict=False))
        except ValueError:
            pass
        try:
            parts = urlsplit(f"//{text}")
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError as error:
            raise ValueError(f"{written!r} has no port between 0 and 65535") from error
        host = as_resolved(host)
        if not host or parts.path or parts.query or parts.fragment or "@" in text:
            raise ValueError(
                f"{written!r} is no host, address or network such as 'hooks.internal', "
                "'127.0.0.1:9000' or '10.0.0.0/8'"
            )
        if (literal := read_literal(host)) is not None:
            return cls(network=ip_network(literal), port=port)
        return cls(host, port=port)

    def names(self, host: str, address: Address, port: int) -> bool:
        """Whether this is about a connection to `address` that `host` led to."""
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address.version == self.network.version and address in self.network
        return self.host == as_resolved(host)


@dataclass(frozen=True)
class Reach:
    """Public addresses, those that are allowed, and the proxies of the environment."""

    allowed: tuple[Allowed, ...] = ()
    proxies: frozenset[Place] = frozenset()

    @classmethod
    def of(cls, allow: Sequence[str]) -> "Reach":
        """Return what `webhook.allow` and the environment of this process let calls reach. An entry
        that makes no sense, of which `check` speaks, allows nothing.
        """
        return cls(tuple(_readable(allow)), _proxy_places())

    def by_address(self) -> "Reach":
        """Return the same with the addresses of hosts in place of their names."""
        named = [entry for entry in self.allowed if entry.network is None]
        found = [
            Allowed(network=ip_network(address), port=entry.port)
            for entry in named
            for address, _ in _places_of(f"//{entry.host}")
        ]
        return replace(self, allowed=(*(e for e in self.allowed if e not in named), *found))

    def check(self, host: str, address: str, port: int) -> None:
        """Raise NotAllowed unless a connection to `address`, which `host` led to, may be made."""
        read = read_literal(address)
        if read is None:
            raise NotAllowed(f"{host} led to {address!r}, which is no address")
        real = innermost(read)
        if is_public(read) or (read, port) in self.proxies:
            return
        if any(entry.names(host, known, port) for entry in self.allowed for known in (read, real)):
            return
        shown = host if read_literal(host) == read else f"{host} ({read})"
        raise NotAllowed(
            f"{shown} is an address of this machine or its network, which webhook.allow in "
            "rekindle.yaml does not name"
        )

    def check_behind_proxy(self, host: str, port: int) -> None:
        """The same for what a proxy will connect to, as far as names are known here."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return  # the proxy alone knows, and alone can judge
        for *_kind, place in found:
            self.check(host, str(place[0]), port)


def is_public(address: Address) -> bool:
    """Whether everybody can reach it, and it therefore belongs to nobody's inner network."""
    inner = innermost(address)
    if isinstance(inner, IPv4Address):
        return not any(inner in network for network in NOT_PUBLIC_4)
    return inner in PUBLIC_6 and not any(inner in network for network in NOT_PUBLIC_6)


def innermost(address: Address) -> Address:
    """Return the IPv4 address that a translator or tunnel makes of an IPv6 one; else itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    number = int(address)
    if address in NAT64 or number >> 32 == 0 or (number >> 32) & 0xFFFF_FFFF in ISATAP:
        return IPv4Address(number & 0xFFFF_FFFF)
    if address in SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFF_FFFF)
    return address


def read_literal(host: str) -> Address | None:
    """Read an address in any spelling that the resolver takes for one; None for a name.

    `2130706433`, `0x7f000001`, `0177.1` and `127.1` all are 127.0.0.1 (inet_aton).
    """
    text = as_resolved(host.strip()).strip("[]").partition("%")[0]
    try:
        return ip_address(text)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(text)) if text and not text[-1].isspace() else None
    except (OSError, ValueError):
        return None


def is_local_name(host: str) -> bool:
    """Whether a name means this machine wherever it is asked (RFC 6761 6.3)."""
    return f".{as_resolved(host)}".endswith(".localhost")


def as_resolved(host: str) -> str:
    """Return `host` as whoever calls asks for it: `①27。0.0.%31.` is `127.0.0.1`.

    urllib takes escapes away; sockets map to ASCII by IDNA (RFC 3490), requests by UTS 46, and both
    make the same of digits, letters and dots of other widths.
    """
    text = host if ":" in host else unquote(host)
    if not text.isascii():
        try:
            text = text.encode("idna").decode()
        except UnicodeError:  # too long, or with an empty label: nobody resolves it
            text = unicodedata.normalize("NFKC", text)
    return text.lower().rstrip(".")


def _readable(allow: Sequence[str]) -> Iterator[Allowed]:
    for written in allow:
        with suppress(ValueError):
            yield Allowed.parse(written)


def _proxy_places() -> frozenset[Place]:
    """Where the proxies of the environment are, which its operator chose."""
    from urllib.request import getproxies  # slow, and checks need none of it

    return frozenset(place for url in getproxies().values() for place in _places_of(url))


def _places_of(url: str) -> tuple[Place, ...]:
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(parts.hostname or "", port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return ()
    known = ((read_literal(str(place[0])), port) for *_kind, place in found)
    return tuple((address, port) for address, port in known if address is not None)


# --- for libraries that open their own connections

_guard: ContextVar["_Guard | None"] = ContextVar("reach of this call", default=None)


class _Guard:
    """What one guarded call may reach, and why it was stopped."""

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.stopped = ""


@contextmanager
def guarded(reach: Reach) -> Iterator[_Guard]:
    """Stop every connection within this context that `reach` does not let through.

    Whatever opens it: the interpreter itself asks before a socket connects or sends. It knows
    addresses only, so hosts that are allowed by name are looked up here.
    """
    _listen()
    guard = _Guard(reach.by_address())
    token = _guard.set(guard)
    try:
        yield guard
    finally:
        _guard.reset(token)


@lru_cache(maxsize=1)
def _listen() -> None:
    """Once in a process: an audit hook cannot be taken back."""
    sys.addaudithook(_judge)


def _judge(event: str, arguments: tuple[Any, ...]) -> None:
    """See docs.python.org/3/library/audit_events.html."""
    if event not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        return
    guard, place = _guard.get(), arguments[1]
    if guard is None or not isinstance(place, tuple):  # a connected one, or not of the internet
        return
    try:
        guard.reach.check(str(place[0]), str(place[0]), int(place[1]))
    except NotAllowed as error:
        guard.stopped = str(error)
        raise
