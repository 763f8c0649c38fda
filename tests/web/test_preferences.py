"""Unsubscribing: one POST suffices, looking changes nothing, every choice can be taken back."""

import re

import pytest

from rekindle.customers import erase
from store.suppressions import fingerprint
from store.tables import consents, mailbox_consents, pending_changes
from tests.web.conftest import Site


def a_path(site: Site, topic: str = "offers", address: str = "", **traits) -> str:
    customer = site.customer("sara", **traits)
    message = site.message(customer, topic=topic, template="win_back/gift", address=address)
    site.pass_time(minutes=10)
    return f"/u/{site.services.signer.sign_unsubscribe(message, customer, topic)}"


def said(site: Site):
    return [(row.topic, row.status) for row in site.rows(consents)]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(site, method):
    path = a_path(site)

    page = site.client.request(method, path)

    assert page.status_code == 200
    assert said(site) == []
    assert site.hit_links() == [(method, "unsubscribe")]


def test_the_page_names_topic_and_masked_address(small_site):
    page = small_site.client.get(a_path(small_site))

    assert "“Offers”" in page.text
    assert "s•••@example.com" in page.text
    assert "sara@example.com" not in page.text


# RFC 8058 section 8, and Gmail's request
@pytest.mark.parametrize(
    "request_",
    [
        {
            "content": "List-Unsubscribe=One-Click",
            "headers": {"content-type": "application/x-www-form-urlencoded"},
        },
        {
            "content": (
                "-----FormBoundaryjWmhtjORrn\r\n"
                'Content-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
                "One-Click\r\n"
                "-----FormBoundaryjWmhtjORrn--\r\n"
            ),
            "headers": {"content-type": "multipart/form-data; boundary=---FormBoundaryjWmhtjORrn"},
        },
    ],
    ids=["urlencoded", "multipart"],
)
def test_one_click_unsubscribes_without_redirect_or_question(site, request_):
    path = a_path(site)

    answer = site.client.post(path, **request_)

    assert answer.status_code == 200
    assert said(site) == [("offers", "denied")]
    assert site.rows(pending_changes)[-1].event_id is None


def test_unsubscribing_after_an_erasure_is_kept_for_the_mailbox(site):
    path = a_path(site, address="sara@example.com")
    erase(site.services, "sara")

    page = site.client.post(path, data={"action": "confirm"})
    seen = site.client.get(path)

    assert "Done. We will no longer send" in page.text
    assert "sha256" not in page.text + seen.text
    assert [(row.mailbox, row.topic, row.status) for row in site.rows(mailbox_consents)] == [
        (fingerprint("sara@example.com"), "offers", "denied")
    ]


def test_one_click_twice_is_one_refusal(site):
    path = a_path(site)

    for _ in range(2):
        site.client.post(path, data={"List-Unsubscribe": "One-Click"})

    assert said(site) == [("offers", "denied")]


def test_the_pages_button_unsubscribes_and_offers_the_way_back(site):
    path = a_path(site)

    page = site.client.post(path, data={"action": "confirm"})
    back = site.client.post(path, data={"action": "undo"})

    assert "Done. We will no longer send" in page.text
    assert 'value="undo"' in page.text
    assert "subscribed to “Offers” again" in back.text
    assert said(site) == [("offers", "denied"), ("offers", "granted")]


def test_all_topics_can_be_refused_at_once(small_site):
    path = a_path(small_site)

    small_site.client.post(path, data={"action": "confirm_all"})

    assert sorted(said(small_site)) == [
        ("news", "denied"),
        ("offers", "denied"),
        ("surveys", "denied"),
    ]


def consents_of(site: Site) -> dict[str, str]:
    return dict(said(site))  # the newest word on each topic


def boxes(page) -> dict[str, bool]:
    found = re.findall(r'name="topic\.(\w+)"( checked)?', page.text)
    return {name: bool(checked) for name, checked in found}


