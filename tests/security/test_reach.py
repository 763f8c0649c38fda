"""Attacks through webhooks and notices on what only this machine and its network can reach.

Addresses are judged, never called: whatever is connected to here is this machine's loopback.
"""

import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.http import NotSent, post
from adapters.notifications import give_notice
from adapters.reach import Allowed, NotAllowed, Reach, guarded, is_public, read_literal
from adapters.webhook import call_webhook
from rekindle.errors import ProviderUnavailable
from tests.shop import ALLOW, Shop

NOBODY = Reach()
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LOOPBACK_SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
    "017700000001", "0x7f.0x0.0x0.0x1", "127.0.0.1.", "127.255.255.254", "0.0.0.0", "0",
    "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "①27.0.0.1", "１２７.0.0.1", "127。0．0｡1", "127.0.0.1。", "⓪x7f.1", "𝟏𝟐𝟕.𝟎.𝟎.𝟏", "127.0.0.%31",
    "%31%32%37.1", "127.0.\u00ad0.1", "２１３０７０６４３３",
    "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[fe80::1]", "[2001:db8::5efe:127.0.0.1]",
]  # fmt: skip
INNER = [
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "192.0.0.192", "198.18.0.1", "203.0.113.1", "224.0.0.1", "255.255.255.255",
    "168.63.129.16", "2852039166", "0xa9fea9fe", "fd00:ec2::254", "fc00::1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "100::1", "3fff::1", "::ffff:10.0.0.1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:a00:1::1", "2001:470::5efe:10.0.0.1",
    "2a00:1450::200:5efe:c0a8:101",
]  # fmt: skip
OUTER = [
    "93.184.216.34", "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1",
    "169.253.255.255", "192.0.1.1", "198.17.255.255", "223.255.255.255", "2606:4700::1111",
    "2a00:1450:4001::200e", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "134744072",
]  # fmt: skip


@pytest.mark.parametrize("written", [*INNER, *LOOPBACK_SPELLINGS])
def test_an_address_of_this_machine_or_its_network_is_known_in_every_spelling(written: str):
    address = read_literal(written)

    assert address is not None
    assert not is_public(address)
    with pytest.raises(NotAllowed, match=r"webhook\.allow"):
        NOBODY.check(written, str(address), 443)


@pytest.mark.parametrize("written", OUTER)
def test_a_public_address_is_called_without_being_named(written: str):
    address = read_literal(written)

    assert address is not None
    assert is_public(address)
    NOBODY.check("example.com", str(address), 443)


def test_the_registries_of_the_standard_library_know_no_more_inner_addresses():
    """Its tables are IANA's too: whatever they call not global is not public here."""
    firsts = [f"{first}.{second}.7.1" for first in range(256) for second in (0, 31, 88, 168, 254)]
    for address in map(read_literal, firsts):
        assert address is not None
        assert address.is_global or not is_public(address), address


@pytest.mark.parametrize(
    "name", ["example.com", "localhost", "a.b", "1.example", "0x", "08.1.1.1x"]
)
def test_a_name_is_no_address(name: str):
    assert read_literal(name) is None


@pytest.fixture
def receiver(httpserver: HTTPServer) -> HTTPServer:
    httpserver.expect_request("/hook").respond_with_data("", status=204)
    return httpserver


def call(url: str, *allow: str) -> None:
    call_webhook(
        url, {}, "", message_id="effect_1", now=NOW, seconds=5, reach=Reach.of(allow)
    )  # fmt: skip


@pytest.mark.parametrize("host", [h for h in LOOPBACK_SPELLINGS if h[0] != "[" and h[-1] != "."])
def test_no_spelling_of_this_machine_is_called(receiver: HTTPServer, host: str):
    with pytest.raises(ProviderUnavailable, match=r"webhook\.allow"):
        call(f"http://{host}:{receiver.port}/hook")

    assert receiver.log == []


@pytest.mark.parametrize(
    "allow",
    ["127.0.0.1", "127.0.0.0/8", "127.0.0.1:{port}", "2130706433", "localhost", "LocalHost.",
     "localhost:{port}"],
)  # fmt: skip
def test_what_is_allowed_is_called(receiver: HTTPServer, allow: str):
    call(f"http://localhost:{receiver.port}/hook", allow.format(port=receiver.port))

    assert len(receiver.log) == 1


