"""Whoever sends us nonsense is answered in our words: no library's, no advice to programmers."""

import json

from tests.security.conftest import API_KEY, SERVER_KEY
from tests.web.conftest import Site

KEY = (SERVER_KEY, "")
THEIRS = (
    "utf-8-sig", "Exceeds", "digits)", "sys.", "set_int", "Expecting", "delimiter", "Extra data",
    "Unterminated", "Invalid", "char ", "codec", "must be in", "division", "too large to convert",
    "fromisoformat", "datetime", "Traceback", "object at", "boundary", "Errno", "expected string",
    "unpack", "out of range",
)  # fmt: skip
BODIES = [
    b"", b"{", b"[1,", b'{"a"', b'{"a":', b'{"a":1,}', b"{a:1}", b"{} {}", b'"\n"', b'"\\x"',
    b'"\\u12', b'"abc', b"nul", b"NaN", b"-Infinity", b"[-]", b"1.", b"01", b"\xef\xbb\xbf{",
    b"\xff\xfe{\0", b"\xff", b"[" * 90_000, b"9" * 5_000 + b"x", b"'a'",
]  # fmt: skip
TIMES = [
    "2026-13-01", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:99Z",
    "2026-1-1T00:00:00+99:99", "0000-01-01", "9999-12-31T23:59:59-23:59", "now", "", "٣", "\0",
    10**400, -(10**30), 1e300, -1e300, True, [], {"a": 1}, ["x" * 5_000], "9" * 5_000,
]  # fmt: skip


def is_ours(words: str) -> bool:
    return not any(part in words for part in THEIRS)


def test_a_body_that_is_no_json_is_refused_in_our_words(small_house: Site):
    client = small_house.client
    bearer = {"authorization": f"Bearer {API_KEY}"}
    for body in BODIES:
        for answer in (
            client.post("/v1/batch", content=body, auth=KEY),
            client.post("/v1/events", content=body, auth=KEY),
            client.put("/api/v1/customers/ana", content=body, headers=bearer),
        ):
            assert 400 <= answer.status_code < 500, body
            assert is_ours(answer.text), answer.text
            assert len(answer.text) < 500


def test_a_time_that_is_none_is_refused_in_our_words(small_house: Site):
    cloud = {"specversion": "1.0", "id": "1", "source": "/s", "type": "seen", "subject": "ana"}
    label = {"content-type": "application/cloudevents+json"}
    post = small_house.client.post
    for written in TIMES:
        told = {"event": "Seen", "userId": "ana", "timestamp": written}
        at = json.dumps(cloud | {"time": written})
        for answer in (
            post("/v1/track", json=told, auth=KEY),
            post("/v1/events", content=at, auth=KEY, headers=label),
        ):
            assert answer.status_code in (200, 400)
            assert is_ours(answer.text), answer.text
            assert len(answer.text) < 700


def test_a_byte_order_mark_and_a_number_of_any_length_are_read(small_house: Site):
    numbers = "9" * 5_000
    body = f'{{"event": "Seen", "userId": "ana", "properties": {{"n": {numbers}, "m": 1}}}}'

    answer = small_house.client.post("/v1/track", content=b"\xef\xbb\xbf" + body.encode(), auth=KEY)

    assert answer.json() == {"success": True}
    assert small_house.events("seen")[0][1] == {"n": None, "m": 1}


def test_a_form_that_is_none_is_refused_in_our_words(small_house: Site):
    multipart = "multipart/form-data; boundary=x"
    forms = (
        ("multipart/form-data", b"x"),
        (multipart, b"--y\r\n"),
        (multipart, b"--x\r\nA\r\n\r\n"),
        (multipart, b"--x\r\nContent-Disposition: form-data\r\n\r\na"),
        (multipart + "; a=b" * 10_000, b"--x--\r\n"),
        ("application/x-www-form-urlencoded", b"a=b&" * 200),
    )
    message = small_house.message(small_house.customer())
    for address in ("/sign-in", small_house.survey_path(message)):
        for label, body in forms:
            answer = small_house.client.post(address, content=body, headers={"content-type": label})
            assert answer.status_code < 500
            assert is_ours(answer.text), answer.text


def test_the_label_of_a_form_is_no_longer_than_any(small_house: Site):
    bearer = {"authorization": f"Bearer {API_KEY}"}
    label = {"content-type": "multipart/form-data; boundary=x" + "; a=b" * 1_000}
    path = small_house.survey_path(small_house.message(small_house.customer()))
    for address in ("/sign-in", path):
        answer = small_house.client.post(address, content=b"--x--\r\n", headers=label)
        assert (answer.status_code, "cannot be read" in answer.text) == (400, True), address

    called = small_house.client.put("/api/v1/customers/a", content=b"{}", headers=label | bearer)
    assert called.status_code == 201  # its label is not looked at
