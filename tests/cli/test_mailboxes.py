"""An address is one mailbox at every door: files, SDKs and commands, however it is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.tracking.segment import Call, parse_event
from rekindle.cli.app import main
from store.records import Trust
from store.suppressions import find_suppressed
from tests.shop import LAYOUT, SETTINGS, Shop

FIELD = Path(__file__).parents[1] / "addresses"
EVERYBODY = "segment: all_people\nmatch: {not: {event: never.happened}}\n"
HELLO = """
journey: hello
topic: offers
start: [{enters: all_people}]
backfill: true
holdout: none
because: a test
steps: [{send: hello}]
"""
Command = Callable[..., Any]


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str, now):
    opened = Shop(tmp_path / "shop", sqlite_url, now)
    opened.write("rekindle.yaml", f"{SETTINGS}topics: {{offers: {{consent: assumed}}}}\n")
    opened.write("templates/layouts/brand.html.j2", LAYOUT)
    opened.mail("hello")
    opened.write("segments/all_people.yaml", EVERYBODY)
    opened.write("journeys/hello.yaml", HELLO)
    yield opened
    opened.close()


@pytest.fixture
def command(shop: Shop, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str, code: int = 0) -> Any:
        where = ["--workspace", str(shop.folder), "--database", shop.url]
        where += ["--now", shop.clock.now().isoformat()]
        assert main([*words, *where, "--json"]) == code, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    return run


def bring(shop: Shop, command: Command, name: str, kind: str, code: int = 0) -> Any:
    shop.write(name, (FIELD / name).read_text(encoding="utf-8"))
    return command("import", str(shop.folder / name), "--kind", kind, code=code)


def reached(shop: Shop) -> list[str]:
    shop.apply()
    shop.run()
    return sorted(str(mail["To"]) for mail in shop.mails())


def noted(shop: Shop, name: str) -> list[tuple[int, str, bool]]:
    lines = (shop.folder / f"{name}.rejects.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["line"], row["reason"], row["is_kept"]) for row in map(json.loads, lines)]


def test_a_suppressed_mailbox_is_reached_by_none_of_its_spellings(shop: Shop, command: Command):
    bring(shop, command, "r4-suppressions.csv", "suppressions")
    bring(shop, command, "20_suppressed.csv", "suppressions")
    bring(shop, command, "r4-customers.csv", "customers")
    bring(shop, command, "20_address_forms.csv", "customers")

    assert reached(shop) == []


def test_a_row_whose_address_is_none_is_kept_counted_and_listed(shop: Shop, command: Command):
    said = bring(shop, command, "19_bad_addresses.csv", "customers", code=1)

    # an unquoted comma makes a row of three cells, which is none
    assert said == {"accepted": 11, "duplicates": 0, "rejected": 1, "unusable_addresses": 8}
    first, *others = noted(shop, "19_bad_addresses.csv")
    assert first == (2, "no usable address: it has no @", True)
    assert [is_kept for _, _, is_kept in others].count(True) == 7
    assert reached(shop) == ["ana@example.com", "cat@example.com", "dan@example.com"]
    portrait = command("customer", "10")
    assert portrait["traits"] == {"email": "hal@exa mple.com"}
    assert [mail["reason"] for mail in portrait["messages"]] == ["no usable address"]


def test_a_suppression_that_names_no_mailbox_is_rejected_by_name(shop: Shop, command: Command):
    said = bring(shop, command, "19b_bad_suppressions.csv", "suppressions", code=1)

    assert (said["accepted"], said["duplicates"], said["rejected"]) == (1, 1, 2)
    assert noted(shop, "19b_bad_suppressions.csv") == [
        (2, "This is no email address: it has no @.", False),
        (4, "This is no email address: it has two @.", False),
    ]


def test_a_space_that_an_sdk_sends_along_is_no_other_mailbox(shop: Shop, command: Command):
    message = json.loads((FIELD / "20b_identify_space.jsonl").read_text(encoding="utf-8"))
    for trust in (Trust.SERVER, Trust.BROWSER):
        told = {**message, "userId": trust.value}
        shop.receive(parse_event(told, Call(shop.clock.now(), trust, "sdk")))
    bring(shop, command, "20b_suppressed.csv", "suppressions")

    assert reached(shop) == []


@pytest.mark.parametrize(
    "named",
    ["ana", "  ANA@Example.com.", "Ana <ana@example.com>", "mailto:ana@example.com"],
)
def test_any_spelling_can_be_suppressed_by_hand(shop: Shop, command: Command, named: str):
    shop.customer("ana", email=" Ana@example.com ")

    assert command("customer", "suppress", named) == {"suppressed": ["ana@example.com"]}


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("ben@exa mple.com", "is no email address (there is a space in it)"),
        ("a@example.com, b@example.com", "it names two addresses"),
        ("ben", "the customer 'ben' has no usable address"),
        ("cem", "'cem' is no email address (it has no @), and no customer has that id"),
        ("", "'' is no email address (it has no @), and no customer has that id"),
        ('"x"', "is no email address (it has no @), and no customer has that id"),
    ],
)
def test_what_names_no_mailbox_cannot_be_suppressed(
    shop: Shop, command: Command, named: str, sentence: str
):
    shop.customer("ana")
    shop.customer("ben", email="ben@exa mple.com")

    assert sentence in command("customer", "suppress", "ana", named, code=1)["error"]
    with shop.services.store.read() as connection:  # nothing of the command was done
        assert find_suppressed(connection, ["ana@example.com"], shop.clock.now()) == {}


def test_a_test_email_goes_to_one_mailbox_or_nowhere(shop: Shop, command: Command):
    assert command("send-test", "hello", "--to", "Me <Me@example.com>")["to"] == "Me@example.com"
    said = command("send-test", "hello", "--to", "me@exa mple.com", code=2)

    assert "there is a space in it" in said["error"]
    assert [str(mail["To"]) for mail in shop.mails()] == ["Me@example.com"]