@pytest.mark.parametrize("times", [1, 2], ids=["once", "and the page reloaded"])
@pytest.mark.parametrize("address", ["", "sara@example.com"])
def test_undoing_after_all_brings_back_what_was_stopped_and_nothing_else(site, times, address):
    path = a_path(site, address=address)
    site.client.post(path, data={"action": "save", "topic.offers": "on"})  # no to news, surveys
    site.pass_time(days=1)
    site.client.post(path, data={"action": "save", "topic.offers": "on", "topic.surveys": "on"})
    site.pass_time(days=1)
    before = boxes(site.client.get(path))

    for _ in range(times):
        page = site.client.post(path, data={"action": "confirm_all"})
        assert set(boxes(page).values()) == {False}
        site.pass_time(seconds=3)
    back = site.client.post(path, data={"action": "undo", "of": "confirm_all"})

    assert before == {"offers": True, "news": False, "surveys": True}
    assert boxes(back) == boxes(site.client.get(path)) == before
    assert consents_of(site) == {"offers": "granted", "news": "denied", "surveys": "granted"}
    assert "Your choices have been saved" in back.text


def test_undoing_leaves_open_what_nobody_had_spoken_of(site):
    path = a_path(site, address="sara@example.com")

    site.client.post(path, data={"action": "confirm_all"})
    site.pass_time(seconds=3)
    site.client.post(path, data={"action": "undo"})

    assert consents_of(site) == {"offers": "granted", "news": "unknown", "surveys": "granted"}


def test_undoing_one_topic_brings_back_none_that_was_stopped_long_before(site):
    path = a_path(site)
    site.client.post(path, data={"action": "confirm_all"})
    site.pass_time(days=60)

    page = site.client.post(path, data={"action": "confirm"})
    site.pass_time(seconds=3)
    back = site.client.post(path, data={"action": "undo", "of": "confirm"})

    assert 'name="of" value="confirm"' in page.text
    assert consents_of(site) == {"offers": "granted", "news": "denied", "surveys": "denied"}
    assert "subscribed to “Offers” again" in back.text


def test_what_is_stopped_already_is_not_asked_again(small_site):
    path = a_path(small_site)
    small_site.client.post(path, data={"action": "confirm"})

    page = small_site.client.get(path)

    assert "Would you like us to stop" not in page.text
    assert boxes(page)["offers"] is False


def test_keeping_changes_nothing(small_site):
    page = small_site.client.post(a_path(small_site), data={"action": "keep"})

    assert "Nothing has changed" in page.text
    assert said(small_site) == []


def test_choices_are_saved_topic_by_topic(small_site):
    form = {"action": "save", "topic.news": "on", "topic.offers": "on"}

    page = small_site.client.post(a_path(small_site), data=form)

    assert "Your choices have been saved" in page.text
    assert dict(said(small_site)) == {"news": "granted", "offers": "granted", "surveys": "denied"}


def test_the_boxes_show_what_is_allowed_at_present(small_site):
    page = small_site.client.get(a_path(small_site))

    assert 'name="topic.offers" checked' in page.text
    assert 'name="topic.news">' in page.text  # required consent, never asked: not allowed


def test_a_form_that_says_nothing_changes_nothing(small_site):
    page = small_site.client.post(a_path(small_site), data={"something": "else"})

    assert page.status_code == 400
    assert said(small_site) == []


def test_the_page_is_written_from_right_to_left_where_its_reader_does(small_site):
    page = small_site.client.get(a_path(small_site, locale="fa-IR"))

    assert 'lang="fa" dir="rtl"' in page.text
    assert "تنظیمات دریافت پیام" in page.text


def test_a_link_we_did_not_sign_is_a_friendly_404(small_site):
    page = small_site.client.post("/u/forged", data={"List-Unsubscribe": "One-Click"})

    assert page.status_code == 404
    assert "no longer valid" in page.text
