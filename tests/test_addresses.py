"""One mailbox has one canonical address, however it is written; what names none or two is none."""

import csv
from pathlib import Path
from random import Random
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.addresses import EmailAddress, canonical, parse_named
from rekindle.errors import NotAnAddress
from tests.spellings import mailboxes, misspelled, spelled

FIELD = Path(__file__).parent / "addresses"
ANA = "ana@example.com"


def emails(name: str) -> dict[str, str]:
    with (FIELD / name).open(encoding="utf-8", newline="") as file:
        return {row[0]: row[-1] for row in list(csv.reader(file))[1:]}


def test_the_forms_that_the_field_has_for_one_mailbox():
    found = {number: canonical(text) for number, text in emails("20_address_forms.csv").items()}

    others = {"2": "", "3": "", "8": "", "9": "", "10": "ana@xn--exmple-cua.com"}
    assert found == {str(number): others.get(str(number), ANA) for number in range(1, 17)}


def test_what_the_field_has_that_is_no_address():
    found = {number: canonical(text) for number, text in emails("19_bad_addresses.csv").items()}

    known = {number: address for number, address in found.items() if address}
    assert known == {"2": ANA, "4": "cat@example.com", "5": "dan@example.com"}


def test_customers_and_suppressions_of_the_field_meet():
    customers = {who: canonical(text) for who, text in emails("r4-customers.csv").items()}
    with (FIELD / "r4-suppressions.csv").open(encoding="utf-8", newline="") as file:
        suppressed = {canonical(row["email"]) for row in csv.DictReader(file)}

    assert {who for who, address in customers.items() if address not in suppressed} == {"two"}
    assert customers["two"] == ""
    assert "" not in suppressed


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("x@faß.de", "x@xn--fa-hia.de"),  # not fass.de, which is somebody else's
        ("x@نامه\u200cای.com", "x@xn--mgba3gch31f060k.com"),  # a joiner that means something
        ("x@exam\u200dple.com", "x@example.com"),  # and one that does not
        ("ana+tag@example.com", "ana+tag@example.com"),
        ('"ana b"@Example.com', '"ana b"@example.com'),
        (r'"a\"b"@example.com', r'"a\"b"@example.com'),
        ('"a..b"@example.com', '"a..b"@example.com'),
        ('"ana@example.com"', ANA),
        ("'ana@example.com'", ANA),
        ("ana@example.com;", ANA),
        ("Lee, Ana <ana@example.com>", ANA),
        ("Ana :) <ana@example.com>", ANA),
        ("ana@example.com <ANA@example.com>", ANA),
        ('"ben@example.com" <ana@example.com>', ANA),
        ("<mailto:ana@example.com>", ANA),
        ("mailto:ana%40example.com?subject=Hi", ANA),
        ("mailto://ana@example.com", ANA),
        ("mailto:/ana@example.com/?subject=Hi", ANA),
        ('"mailto:ana@example.com"', ANA),
        ("//ana@example.com", ""),
        ('"//ana"@example.com', ""),
        ("ana/lee@example.com", "ana/lee@example.com"),
        ('"smtp:ana"@example.com', '"smtp:ana"@example.com'),
        ("ana@[192.0.2.1]", ""),
        ("ana@192.0.2.1", ""),
        ("ben@example.com <ana@example.com>", ""),
        ("<ana@example.com> <ben@example.com>", ""),
        ("ana@ben@example.com", ""),
        ("@example.com", ""),
        ("ana@", ""),
        ("ana..b@example.com", ""),
        ("ana@-example.com", ""),
        ("ana@exa_mple.com", ""),
        ("ana@example..com", ""),
        ("ana@example.com\x00", ""),
        ("ana@example.com\nBcc: ben@example.com", ""),
        ("\ud800@example.com", ""),
        ("ana@\ud800.com", ""),
        ("a" * 1_001, ""),
        (f"{'a' * 250}@example.com", ""),
        ("", ""),
    ],
)
def test_a_text_names_this_mailbox_or_none(written, found):
    assert canonical(written) == found


@pytest.mark.parametrize("value", [None, 7, ["ana@example.com"], {"email": ANA}, True])
def test_only_text_names_a_mailbox(value):
    assert EmailAddress.find(value) is None


def test_every_spelling_of_a_mailbox_is_that_mailbox():
    chance = Random(10)
    texts = [(mailbox, spelled(mailbox, chance)) for mailbox in mailboxes(2_000)]

    others = [(mailbox, text) for mailbox, text in texts if canonical(text) != mailbox]

    assert others == []
    assert len({text for _, text in texts} - set(mailboxes(2_000))) > 1_500


def test_what_leads_elsewhere_is_never_taken_for_a_mailbox():
    chance = Random(11)
    texts = [misspelled(mailbox, chance) for mailbox in mailboxes(2_000)]

    assert [(text, canonical(text)) for text in texts if canonical(text)] == []


@pytest.mark.parametrize("text", ["smtp:ana@example.com", "email: ana@example.com", "//ana@x.org"])
def test_a_link_of_another_kind_is_refused_by_name(text):
    with pytest.raises(NotAnAddress, match="begins as a link does"):
        EmailAddress.parse(text)


@given(st.text(max_size=40) | st.from_regex(r'[^@]{0,9}@[^@]{0,9}[.][a-z]{2}[">,; ]?'))
def test_the_canonical_form_is_its_own_and_safe_to_write_down(text):
    address = EmailAddress.find(text)

    if address is not None:
        assert (
            EmailAddress.find(address.canonical)
            == address
            == EmailAddress.find(address.deliverable)
        )
        assert address.deliverable.lower() == address.canonical
        assert address.domain.isascii()
        assert not any(c.isspace() for c in address.domain)
        assert not set("\r\n\0") & set(address.deliverable)


def test_the_case_before_the_at_is_kept_for_the_server_and_never_compared():
    address = EmailAddress.parse("Ana.LEE@EXAMPLE.com")

    assert (address.deliverable, address.canonical) == (
        "Ana.LEE@example.com",
        "ana.lee@example.com",
    )
    assert address == EmailAddress.parse("ana.lee@example.com")


def test_a_name_is_read_with_its_address():
    assert parse_named(r'"Lee, \"Ana\"" <ana@example.com>') == (
        'Lee, "Ana"', EmailAddress.parse(ANA),
    )  # fmt: skip
    assert parse_named(ANA) == ("", EmailAddress.parse(ANA))


def test_what_is_no_address_is_told_without_repeating_it():
    with pytest.raises(NotAnAddress) as refused:
        EmailAddress.parse("secret@example.com, ben@example.com")

    assert str(refused.value) == "This is no email address: it names two addresses."


@pytest.mark.parametrize(
    "text", ["(" * 999, '"' * 999, "<" * 999, '"\\' * 500, "@" * 999, '"a".' * 240 + "b@x.org",
             "a@" + "ü." * 120 + "com", "Ana <" * 200, "\u200d" * 990 + "@x.org"],
)  # fmt: skip
def test_no_text_takes_long(text):
    begun = perf_counter()

    canonical(text)

    assert perf_counter() - begun < 0.2
