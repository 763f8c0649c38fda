"""Clicks lead only where we signed; people's are told apart from machines'."""

import pytest

from store.editions import save_editions
from store.tables import delivery_events
from tests.web.conftest import Site

SHOP = "https://shop.example.com/picks?a=1&b=2"


def a_mail(site: Site):
    message = site.message(site.customer("c1"), template="win_back/picks", topic="offers")
    with site.services.store.begin() as tx:
        save_editions(
            tx, {"e1": [SHOP, "https://shop.example.com/2", "https://shop.example.com/3"]}
        )
    site.pass_time(minutes=10)
    return message


def click(site: Site, message, number=1, method="GET", **headers):
    token = site.services.signer.sign_click(message, number, "e1")
    return site.client.request(method, f"/c/{token}", headers=headers)


def told(site: Site):
    return [(row.kind, row.is_machine) for row in site.rows(delivery_events)]


def test_a_click_leads_on_and_is_told(site):
    message = a_mail(site)

    answer = click(site, message)

    assert (answer.status_code, answer.headers["location"]) == (302, SHOP)
    assert told(site) == [("clicked", False)]
    ((_, properties),) = site.events("message.clicked")
    assert properties["url"] == SHOP
    assert properties["template"] == "win_back/picks"


def test_a_link_that_was_computed_bears_its_own_address(site):
    token = site.services.signer.sign_click(a_mail(site), "https://shop.example.com/cart/7")

    answer = site.client.get(f"/c/{token}")

    assert answer.headers["location"] == "https://shop.example.com/cart/7"
    assert told(site) == [("clicked", False)]


def test_a_head_leads_on_and_is_only_evidence(site):
    answer = click(site, a_mail(site), method="HEAD")

    assert answer.status_code == 302
    assert told(site) == []
    assert site.hit_links() == [("HEAD", "click:1")]


def test_a_gateway_that_fetches_every_link_clicks_nothing(site):
    message = a_mail(site)

    for number in (0, 1, 2, 3):
        click(site, message, number)

    assert told(site) == [("clicked", True)] * 3
    assert site.events("message.clicked")[1:] == []  # only what was judged before the second link
    assert site.rows(delivery_events)[0].details["signs"]


def test_a_click_is_taken_back_once_the_decoy_is_fetched(site):
    message = a_mail(site)
    click(site, message)
    assert told(site) == [("clicked", False)]

    site.pass_time(seconds=3)
    click(site, message, 0)

    assert told(site) == [("clicked", True)]


def test_the_decoy_leads_nowhere(small_site):
    answer = click(small_site, a_mail(small_site), 0)

    assert answer.status_code == 200
    assert "location" not in answer.headers
    assert small_site.hit_links() == [("GET", "decoy")]


@pytest.mark.parametrize(
    "token",
    [
        "forged",
        "https://evil.example.com",
        "1.e1.1.c2lnbmF0dXJl",
        "%2F%2Fevil.example.com",
    ],
)
def test_what_we_did_not_sign_leads_nowhere(small_site, token):
    answer = small_site.client.get(f"/c/{token}?url=https://evil.example.com")

    assert answer.status_code == 404
    assert "location" not in answer.headers


def test_another_purposes_token_leads_nowhere(small_site):
    token = small_site.services.signer.sign_survey(a_mail(small_site), "https://evil.example.com")

    assert small_site.client.get(f"/c/{token}").status_code == 404


def test_a_link_of_an_edition_nobody_knows_is_gone(small_site):
    token = small_site.services.signer.sign_click(a_mail(small_site), 1, "e9")

    assert small_site.client.get(f"/c/{token}").status_code == 410


def test_an_open_is_told(site):
    token = site.services.signer.sign_open(a_mail(site))

    answer = site.client.get(f"/o/{token}")

    assert answer.headers["content-type"] == "image/gif"
    assert answer.content.startswith(b"GIF89a")
    assert told(site) == [("opened", False)]
    assert len(site.events("message.opened")) == 1


def test_a_proxys_open_is_kept_apart(site):
    token = site.services.signer.sign_open(a_mail(site))

    site.client.get(f"/o/{token}", headers={"user-agent": "Mozilla/5.0"})

    assert told(site) == [("opened", True)]
    assert site.events("message.opened") == []


def test_whoever_clicks_arrives_though_the_message_was_erased(small_site):
    answer = click(small_site, a_mail(small_site) + 1)

    assert answer.headers["location"] == SHOP
    assert small_site.hit_links() == []


@pytest.mark.parametrize("path", ["/c/x", "/o/x"])
def test_nothing_is_posted_here(small_site, path):
    assert small_site.client.post(path).status_code == 405
