"""One message from facts to bytes, with the headers that mailboxes ask for."""

import pytest

from rekindle.errors import Unsupported
from rekindle.settings import Brand, Sender
from templates.mail import Letter, Letterhead, compose_notice
from tests.templates.conftest import BASE, SIGNER, a_mail, composed, parsed, told

SURVEY = a_mail("{{ survey('csat') }}")


def headers_of(source=None, topic="offers"):
    return dict(composed(source or a_mail(), topic).headers)


def test_what_is_no_service_can_be_left_by_one_click():
    headers = headers_of()

    token = headers["List-Unsubscribe"].removeprefix(f"<{BASE}/u/").removesuffix(">")
    leaving = SIGNER.read_unsubscribe(token)
    assert leaving is not None
    assert (leaving.message_id, leaving.customer_id, leaving.topic) == (42, 3, "offers")
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Id"] == "<offers.shop.example.com>"


def test_surveys_too_can_be_left_by_one_click():
    assert "List-Unsubscribe-Post" in headers_of(SURVEY, "surveys")


def test_service_mail_has_no_list():
    assert not {"List-Unsubscribe", "List-Unsubscribe-Post", "List-Id"} & set(
        headers_of(topic="service")
    )


@pytest.mark.parametrize(
    ("source", "topic", "is_there"),
    [(None, "offers", False), (None, "service", True), (SURVEY, "surveys", True)],
)
def test_robots_are_told_not_to_answer_what_is_automatic(source, topic, is_there):
    assert ("Auto-Submitted" in headers_of(source, topic)) is is_there


def test_the_feedback_id_names_the_topic():
    assert headers_of()["Feedback-ID"] == "mail:offers:rekindle:shop.example.com"


def test_the_list_unsubscribe_header_is_one_line():
    mail = composed(a_mail())

    (line,) = [one for one in mail.mime.split(b"\r\n") if one.startswith(b"List-Unsubscribe:")]
    assert line == f"List-Unsubscribe: {headers_of()['List-Unsubscribe']}".encode()


def test_a_composed_mail_is_whole():
    mail = composed(
        a_mail('<a href="https://shop.example.com/">x</a>', "Hi {{ customer.first_name }}")
    )
    message = parsed(mail.mime)

    assert mail.subject == str(message["Subject"]) == "Hi Ana"
    assert message["Message-ID"] == "<42@shop.example.com>"
    assert message["To"] == "ana@example.com"
    html = message.get_body(("html",))
    assert html is not None
    assert html.get_content() == mail.html
    assert mail.addresses == ("https://shop.example.com/",)
    assert f".{mail.edition}.1." in mail.html


def test_the_same_arguments_give_the_same_bytes():
    assert composed(SURVEY).mime == composed(SURVEY).mime


def test_a_sender_of_another_script_and_an_address_no_server_takes():
    sender = Sender.model_validate({"from": "فروشگاه <hello@shop.example.com>"})

    assert parsed(composed(a_mail(), sender=sender).mime)["From"].addresses[0].display_name == (
        "فروشگاه"
    )
    with pytest.raises(Unsupported):
        composed(a_mail(), to="anä@example.com")


def test_a_notice_to_our_own_people_is_words_and_nothing_else():
    head = Letterhead(Brand(), Sender(), BASE, SIGNER)
    letter = Letter(7, 0, "7@shop.example.com", "leads@example.com", "service")

    mail = compose_notice("Ticket <7>: 2/5", "Low\nscore", letter, told(), head)

    assert mail.subject == "Low score"
    assert mail.text == "Ticket <7>: 2/5\n"
    assert "Ticket &lt;7&gt;" in mail.html
    assert "http" not in mail.html
    assert dict(mail.headers) == {"Auto-Submitted": "auto-generated"}
