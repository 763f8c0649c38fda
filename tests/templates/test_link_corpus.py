"""Whatever an author writes, our redirect leads to where a browser would have gone without us."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from re import compile as pattern

import pytest

from templates.compile import compile_mail
from templates.context import build_context
from templates.lint import check_template
from templates.markup import Tag, scan
from templates.render import render
from tests.browser import launched, needs_chromium
from tests.templates.conftest import BASE, BRAND, SIGNER, a_mail, links, rendered, told
from tests.templates.link_corpus import (
    Link,
    links_elsewhere,
    links_to_pages,
    stored,
    where_chromium_goes,
)
from web.tracking import redirection

IN_TEXT = pattern(r"to(\d+) <([^>]*)>")
PATH = pattern(r"^https?://[^/]*/([^?#]*)")


def test_the_table_holds_every_link_of_the_corpus():
    assert set(stored()) == set(links_to_pages())
    assert len(stored()) >= 500


def test_every_link_leads_where_a_browser_would_have_gone():
    opened = stored()

    for link, in_html, in_text in followed(list(opened)):
        assert _as_chromium(in_html) == opened[link], link
        assert in_text == in_html, link


def test_query_strings_that_failed_in_the_field():
    source = Path(__file__).with_name("field") / "r7-ampersands.html.j2"
    mail = compile_mail("mail", "en", {"mail": source.read_text(encoding="utf-8")})
    sent = render(mail, build_context(told(), BRAND), links())
    addresses = [tag.attribute("href") for tag in scan(sent.html) if isinstance(tag, Tag)]
    tracked = [href.value for href in addresses if href and f"{BASE}/c/" in href.value]

    assert [_destination(address, mail.links) for address in tracked[1:]] == [
        "https://shop.example.com/basket?id=7&currency=EUR&region=eu",
        "https://shop.example.com/x?a=1&section=2&timestamp=3&notify=4&parameters=5&gtm=6&ltv=7"
        "&order=8&image=9",
        "https://shop.example.com/c?u=c3&currency=EUR",
        "https://shop.example.com/ok?id=7&currency=EUR",
    ]


@needs_chromium
def test_the_table_is_what_chromium_says():
    opened = stored()

    with launched() as browser:
        assert where_chromium_goes(browser, list(opened)) == list(opened.values())


@pytest.mark.parametrize("link", links_elsewhere(), ids=lambda link: link.written)
def test_what_is_no_page_on_the_web_stays_as_it_was_written(link):
    html = rendered(a_mail(f"<p><a {link.written}>x</a></p>")).html

    assert f" {link.written}>x</a>" in html


@pytest.mark.parametrize("address", ["https://", "https://a b.example/", "http://[::1"])
def test_an_address_that_no_browser_can_open_is_a_mistake(address):
    (finding,) = check_template("m", {"m": a_mail(f'<p><a href="{address}">x</a></p>')})

    assert finding.message == f"no browser can open {address!r}."


@pytest.mark.parametrize("address", ["/a", "shop.example.com/a", "shop.example.com:80/a", ""])
def test_an_address_that_leads_on_from_a_page_is_a_mistake(address):
    (finding,) = check_template("m", {"m": a_mail(f'<p><a href="{address}">x</a></p>')})

    assert finding.message == f"a link in a mail needs a whole address, not {address!r}."


@pytest.mark.parametrize("address", ["JavaScript:x()", "java\nscript:x()", " data:text/html,x"])
def test_an_address_that_runs_code_is_refused_however_it_is_written(address):
    (finding,) = check_template("m", {"m": a_mail(f'<p><a href="{address}">x</a></p>')})

    assert "a mail cannot link to a" in finding.message


def test_a_link_that_comes_and_goes_is_followed():
    mail = a_mail('<p><a {% if 1 %}href="https://shop.example.com/"{% endif %}>x</a></p>')

    assert f'<a href="{BASE}/c/' in rendered(mail).html


def followed(all_links: list[Link]) -> Iterator[tuple[Link, str, str]]:
    """Each link with where it leads from the HTML and from the text of its mail."""
    by_value = defaultdict(list)
    for link in all_links:
        by_value[link.value].append(link)
    for value, group in by_value.items():
        body = "".join(f"<p><a {link.written}>to{at}</a></p>" for at, link in enumerate(group))
        mail = compile_mail("mail", "en", {"mail": a_mail(body)})
        context = build_context(told(traits={"value": value or ""}), BRAND)
        sent = render(mail, context, links())
        tags = [tag for tag in scan(sent.html) if isinstance(tag, Tag) and tag.name == "a"]
        hrefs = [href.decoded for tag in tags if (href := tag.attribute("href"))]
        in_html = [href for href in hrefs if href.startswith(f"{BASE}/c/")]
        in_text = {int(at): address for at, address in IN_TEXT.findall(sent.text)}
        for at, link in enumerate(group):
            yield (
                link,
                _destination(in_html[at + 1], mail.links),  # after the decoy
                _destination(in_text[at], mail.links),
            )


def _destination(tracked: str, numbered: tuple[str, ...]) -> str:
    click = SIGNER.read_click(tracked.removeprefix(f"{BASE}/c/"))
    assert click is not None, tracked
    address = click.address if click.number is None else numbered[click.number - 1]
    headers: Mapping[str, str] = redirection(address or "").headers
    return headers["location"]


def _as_chromium(location: str) -> str:
    """Chromium alone escapes bars in paths, in those that it is redirected to as well."""
    if found := PATH.match(location):
        start, end = found.span(1)
        return location[:start] + found[1].replace("|", "%7C") + location[end:]
    return location
