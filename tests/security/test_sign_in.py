"""Attacks on the dashboard's door: stolen cookies, links used again, guessed passwords."""

import base64
import string
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from limits import RateLimitItemPerHour
from starlette.testclient import TestClient

from rekindle.cli.app import main
from store.sessions import IDLE, begin_session
from store.tables import sessions
from store.users import add_user, change_password, find_user, remove_user
from tests.security.conftest import CHEAP
from tests.web.conftest import BASE, Site, browser_at
from web import tries
from web.clients import origin_of, parse_address
from web.passwords import MOST_WAITING
from web.security import COOKIE
from web.sign_in import make_sign_in_link

PASSWORD = "correct horse battery"
OTHER = "staple battery horse"
HASHES = {word: CHEAP.hash(word) for word in (PASSWORD, OTHER)}
ANA, BEN = "ana@example.com", "ben@example.com"


@pytest.fixture
def team(site: Site) -> Site:
    with site.services.store.begin() as tx:
        for email in (ANA, BEN):
            add_user(tx, email, HASHES[PASSWORD], site.clock.now())
    return site


def browser(site: Site, address: str = "127.0.0.1") -> TestClient:
    return browser_at(site.client.app, address)


def sign_in(client: TestClient, email: str = ANA, password: str = PASSWORD, **headers: str):
    form = {"email": email, "password": password}
    return client.post("/sign-in", data=form, headers=headers)


def signed_in(site: Site, email: str = ANA) -> TestClient:
    client = browser(site)
    assert sign_in(client, email).headers["location"] == "/"
    return client


def is_inside(client: TestClient) -> bool:
    status = client.get("/").status_code
    assert status in (200, 303)
    return status == 200


def test_a_stolen_cookie_ends_with_the_sign_out_of_whom_it_was_stolen_from(team: Site):
    owner, thief = signed_in(team), browser(team)
    thief.cookies.set(COOKIE, owner.cookies[COOKIE])
    assert is_inside(thief)

    owner.post("/sign-out")

    assert not is_inside(thief)


def test_signing_out_ends_no_other_session(team: Site):
    here, there = signed_in(team), signed_in(team)

    here.post("/sign-out")

    assert (is_inside(here), is_inside(there)) == (False, True)


@pytest.mark.parametrize("how", ["removal", "a new password"])
def test_removal_and_a_new_password_end_all_of_a_users_sessions_and_no_others(team: Site, how: str):
    laptop, phone, colleague = signed_in(team), signed_in(team), signed_in(team, BEN)

    with team.services.store.begin() as tx:
        if how == "removal":
            assert remove_user(tx, " Ana@example.com ")
        else:
            assert change_password(tx, " Ana@example.com ", HASHES[OTHER])

    inside = (is_inside(laptop), is_inside(phone), is_inside(colleague))
    assert inside == (False, False, True)
    assert sign_in(browser(team)).status_code == 401


def test_who_is_removed_and_added_again_is_not_signed_in_by_an_old_cookie(team: Site):
    old = signed_in(team)
    with team.services.store.begin() as tx:
        remove_user(tx, ANA)
        add_user(tx, ANA, HASHES[PASSWORD], team.clock.now())

    assert not is_inside(old)
    assert is_inside(signed_in(team))


def test_a_session_that_began_while_the_password_was_changed_is_none(team: Site):
    with team.services.store.read() as connection:
        seen = find_user(connection, ANA)
    assert seen is not None
    with team.services.store.begin() as tx:
        change_password(tx, ANA, HASHES[OTHER])

    with team.services.store.begin() as tx:
        assert begin_session(tx, team.clock.now(), seen.id, seen.password_hash) is None


def test_a_session_lasts_while_it_is_used_and_no_longer_than_a_week(small_site: Site):
    with small_site.services.store.begin() as tx:
        add_user(tx, ANA, HASHES[PASSWORD], small_site.clock.now())
    used, idle = signed_in(small_site), signed_in(small_site)
    for _ in range(2):
        small_site.pass_time(hours=11)
        assert is_inside(used)
    assert not is_inside(idle)
    for _ in range(13):
        small_site.pass_time(hours=11)
        used.get("/")

    small_site.pass_time(hours=4)

    assert not is_inside(used)


def test_the_database_holds_no_cookie_and_forgets_sessions_that_are_over(small_site: Site):
    with small_site.services.store.begin() as tx:
        add_user(tx, ANA, HASHES[PASSWORD], small_site.clock.now())
    cookie = signed_in(small_site).cookies[COOKIE]
    small_site.pass_time(seconds=IDLE.total_seconds())
    signed_in(small_site)

    with small_site.services.store.read() as connection:
        kept = connection.execute(sessions.select()).all()
    assert len(kept) == 1
    assert cookie not in repr(kept)


