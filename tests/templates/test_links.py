"""Signed links say what we wrote, and nothing else is believed."""

from datetime import timedelta

import pytest
from itsdangerous import Signer as Reference

from templates.links import PURPOSES, MailLinks, Signer, _key, _ShortHmac
from tests.templates.conftest import NOW

SIGNER = Signer("secret")


def test_a_click_names_its_message_and_its_link():
    click = SIGNER.read_click(SIGNER.sign_click(42, 3, "a1b2"))

    assert click is not None
    assert (click.message_id, click.number, click.edition, click.address) == (42, 3, "a1b2", None)
    assert not click.is_decoy


def test_a_computed_address_is_signed_as_it_is():
    click = SIGNER.read_click(SIGNER.sign_click(42, "https://shop.example.com/ü?a=1&b=2"))

    assert click is not None
    assert (click.number, click.address) == (None, "https://shop.example.com/ü?a=1&b=2")


def test_the_link_that_nobody_sees_is_known_by_its_number():
    click = SIGNER.read_click(SIGNER.sign_click(42, 0, "a1b2"))

    assert click is not None
    assert click.is_decoy


def test_every_other_token_says_what_was_signed():
    invited = SIGNER.read_survey(SIGNER.sign_survey(42, "csat"))
    leaving = SIGNER.read_unsubscribe(SIGNER.sign_unsubscribe(42, 3, "offers"))

    assert invited is not None
    assert (invited.message_id, invited.survey) == (42, "csat")
    assert leaving is not None
    assert (leaving.message_id, leaving.customer_id, leaving.topic) == (42, 3, "offers")
    assert SIGNER.read_open(SIGNER.sign_open(42)) == 42
    assert SIGNER.read_view(SIGNER.sign_view(42)) == 42


def test_a_way_into_the_dashboard_expires():
    token = SIGNER.sign_in("nonce", NOW + timedelta(minutes=10))

    entered = SIGNER.read_sign_in(token, NOW)
    assert entered is not None
    assert entered.nonce == "nonce"
    assert SIGNER.read_sign_in(token, NOW + timedelta(minutes=10)) is None


READERS = [SIGNER.read_click, SIGNER.read_survey, SIGNER.read_unsubscribe, SIGNER.read_open]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("token", ["", ".", "42", "42.x", "é.é", "42." + "A" * 22, "x" * 5000])
def test_what_we_did_not_sign_is_nothing(read, token):
    assert read(token) is None


def test_a_changed_token_is_nothing():
    token = SIGNER.sign_click(42, 3, "a1b2")

    assert SIGNER.read_click(token.replace("42", "43", 1)) is None
    assert SIGNER.read_click(token.replace(".3.", ".4.", 1)) is None
    assert SIGNER.read_click(token[:-2]) is None


def test_a_token_for_one_purpose_is_worth_nothing_for_another():
    assert SIGNER.read_view(SIGNER.sign_open(42)) is None
    assert SIGNER.read_open(SIGNER.sign_survey(42, "csat")) is None


def test_a_new_key_signs_and_the_old_one_is_still_believed():
    old, new = Signer("old"), Signer(["new", "old"])

    assert new.read_open(old.sign_open(42)) == 42
    assert old.read_open(new.sign_open(42)) is None
    assert Signer(["new"]).read_open(new.sign_open(42)) == 42


@pytest.mark.parametrize("purpose", PURPOSES)
def test_signatures_are_those_of_itsdangerous(purpose):
    reference = Reference(_key("secret", purpose), key_derivation="none", algorithm=_ShortHmac())

    assert SIGNER._sign(purpose, "42.csat") == reference.sign("42.csat").decode()


def test_tokens_are_short():
    links = MailLinks(SIGNER, "https://mail.example.com", 123_456_789, 1_000_000, "offers")

    assert len(SIGNER.sign_click(123_456_789, 12, "0123456789ab")) < 58
    assert len(links.unsubscribe_url) < 90
