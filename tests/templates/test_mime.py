"""The bytes of a mail, read back by the standard library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.errors import Unsupported
from templates.mime import Envelope, build, write_address, write_text
from templates.render import RenderedMail
from tests.templates.conftest import NOW, parsed

MAIL = RenderedMail("Hello", "<p>Grüße, سلام</p>\n", "Grüße, سلام\n")


def an_envelope(**known):
    values = {"from_": "Shop <hello@shop.example.com>", "to": "ana@example.com",
              "header_id": "42@shop.example.com", "date": NOW, **known}  # fmt: skip
    return Envelope(**values)


def test_a_mail_reads_back_as_it_was_written():
    message = parsed(build(MAIL, an_envelope(reply_to="Help <help@shop.example.com>")))

    assert message["From"] == "Shop <hello@shop.example.com>"
    assert message["To"] == "ana@example.com"
    assert message["Reply-To"] == "Help <help@shop.example.com>"
    assert message["Message-ID"] == "<42@shop.example.com>"
    assert message["Date"].datetime == NOW
    assert not message.defects
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), text.get_content()) == ("text/plain", MAIL.text)
    assert (html.get_content_type(), html.get_content()) == ("text/html", MAIL.html)
    assert not text.defects + html.defects


def test_lines_end_as_mail_does_and_are_short():
    long = RenderedMail("ы" * 500, "x" * 50_000, "y" * 5_000)

    mime = build(long, an_envelope(headers=(("X-Long", "z" * 3000),)))

    assert mime.replace(b"\r\n", b"").count(b"\n") == 0
    assert mime.replace(b"\r\n", b"").count(b"\r") == 0
    assert max(map(len, mime.split(b"\r\n"))) <= 998
    assert mime.isascii()
    assert parsed(mime)["Subject"] == "ы" * 500


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200))
def test_any_subject_reads_back(subject):
    message = parsed(build(RenderedMail(subject, "x", "y"), an_envelope()))

    assert str(message["Subject"] or "").split() == subject.split()


@pytest.mark.parametrize(
    ("written", "header"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Shop <a@example.com>", "Shop <a@example.com>"),
        ('"Shop, Inc." <a@example.com>', '"Shop, Inc." <a@example.com>'),
        ("Shop <a@bücher.example>", "Shop <a@xn--bcher-kva.example>"),
    ],
)
def test_addresses_are_written_as_servers_take_them(written, header):
    assert write_address(written) == header


def test_a_name_in_another_script_reads_back():
    message = parsed(build(MAIL, an_envelope(from_="فروشگاه، تهران <a@example.com>")))

    assert message["From"].addresses[0].display_name == "فروشگاه، تهران"
    assert message["From"].addresses[0].addr_spec == "a@example.com"


@pytest.mark.parametrize(
    "address", ["", "nobody", "anä@example.com", "a@example.com\r\nBcc: b@example.com"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(Unsupported):
        write_address(address)


def test_a_header_cannot_smuggle_in_another():
    with pytest.raises(Unsupported):
        build(MAIL, an_envelope(headers=(("X-Note", "a\r\nBcc: b@example.com"),)))


def test_text_that_looks_encoded_is_encoded():
    assert write_text("=?utf-8?q?x?=") != "=?utf-8?q?x?="
    assert parsed(build(RenderedMail("=?utf-8?q?x?=", "", ""), an_envelope()))["Subject"] == (
        "=?utf-8?q?x?="
    )