@pytest.mark.parametrize(
    "cookie", ["", "x", "console", "ana@example.com", "\ud800", "é", "a" * 9000]
)
def test_a_made_up_cookie_is_nobodys(small_site: Site, cookie: str):
    with small_site.services.store.begin() as tx:
        add_user(tx, ANA, HASHES[PASSWORD], small_site.clock.now())
    header = f"{COOKIE}={cookie}".encode("utf-8", "surrogatepass")

    answer = small_site.client.get("/", headers={b"cookie": header})

    assert answer.status_code == 303


def test_the_consoles_session_ends_with_the_first_user_for_good(small_site: Site):
    link = make_sign_in_link(small_site.services, BASE)
    assert link is not None
    console = browser(small_site)
    console.get(link.removeprefix(BASE))
    assert is_inside(console)
    with small_site.services.store.begin() as tx:
        add_user(tx, ANA, HASHES[PASSWORD], small_site.clock.now())
    assert not is_inside(console)

    with small_site.services.store.begin() as tx:
        remove_user(tx, ANA)

    assert not is_inside(console)


def spellings(token: str) -> Iterator[str]:
    """The same link in the words of lenient readers of base64."""
    payload, _, code = token.rpartition(".")
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    raw = base64.urlsafe_b64decode(code + "==")
    yield from (f"{token}=", f"{token}==", f"{token}===", f"{token}*", f"{token}%0A", f"{token} ")
    yield f"{payload}.{code[:5]}!{code[5:]}"
    yield f"{payload}.{code.translate(str.maketrans('-_', '+/'))}=="
    yield f"{payload}=.{code}"
    for letter in letters:
        twin = code[:-1] + letter
        if twin != code and base64.urlsafe_b64decode(twin + "==") == raw:
            yield f"{payload}.{twin}"


def test_a_one_time_link_is_used_once_whatever_its_spelling(small_site: Site):
    link = make_sign_in_link(small_site.services, BASE)
    assert link is not None
    token = link.removeprefix(f"{BASE}/sign-in/")
    twins = [*spellings(token)]
    assert len(twins) > 20  # the last letter of 16 bytes carries 2 of 6 bits

    before = [browser(small_site).get(f"/sign-in/{twin}").status_code for twin in twins]
    first = browser(small_site).get(f"/sign-in/{token}").headers["location"]
    after = [browser(small_site).get(f"/sign-in/{twin}").status_code for twin in (token, *twins)]

    assert set(before) <= {403, 404}
    assert first == "/"
    assert set(after) <= {403, 404}


@pytest.mark.parametrize("read", ["sign_open", "sign_view"])
def test_every_signed_link_has_one_spelling(small_site: Site, read: str):
    signer = small_site.services.signer
    token = getattr(signer, read)(7)
    reader = getattr(signer, read.replace("sign", "read"))

    assert reader(token) == 7
    assert {reader(twin) for twin in spellings(token)} == {None}


def test_wrong_tries_from_one_address_lock_out_nobody_else(small_site: Site):
    with small_site.services.store.begin() as tx:
        add_user(tx, ANA, HASHES[PASSWORD], small_site.clock.now())
    door = browser(small_site)  # the proxy on this machine
    stranger = {"x-forwarded-for": "203.0.113.9"}
    codes = [sign_in(door, f"{n}@example.com", "guess", **stranger).status_code for n in range(12)]

    team = sign_in(door, **{"x-forwarded-for": "198.51.100.7"})

    assert codes == [401] * 10 + [429] * 2
    assert team.headers["location"] == "/"


