"""A mail that anybody may have written costs no more than its bounds allow."""

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.inbound.mails import read_returned
from adapters.inbound.mime import (
    DEEPEST,
    MOST_BYTES,
    MOST_FIELD_LINES,
    MOST_HEADER_BYTES,
    MOST_PARTS,
    TooComplex,
    decode_text,
    decode_words,
    parse_mail,
)
from tests.adapters.inbound.mails_made import a_failure, a_mail, a_report

# far above what the dearest mail within the bounds takes, far below what grows with its size
MOST_CALLS = 150_000
MANY = 200_000


class TooCostly(Exception):
    """More calls than a mail may cost."""


def costs(raw: bytes) -> int:
    """How many functions are called to read a mail, ours and the interpreter's; not how long."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1
            if calls > MOST_CALLS:
                raise TooCostly(raw[:80])

    sys.setprofile(count)
    try:
        read_returned(raw)
    except TooComplex:
        pass
    finally:
        sys.setprofile(None)
    return calls


def nested(depth: int) -> bytes:
    """Multipart in multipart."""
    head = "Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n"
    heads = "".join(head.format(number) for number in range(depth))
    return f"From: a@example.com\n{heads}\n\nwords\n".encode()


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "words in the subject": lambda n: b"Subject: " + b"=?utf-8?b?QQ==?= " * n + b"\n\n",
    "words on lines of their own": lambda n: b"Subject:" + b"\n =?utf-8?q?a?=" * n + b"\n\n",
    "halves of words": lambda n: b"Subject: " + b"=?a?q?" * n + b"\n\n",
    "addresses": lambda n: b"From: " + b"a@b.example, " * n + b"\n\n",
    "open comments": lambda n: b"From: " + b"(" * n + b"\nAuto-Submitted: " + b"(" * n + b"\n\n",
    "open quotes": lambda n: b'From: "' + b'\\"' * n + b"\n\n",
    "angles": lambda n: b"From: " + b"<" * n + b"\nReferences: " + b"<a" * n + b"\n\n",
    "fields": lambda n: b"X-A: 1\n" * n + b"\n",
    "distinct fields": lambda n: b"".join(b"X-%d: 1\n" % i for i in range(n)) + b"\n",
    "continued lines": lambda n: b"Subject: a" + b"\n b" * n + b"\n\n",
    "no end of fields": lambda n: b"a" * n * 4,
    "parameters": lambda n: b"Content-Type: multipart/mixed" + b"; a=b" * n + b"\n\n",
    "parts": lambda n: a_mail("Content-Type: multipart/mixed; boundary=b", body="--b\n\na\n" * n),
    "empty parts": lambda n: a_mail("Content-Type: multipart/mixed; boundary=b", body="--b\n" * n),
    "depth": nested,
    "mails in mails": lambda n: b"Content-Type: message/rfc822\n\n" * n,
    "an address without end": lambda n: from_daemon("a" * n),
    "dots": lambda n: from_daemon("a@" + "b." * n),
    "addresses in words": lambda n: from_daemon("a@b.example\n" * n),
    "foreign addresses in words": lambda n: from_daemon(
        "\n".join(f"ä{i}@bücher{i}.example failed" for i in range(n // 8))
    ),
    "empty lines": lambda n: from_daemon("\n" * n),
    "spaces": lambda n: from_daemon("\n" + " " * n + "x"),
    "dashes": lambda n: from_daemon("-" * n),
    "quotes": lambda n: from_daemon("'" * n),
    "tags": lambda n: from_daemon("<" * n, "Content-Type: text/html"),
    "recipients": lambda n: a_report(*(a_failure(f"rfc822; a{i}@b.ee") for i in range(n // 16))),
    "one recipient": lambda n: a_report("Final-Recipient: rfc822; a@b.example\n" * n),
    "empty blocks": lambda n: a_report("\n\n" * n),
    "codes": lambda n: a_report(a_failure("rfc822; a@b.example", said="5.1.1 " * n)),
    "punycode": lambda n: from_daemon("a-" * n, "Content-Type: text/plain; charset=punycode"),
    "idna": lambda n: from_daemon("a." * n, "Content-Type: text/plain; charset=idna"),
    "base64": lambda n: from_daemon("QQ==" * n, "Content-Transfer-Encoding: base64"),
    "quoted": lambda n: from_daemon("=" * n, "Content-Transfer-Encoding: quoted-printable"),
    "a raw subject": lambda n: b"Subject: " + b"\xe4\x1b$" * n + b"\n\n",
    "a subject of accents": lambda n: "Subject: {}\n\n".format("a\u0301" * n).encode(),
}  # fmt: skip


def from_daemon(words: str, *fields: str) -> bytes:
    return a_mail("From: MAILER-DAEMON@mx.example", "Subject: failure notice", *fields, body=words)


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_mail_is_cheap_or_refused(attack: str):
    assert costs(HOSTILE[attack](MANY if attack != "depth" else 5000)) < MOST_CALLS


@settings(max_examples=40)
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                b"From: ", b"Subject: ", b"Content-Type: multipart/report; boundary=b", b"\n--b",
                b"--", b"\n\n", b"\n ", b"message/delivery-status", b"message/rfc822", b"text/",
                b"Content-Type: ", b"Final-Recipient: ", b"rfc822; ", b"a@b.example", b"=?utf-8?b?",
                b"?=", b"QQ==", b"(", b'"', b"<", b">", b"\\", b"550 5.1.1 ", b"user unknown",
                b"\xff", b"\x00", "é".encode(), b"Status: ", b"charset=", b";", b"MAILER-DAEMON",
            ]
        ),
        max_size=60,
    ),
    times=st.sampled_from([1, 7, 3000]),
)  # fmt: skip
def test_whatever_is_put_together_is_read_or_refused(pieces: list[bytes], times: int):
    assert costs(b"".join(pieces) * times) < MOST_CALLS


@settings(max_examples=60)
@given(st.binary(max_size=400))
def test_bytes_are_read_or_refused(raw: bytes):
    assert costs(raw) < MOST_CALLS


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "iso-8859-1", "x-unheard-of"])
def test_no_text_of_a_mail_has_what_databases_refuse(charset: str):
    words = "ana@example.com\n550 5.1.1 \0unknown \0\n\nMessage-ID: <m\0@shop>\n"
    plain = from_daemon(words, f"Content-Type: text/plain; charset={charset}")
    reply = a_mail("From: ana@example.com", "References: <a\0@shop>", "Subject: \0")

    for found in [*read_returned(plain), *read_returned(reply)]:
        assert "\0" not in "".join(map(str, (found.recipient, found.header_id, found.said)))


@pytest.mark.parametrize(
    "raw",
    [
        nested(DEEPEST + 1),
        b"X: 1\n" * (MOST_FIELD_LINES + 1) + b"\n",
        b"X: " + b"a" * MOST_HEADER_BYTES,
        a_mail("Content-Type: multipart/mixed; boundary=b", body="--b\n\na\n" * (MOST_PARTS + 1)),
    ],
)
def test_what_is_beyond_the_bounds_is_refused(raw: bytes):
    with pytest.raises(TooComplex):
        read_returned(raw)


def test_what_is_just_within_them_is_read():
    assert [part.body for part in parse_mail(nested(DEEPEST)).parts] == [b"\nwords\n"]


def test_what_stands_before_a_large_attachment_is_read():
    raw = a_mail("Subject: Re: Hi", body="Words.\n" + "x" * 2 * MOST_BYTES)

    assert [found.kind for found in read_returned(raw)] == ["reply"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?q?caf=C3=A9_noir?=", "café noir"),
        ("=?utf-8?b?Y2Fmw6k=?=", "café"),
        ("=?utf-8?q?caf=C3?= =?utf-8?q?=A9?=", "café"),  # a character in two words
        ("=?UTF-8*fr?Q?caf=C3=A9?= !", "café !"),
        ("=?iso-8859-1?q?caf=E9?= =?utf-8?q?_=C3=A9?=", "café é"),
        ("=?iso-2022-jp?b?GyRCPCtGMDF+RXobKEI=?=", "自動応答"),
        ("=?unheard-of?q?caf=C3=A9?=", "café"),
        ("=?punycode?q?caf-dma?=", "caf-dma"),
        ("=?utf-8?b?Y2Fm", "=?utf-8?b?Y2Fm"),
        ("=?utf-8?b?Y2F?=", "ca"),
        ("plain", "plain"),
    ],
)
def test_encoded_words_are_read(value: str, text: str):
    assert decode_words(value) == text


def test_a_charset_that_is_none_of_text_is_not_used():
    assert decode_text(b"abc-", "punycode") == "abc-"
    assert decode_text("né".encode("cp1252"), "idna") == "né"
