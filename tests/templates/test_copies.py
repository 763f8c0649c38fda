"""What an email said is kept small, and comes back as it was."""

from hypothesis import given, settings
from hypothesis import strategies as st

from templates.compile import compile_mail
from templates.copies import WINDOW, outline_of, pack_copy, unpack_copy
from tests.templates.conftest import a_mail, rendered

texts = st.text(max_size=300)


@settings(max_examples=60)
@given(texts, texts, texts, st.text(max_size=2_000))
def test_a_copy_comes_back_as_it_was_packed(subject: str, html: str, text: str, source: str):
    packed = pack_copy(subject, html, text, outline_of(source))

    assert unpack_copy(packed.body, packed.outline.text) == (subject, html, text)


def test_what_all_emails_of_a_template_share_is_kept_once():
    source = a_mail(
        "<p>" + " ".join(f"word{n}" for n in range(400)) + " {{ customer.first_name }}</p>"
    )
    mail = compile_mail("mail", "en", {"mail": source}, language="en")
    written = rendered(source)

    packed = pack_copy(written.subject, written.html, written.text, mail.outline)

    assert len(packed.body) < 0.3 * len(written.html)  # nearly all of it: the text is derived
    assert len(packed.outline.text) <= WINDOW


def test_an_outline_names_nobody_and_changes_with_the_words():
    mails = [
        compile_mail(
            "mail", "en", {"mail": a_mail(f"<p>{words} {{{{ customer.first_name }}}}</p>")}
        )
        for words in ("Hello", "Dear", "Hello")
    ]

    assert b"customer.first_name" in mails[0].outline.text
    assert b"Ana" not in mails[0].outline.text
    digests = [mail.outline.digest for mail in mails]
    assert digests[0] == digests[2] != digests[1]