@pytest.mark.parametrize(
    "allow", ["127.0.0.2", "10.0.0.0/8", "127.0.0.1:1", "localhost:1", "localhost", "evil/", "::/0"]
)
def test_what_is_allowed_allows_nothing_else(receiver: HTTPServer, allow: str):
    with pytest.raises(ProviderUnavailable, match=r"webhook\.allow"):
        call(f"http://127.0.0.1:{receiver.port}/hook", allow)

    assert receiver.log == []


class Resolver:
    """Leads names to addresses in turn, as a name server does that an attacker runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._find)

    def _find(self, host: str, port: Any, *more: Any, **known: Any) -> Any:
        if host != "hooks.example.com":
            return self._real(host, port, *more, **known)
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in answer
        ]


@pytest.mark.parametrize("answer", [["127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1", "127.0.0.1"]])
def test_a_name_that_leads_inside_is_not_called(receiver, monkeypatch, answer):
    Resolver(monkeypatch, answer)

    with pytest.raises(ProviderUnavailable, match=r"hooks\.example\.com \(.*webhook\.allow"):
        call(f"http://hooks.example.com:{receiver.port}/hook")

    assert receiver.log == []


def test_a_name_that_leads_elsewhere_the_second_time_is_asked_once(receiver, monkeypatch):
    """DNS rebinding: a public address to whoever checks, this machine to whoever connects."""
    resolver = Resolver(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    connected: list[Any] = []

    def connect(_self: socket.socket, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(ProviderUnavailable):
        call(f"http://hooks.example.com:{receiver.port}/hook")

    assert (resolver.asked, connected) == (1, [("8.8.8.8", receiver.port)])


def test_a_host_that_is_allowed_by_name_may_lead_inside(receiver, monkeypatch):
    Resolver(monkeypatch, ["127.0.0.1"])

    call(f"http://hooks.example.com:{receiver.port}/hook", "hooks.example.com")

    assert len(receiver.log) == 1


def test_a_proxy_of_the_environment_is_called_and_fetches_nothing_from_inside(
    receiver: HTTPServer, monkeypatch
):
    monkeypatch.setenv("http_proxy", receiver.url_for("/"))
    monkeypatch.setattr(
        "adapters.http._opener", __import__("adapters.http").http._opener.__wrapped__
    )
    receiver.expect_request("/out").respond_with_data("", status=204)
    Resolver(monkeypatch, ["8.8.8.8"], ["10.0.0.1"])

    call("http://hooks.example.com/out")
    with pytest.raises(ProviderUnavailable, match=r"webhook\.allow"):
        call("http://hooks.example.com/out")
    with pytest.raises(ProviderUnavailable, match=r"webhook\.allow"):
        call("http://169.254.169.254/out")

    assert len(receiver.log) == 1


def test_what_is_no_webhook_goes_where_it_is_told(receiver: HTTPServer):
    assert post(receiver.url_for("/hook"), b"", {}, seconds=5).status == 204
    with pytest.raises(NotSent):
        post(receiver.url_for("/hook"), b"", {}, seconds=5, reach=NOBODY)


# --- notices

imghdr = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")


def tell(target: str, *allow: str) -> None:
    pytest.importorskip("apprise")
    give_notice(target, "7 is here", Reach.of(allow))


@imghdr
@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "localhost"])
@pytest.mark.parametrize("scheme", ["json", "xml", "form"])
def test_a_notice_is_given_inside_only_where_that_is_allowed(receiver, scheme, host):
    target = f"{scheme}://{host}:{receiver.port}/hook"
    with pytest.raises(ProviderUnavailable):
        tell(target)
    assert receiver.log == []

    if host in ("127.0.0.1", "localhost"):
        tell(target, host)
        assert len(receiver.log) == 1


@imghdr
def test_the_second_of_two_services_in_one_target_is_judged_too(receiver: HTTPServer):
    inner = f"json://127.0.0.1:{receiver.port}/hook"

    with pytest.raises(ProviderUnavailable, match=r"webhook\.allow"):
        tell(f"{inner}?a=1, {inner}?a=2", "127.0.0.1:1")

    assert receiver.log == []


@imghdr
def test_a_service_that_sends_a_notice_on_to_this_machine_is_not_followed(receiver: HTTPServer):
    """It is a redirect to another port, of which nothing is said."""
    with HTTPServer(port=0) as elsewhere:
        elsewhere.expect_request("/hook").respond_with_data("")

        def send_on(_request: Request) -> Response:
            return Response(status=307, headers={"Location": elsewhere.url_for("/hook")})

        receiver.expect_request("/on").respond_with_handler(send_on)

        with pytest.raises(ProviderUnavailable):
            tell(f"json://127.0.0.1:{receiver.port}/on", f"127.0.0.1:{receiver.port}")

        assert (len(receiver.log), elsewhere.log) == (1, [])


def test_only_what_is_guarded_is_judged(receiver: HTTPServer):
    place = ("127.0.0.1", receiver.port)
    with guarded(NOBODY) as guard:
        for kind, act in (
            (socket.SOCK_STREAM, lambda s: s.connect(place)),
            (socket.SOCK_STREAM, lambda s: s.connect_ex(place)),
            (socket.SOCK_DGRAM, lambda s: s.sendto(b"", place)),
            (socket.SOCK_DGRAM, lambda s: s.sendmsg([b""], [], 0, place)),
            (socket.SOCK_STREAM, lambda s: s.connect(("localhost", receiver.port))),
        ):
            with socket.socket(type=kind) as one, pytest.raises(NotAllowed):
                act(one)
    assert "127.0.0.1" in guard.stopped or "localhost" in guard.stopped

    socket.create_connection(place).close()


# --- settings and check


@pytest.mark.parametrize(
    "written", ["", " ", "http://a/", "a/b", "a:b", "a:99999", "u@host", "10.0.0.0/99", "a?b"]
)
def test_an_entry_that_makes_no_sense_is_an_error(written: str):
    with pytest.raises(ValueError, match=r"is no host|has no port"):
        Allowed.parse(written)
    assert Reach.of([written]).allowed == ()


WORKSPACE = {
    "rekindle.yaml": "webhook: {allow: [nas.internal, 'a b/c', 10.1.0.0/16]}\n"
    "people: {ops: ['json://192.168.1.5/x', 'json://10.1.0.5/x', 'log:']}\n",
    "journeys/call.yaml": "journey: call\ntopic: service\nstart: [{event: order.completed}]\n"
    "steps:\n"
    "  - webhook: http://0x7f.1:8080/a\n"
    "  - webhook: http://localhost/a\n"
    "  - webhook: http://nas.internal/a\n"
    "  - webhook: http://10.1.2.3/a\n"
    "  - webhook: https://example.com/a\n",
}


def test_check_warns_of_calls_to_this_machine_and_its_network(tmp_path):
    from rekindle.workspace.folder import load_workspace

    for name, text in WORKSPACE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    found = load_workspace(tmp_path, {}).problems

    inner = [(p.place.file, p.place.line) for p in found if "its own network" in p.message]
    assert inner == [("journeys/call.yaml", 5), ("journeys/call.yaml", 6), ("rekindle.yaml", 2)]
    assert [p.level for p in found if "'a b/c' is no host" in p.message] == ["error"]


def test_check_knows_this_machine_in_every_spelling(tmp_path):
    from rekindle.workspace.folder import load_workspace

    steps = [f"  - webhook: http://{host}/a" for host in LOOPBACK_SPELLINGS]
    call = ["journey: call", "topic: service", "start: [{event: order.completed}]", "steps:"]
    (tmp_path / "rekindle.yaml").write_text("brand: {name: Shop, zone: UTC, language: en}\n")
    (tmp_path / "journeys").mkdir()
    (tmp_path / "journeys/call.yaml").write_text("\n".join([*call, *steps, ""]))

    found = load_workspace(tmp_path, {}).problems

    inner = {p.place.line for p in found if "its own network" in p.message}
    missed = [steps[line - 5] for line in range(5, 5 + len(steps)) if line not in inner]
    assert missed == []


def test_a_step_that_calls_inside_is_told_by_doctor_and_goes_out_once_allowed(
    tmp_path, sqlite_url, now, receiver: HTTPServer
):
    shop = Shop(tmp_path, sqlite_url, now)
    settings = (tmp_path / "rekindle.yaml").read_text()
    shop.write("rekindle.yaml", settings.replace(ALLOW, ""))
    shop.write(
        "journeys/call.yaml",
        "journey: call\ntopic: service\nstart: [{event: order.completed}]\n"
        f"steps: [{{webhook: '{receiver.url_for('/hook')}'}}]\n",
    )
    shop.apply()
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.run()
    assert receiver.log == []

    shop.write("rekindle.yaml", settings)
    again = Shop(tmp_path, sqlite_url, shop.clock.now())
    again.later(hours=7)

    assert len(receiver.log) == 1
