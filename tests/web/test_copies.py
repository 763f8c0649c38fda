"""A mail in the browser, for whoever cannot read theirs."""

from email.message import EmailMessage

import pytest

from tests.web.conftest import Site


def a_mail(site: Site, *, is_kept: bool = True):
    message = site.message(site.customer("c1"))
    mail = EmailMessage()
    mail["Subject"] = "Hello"
    mail.set_content("In words")
    mail.add_alternative("<p>In <b>colour</b></p>", subtype="html")
    if is_kept:
        site.write(f"outbox/{message}.eml", mail.as_string())
    return f"/m/{site.services.signer.sign_view(message)}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_mail_is_shown_as_it_left_and_may_run_nothing(small_site, method):
    path = a_mail(small_site)

    page = small_site.client.request(method, path)

    assert page.status_code == 200
    assert page.text.strip() == ("<p>In <b>colour</b></p>" if method == "GET" else "")
    assert "sandbox" in page.headers["content-security-policy"]
    assert small_site.hit_links() == [(method, "view")]


def test_a_mail_of_which_no_copy_was_kept_is_gone(small_site):
    assert small_site.client.get(a_mail(small_site, is_kept=False)).status_code == 410


def test_a_link_we_did_not_sign_is_a_404(small_site):
    assert small_site.client.get("/m/1.forged").status_code == 404
