"""The dashboard's door: our name, our forms, our people. Everything else stays open."""

import pytest

from store.users import add_user
from tests.web.conftest import BASE, Site
from web.passwords import hash_password
from web.security import is_our_host
from web.sign_in import make_sign_in_link, may_listen_on
from workers.providers import Outage, pause_provider

PASSWORD = "correct horse battery"


def with_user(site: Site, email: str = "ana@example.com") -> None:
    with site.services.store.begin() as tx:
        add_user(tx, email, hash_password(PASSWORD), site.clock.now())


def link_path(site: Site) -> str:
    link = make_sign_in_link(site.services, BASE)
    assert link is not None
    return link.removeprefix(BASE)


def sign_in(site: Site, **form: str):
    form = {"email": "ana@example.com", "password": PASSWORD, **form}
    return site.client.post("/sign-in", data=form)


def test_a_stranger_is_sent_to_the_sign_in(small_site):
    answer = small_site.client.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_the_printed_link_lets_in_once(small_site):
    path = link_path(small_site)

    first = small_site.client.get(path)
    inside = small_site.client.get("/")
    small_site.client.cookies.clear()
    again = small_site.client.get(path)

    assert first.headers["location"] == "/"
    assert inside.status_code == 200
    assert again.status_code == 403


def test_the_printed_link_grows_old(small_site):
    path = link_path(small_site)
    small_site.pass_time(minutes=31)

    assert small_site.client.get(path).status_code == 403


def test_once_there_are_users_no_link_and_no_old_session_lets_in(small_site):
    path = link_path(small_site)
    small_site.client.get(link_path(small_site))
    with_user(small_site)

    assert make_sign_in_link(small_site.services) is None
    assert small_site.client.get("/").status_code == 303
    assert small_site.client.get(path).status_code == 403


def test_a_user_signs_in_and_out(small_site):
    with_user(small_site)

    entered = sign_in(small_site, email=" Ana@Example.com ")
    inside = small_site.client.get("/")
    small_site.client.post("/sign-out")
    outside = small_site.client.get("/")

    assert entered.headers["location"] == "/"
    assert (inside.status_code, outside.status_code) == (200, 303)


@pytest.mark.parametrize("form", [{"password": "wrong"}, {"email": "eve@example.com"}])
def test_a_wrong_address_or_password_lets_nobody_in(small_site, form):
    with_user(small_site)

    answer = sign_in(small_site, **form)

    assert answer.status_code == 401
    assert small_site.client.get("/").status_code == 303


def test_guessing_is_slowed_down(small_site):
    with_user(small_site)

    codes = [sign_in(small_site, email="", password="guess").status_code for _ in range(11)]

    assert codes == [401] * 10 + [429]


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:8000", "", "[::"])
def test_the_dashboard_has_no_foreign_name(small_site, host):
    small_site.client.get(link_path(small_site))

    assert small_site.client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:1", "[::1]:8000", "LOCALHOST"])
def test_our_own_names_are_ours_whatever_the_port(host):
    assert is_our_host(host, frozenset({"localhost", "127.0.0.1", "::1"}))


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
    ],
)
def test_a_foreign_pages_form_is_refused(small_site, headers):
    with_user(small_site)
    form = {"email": "ana@example.com", "password": PASSWORD}

    assert small_site.client.post("/sign-in", data=form, headers=headers).status_code == 403


def test_our_own_form_is_taken(small_site):
    with_user(small_site)
    form = {"email": "ana@example.com", "password": PASSWORD}
    headers = {"sec-fetch-site": "same-origin", "origin": BASE}

    assert small_site.client.post("/sign-in", data=form, headers=headers).status_code == 303


def test_before_there_are_users_only_this_machine_may_listen(small_site):
    assert may_listen_on(small_site.services, "127.0.0.1")
    assert may_listen_on(small_site.services, "localhost")
    assert not may_listen_on(small_site.services, "0.0.0.0")

    with_user(small_site)

    assert may_listen_on(small_site.services, "0.0.0.0")


def test_the_session_cookie_is_not_for_scripts_and_not_for_other_sites(small_site):
    cookie = small_site.client.get(link_path(small_site)).headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_pages_may_load_nothing_from_elsewhere(small_site):
    headers = small_site.client.get("/s/forged").headers

    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_health_is_open_to_all(small_site):
    alive = small_site.client.get("/healthz", headers={"host": "anything"})
    ready = small_site.client.get("/readyz")

    assert (alive.status_code, ready.status_code) == (200, 200)


def test_a_provider_that_takes_nothing_is_named_and_turns_nobody_away(small_site):
    now = small_site.clock.now()
    with small_site.services.store.begin() as tx:
        pause_provider(tx, "smtp", Outage("credentials", "535 no."), now, is_probe=False)

    ready = small_site.client.get("/readyz")

    said = f"provider paused: smtp (credentials) since {now:%Y-%m-%d %H:%M} UTC"
    line = ready.text.splitlines()[-1]
    assert (ready.status_code, line.partition(", tried again at ")[0]) == (200, said)
    assert "tried again at 20" in line


def test_an_engine_without_its_broker_is_not_ready(small_site):
    small_site.services.environment["REKINDLE_BROKER_URL"] = "redis://127.0.0.1:1"

    ready = small_site.client.get("/readyz")

    assert (ready.status_code, ready.text) == (503, "not ready: BrokerUnavailable\n")
