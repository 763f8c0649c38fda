"""Where a request comes from: through a proxy we trust, from whom the proxy says it comes."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request

from adapters.reach import Address, Network
from web.room import EVERYBODY

MOST_HOPS = 16  # trusted proxies in a row that are looked behind
SITE_BITS = 64  # of an IPv6 address: who has one address has all that begin so (RFC 6177)


def client_address(request: Request) -> Address | None:
    """Return the last address on the way here that no trusted proxy vouches for; None if unknown.

    `X-Forwarded-For` grows at its end, so that only what trusted proxies have added is believed.
    """
    proxies: Sequence[Network] = request.app.state.trusted_proxies
    address = parse_address(request.client.host) if request.client else None
    written = ",".join(request.headers.getlist("x-forwarded-for"))
    hops = written.rsplit(",", MOST_HOPS)[-MOST_HOPS:]
    while address is not None and hops and is_among(address, proxies):
        hop = hops.pop().strip()
        if not hop:
            break
        address = parse_address(hop)
    return address


def origin_of(address: Address | None) -> str:
    """Return whom the requests of one sender are counted under."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, SITE_BITS), strict=False))
    return str(address)


def holder_of(address: Address | None, proxies: Sequence[Network]) -> str:
    """Return who holds what `address` takes; a trusted proxy, or a socket of this machine, takes it
    for everybody.
    """
    if address is None or is_among(address, proxies):
        return EVERYBODY
    return origin_of(address)


def parse_address(written: str) -> Address | None:
    """Read `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; None for anything else.

    An IPv4 address that is written as an IPv6 one is the IPv4 address.
    """
    host = written.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_among(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