def test_guesses_from_one_address_lock_the_user_out_of_no_other(
    small_site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tries, "AT_USER_FROM_CLIENT", RateLimitItemPerHour(4))
    with small_site.services.store.begin() as tx:
        for email in (ANA, BEN):
            add_user(tx, email, HASHES[PASSWORD], small_site.clock.now())
    door = browser(small_site)
    stranger, owner = {"x-forwarded-for": "203.0.113.9"}, {"x-forwarded-for": "198.51.100.7"}

    answers = [sign_in(door, ANA, "guess", **stranger) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [401] * 4 + [429]
    assert answers[-1].headers["retry-after"] == "3600"
    assert sign_in(door, BEN, **stranger).headers["location"] == "/"
    assert sign_in(door, **owner).headers["location"] == "/"


def test_guesses_at_one_user_are_counted_wherever_they_come_from(
    small_site: Site, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tries, "AT_USER", RateLimitItemPerHour(10))
    with small_site.services.store.begin() as tx:
        for email in (ANA, BEN):
            add_user(tx, email, HASHES[PASSWORD], small_site.clock.now())
    door = browser(small_site)

    codes = [
        sign_in(door, spelled, "guess", **{"x-forwarded-for": f"203.0.113.{n}"}).status_code
        for n, spelled in enumerate([ANA, " Ana@Example.COM "] * 6)
    ]

    assert codes == [401] * 10 + [429] * 2
    assert sign_in(door, BEN, **{"x-forwarded-for": "198.51.100.7"}).headers["location"] == "/"


def test_many_who_sign_in_at_once_are_compared_one_at_a_time_and_few_wait(
    small_site: Site, monkeypatch: pytest.MonkeyPatch
):
    with small_site.services.store.begin() as tx:
        add_user(tx, ANA, HASHES[PASSWORD], small_site.clock.now())
    running, most, doors = 0, [0], threading.Barrier(80)

    def compare(_password: str, _hashed: str | None) -> bool:
        nonlocal running
        running += 1
        most.append(running)
        time.sleep(0.02)
        running -= 1
        return False

    def attempt(number: int):
        doors.wait()
        client = {"x-forwarded-for": f"203.0.113.{number % 20}"}
        return sign_in(browser(small_site), f"{number}@example.com", "guess", **client)

    monkeypatch.setattr("web.sign_in.is_password", compare)
    with ThreadPoolExecutor(80) as crowd:
        answers = list(crowd.map(attempt, range(80)))

    counted = Counter(answer.status_code for answer in answers)
    refused = [answer for answer in answers if answer.status_code == 503]
    assert max(most) == 1
    assert set(counted) <= {401, 429, 503}
    assert counted[401] >= MOST_WAITING
    assert {answer.headers["retry-after"] for answer in refused} == {"2"}


def test_only_a_trusted_proxy_says_from_whom_a_request_comes(small_site: Site):
    with small_site.services.store.begin() as tx:
        add_user(tx, ANA, HASHES[PASSWORD], small_site.clock.now())
    stranger = browser(small_site, "203.0.113.9")

    codes = [
        sign_in(stranger, f"{n}@example.com", "guess", **{"x-forwarded-for": f"198.51.100.{n}"})
        for n in range(11)
    ]

    assert [answer.status_code for answer in codes] == [401] * 10 + [429]


def test_what_a_client_writes_itself_before_the_proxys_word_is_not_believed(small_site: Site):
    with small_site.services.store.begin() as tx:
        add_user(tx, ANA, HASHES[PASSWORD], small_site.clock.now())
    door = browser(small_site)

    codes = [
        sign_in(
            door,
            f"{n}@example.com",
            "guess",
            **{"x-forwarded-for": f"198.51.100.{n}, 127.0.0.1, 203.0.113.9"},
        ).status_code
        for n in range(11)
    ]

    assert codes == [401] * 10 + [429]


def test_a_stranger_behind_the_proxy_is_not_this_machine(small_site: Site):
    link = make_sign_in_link(small_site.services, BASE)
    assert link is not None
    headers = {"x-forwarded-for": "203.0.113.9"}

    answer = small_site.client.get(link.removeprefix(BASE), headers=headers)

    assert answer.status_code == 403
    assert "users add" in answer.text


@pytest.mark.parametrize(
    ("written", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:5050", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("[2001:db8::5]:443", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::1%eth0", "2001:db8::/64"),
        ("unknown", "None"),
        ("_hidden", "None"),
        ("[", "None"),
        ("1.2.3.4.5", "None"),
    ],
)
def test_tries_are_counted_by_whoever_has_the_address(written: str, counted: str):
    assert origin_of(parse_address(written)) == counted


@pytest.fixture
def users(tmp_path, capsys):
    def run(*words: str, code: int = 0):
        assert main(["users", *words, "--workspace", str(tmp_path)]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_users_are_removed_and_get_new_passwords_by_command(users):
    users("add", ANA, "--generate")

    assert "is signed out. Password: " in users("password", "Ana@Example.com", "--generate")
    assert "only this machine" in users("remove", ANA)
    assert users("list").strip() == "No users yet."


@pytest.mark.parametrize("words", [("password", "--generate"), ("remove",)])
def test_nobody_who_is_not_there_is_changed(users, words):
    assert f"{ANA} is no user." in users(words[0], ANA, *words[1:], code=1)
