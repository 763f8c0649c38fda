"""SendGrid's client against a server of our own, and its OpenAPI description."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from adapters.email.sendgrid import SendGrid, request_body
from rekindle.errors import HandoverUncertain, ProviderRefused, ProviderUnavailable, Unsupported
from rekindle.settings import SendGrid as SendGridSettings
from templates.mime import Envelope, build
from templates.render import RenderedMail
from tests.adapters.email.conftest import an_email
from tests.conftest import MONDAY, ROOT
from tests.servers import do_without, free_port

SEND = "/v3/mail/send"


def channel_to(host, **known):
    settings = SendGridSettings.model_validate({"api_key": "SG.secret", "host": host})
    return SendGrid(settings, **known).open()


def sent_to(httpserver: HTTPServer) -> Request:
    ((request, _response),) = httpserver.log
    return request


def test_an_accepted_mail_bears_our_id_and_brings_back_theirs(httpserver, marks):
    accepted = Response(status=202, headers={"X-Message-Id": "abc123"})
    httpserver.expect_request(SEND, method="POST").respond_with_response(accepted)

    id_ = channel_to(httpserver.url_for("")).send(an_email(), marks)

    body = sent_to(httpserver).json
    assert (id_, marks.count) == ("abc123", 1)
    assert body["personalizations"] == [{"to": [{"email": "ana@example.com"}]}]
    assert body["custom_args"] == {"rekindle_message_id": "42"}
    assert [part["type"] for part in body["content"]] == ["text/plain", "text/html"]
    assert body["headers"]["Message-ID"] == "<42@shop.example.com>"
    assert body["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert body["reply_to"] == {"email": "help@shop.example.com", "name": "Help"}
    assert not any(one["enable"] for one in body["tracking_settings"].values())
    assert sent_to(httpserver).headers["Authorization"] == "Bearer SG.secret"


def test_a_missing_id_of_theirs_is_no_trouble(httpserver, marks):
    httpserver.expect_request(SEND).respond_with_data("", status=202)

    assert channel_to(httpserver.url_for("")).send(an_email(), marks) == ""


def test_the_mark_is_set_before_the_request_leaves(httpserver):
    httpserver.expect_request(SEND).respond_with_data("", status=202)

    def fails():
        raise RuntimeError("no commit")

    with pytest.raises(RuntimeError):
        channel_to(httpserver.url_for("")).send(an_email(), fails)
    assert httpserver.log == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ProviderUnavailable), (413, ProviderRefused), (401, ProviderUnavailable),
        (403, ProviderUnavailable), (429, ProviderUnavailable), (500, ProviderUnavailable),
        (503, ProviderUnavailable),
    ],
)  # fmt: skip
def test_what_they_say_decides_whether_to_try_again(status, error, httpserver, marks):
    said = {"errors": [{"message": "does not look right", "field": "from.email", "help": None}]}
    httpserver.expect_request(SEND).respond_with_json(said, status=status)

    with pytest.raises(error, match=rf"{status}: does not look right \(from.email\)"):
        channel_to(httpserver.url_for("")).send(an_email(), marks)


def test_an_error_without_a_reason_is_told_as_such(httpserver, marks):
    httpserver.expect_request(SEND).respond_with_data("<html>", status=502)

    with pytest.raises(ProviderUnavailable, match="502: without a reason"):
        channel_to(httpserver.url_for("")).send(an_email(), marks)


def test_nobody_there_means_that_nothing_was_accepted(marks):
    with pytest.raises(ProviderUnavailable, match="out of reach"):
        channel_to(f"http://127.0.0.1:{free_port()}").send(an_email(), marks)


@contextmanager
def a_server_that_takes_the_request_and(then):
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            then(ended)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    ended.set()
    thread.join()
    listener.close()


@pytest.mark.parametrize("then", [lambda ended: ended.wait(10), lambda ended: None])
def test_no_answer_after_the_request_left_is_uncertain(then, marks):
    with a_server_that_takes_the_request_and(then) as host:
        channel = channel_to(host, seconds=0.3)
        with pytest.raises(HandoverUncertain):
            channel.send(an_email(), marks)

    assert marks.count == 1


def test_a_mail_of_which_only_the_bytes_are_left_can_be_sent(httpserver, marks):
    rendered = RenderedMail("Grüße", "<p>Hallo</p>", "Hallo\n")
    mime = build(rendered, Envelope("a@example.com", "b@example.com", "1@example.com", MONDAY))

    body = request_body(an_email(html="", text="", mime=mime))

    assert [part["value"] for part in body["content"]] == ["Hallo\n", "<p>Hallo</p>"]


@pytest.mark.parametrize(
    "known",
    [{"subject": ""}, {"to": "nobody"}, {"headers": (("X-SG-EID", "1"),)}],
    ids=["no subject", "no address", "a header of theirs"],
)
def test_what_they_cannot_express_is_refused_before_anything_is_sent(known, marks):
    with pytest.raises(Unsupported):
        request_body(an_email(**known))


@pytest.fixture(scope="session")
def prism(shared, tmp_path_factory):
    """The address of a Prism that judges requests by SendGrid's own OpenAPI description."""
    if given := os.environ.get("REKINDLE_PRISM_URL"):
        yield given
        return
    program = shutil.which("prism")
    if program is None:
        do_without("Prism")
    file = tmp_path_factory.mktemp("prism") / "openapi.json"
    openapi = shared / "fixtures" / "sendgrid" / "openapi"
    parts = [str(openapi / name) for name in ("tsg_mail_v3.json", "tsg_mail_v3.fix.jsonpatch.json")]
    patched = [sys.executable, str(ROOT / ".ci" / "patched.py"), *parts]
    file.write_bytes(subprocess.run(patched, check=True, capture_output=True).stdout)
    port = free_port()
    command = [program, "mock", "--errors", "--host", "127.0.0.1", "--port", str(port), str(file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
        running.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.1)
    pytest.fail("Prism does not start")


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"reply_to": "", "headers": ()},
        {"subject": "«سلام» از فروشگاه", "to": "Ana Álvarez <ana@example.com>"},
        {"html": "", "mime": b"", "text": "Only words\n"},
    ],
    ids=["full", "bare", "persian", "text only"],
)
def test_our_requests_are_what_their_description_asks_for(known, prism, marks):
    assert channel_to(prism).send(an_email(**known), marks) is not None
