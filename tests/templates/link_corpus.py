"""Links as people write them, and where Chromium goes from each; `links.json` holds its answers.

`python -m tests.templates.link_corpus` asks Chromium again and writes the file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.entities import html5
from pathlib import Path
from typing import Any

from markupsafe import escape

ANSWERS = Path(__file__).with_name("links.json")
BARE = sorted(name for name in html5 if not name.endswith(";"))  # `copy`, known without `;`
SHOP = "https://shop.example.com"
VALUE = "{{ customer.value }}"

PATHS = [
    "/a b", "/a%20b", "/ü/é", "/فروش", "/🎁", "/a/../b", "/a/./b", "/%2e%2e/b", "/a//b", "/a;b=c",
    "/a|b", "/a^b", "/a`b", "/a{b}", "/a[b]", "/a\\b", "/~ana", "/%zz", "/a'b", "/a<b", "/@a:b",
    "/?q=a b", "/?q=ü", "/?q=%C3%BC", "/?q=a|b^c", "/?q={a}", "/?q=[1]", "/?q='a'", "/?q=a<b",
    "/?q=`a`", "/?q=a\\b", "/?q=a+b", "/?q=%", "/?q=a?b=c", "/?a&b&c", "/?", "/#", "/?#", "/?q#f",
    "/#ü", "/#a b", "/#a`b", "/#!/a?b=c", "/#a#b", "/?u=https%3A%2F%2Fx.example%2F%3Fa%3D1%26b%3D2",
    "/?u=https://x.example/?a=1", "/?utm_source=mail&utm_medium=email", "/?q=🎁#🎁", "/\u200b",
    "/\xa0",
    "/?q=\u2028", "/" + "x" * 3000, "?a=1", "#a", "/a\tb", "/a\nb", "/a\r\n  b", "/?a=1\n&b=2",
    "/?a=1\t&b=2", "/\x0c", "/?q=\x01", "/a/b/../../..", "/.", "/..", "/a/%2E/b", "/A%2f%2Fb",
]  # fmt: skip
HOSTS = [
    "https://bücher.example/", "https://BÜCHER.example/a", "https://faß.example/",
    "https://ß.example",
    "https://παράδειγμα.example/ü", "https://فروشگاه.example/", "https://例え.example/",
    "https://🎁.example/",
    "https://xn--bcher-kva.example/", "https://bücher。example/", "https://ＳＨＯＰ.example/",
    "https://sh\u00adop.example/", "HTTPS://SHOP.EXAMPLE.COM/A", "http://shop.example.com",
    "http://shop.example.com:80/", "https://shop.example.com:443/",
    "https://shop.example.com:8443/a",
    "https://ana:pw@shop.example.com/", "https://ana%40:p%3Aw@shop.example.com/",
    "https://@shop.example.com/",
    "https:shop.example.com/a", "https:/shop.example.com/a", "https:///shop.example.com/a",
    "https:\\\\shop.example.com\\a", "http:\\/shop.example.com/a", "https://shop.example.com./",
    "https://127.0.0.1/", "https://127.1/", "https://0x7f.0.0.1/", "https://2130706433/",
    "https://[::1]/",
    "https://[2001:DB8::1]:8443/a", "https://sh%6Fp.example/", "https://shop_a.example/",
    "  https://shop.example.com/a  ", "\nhttps://shop.example.com/a\n",
    "ht\ntps://shop.example.com/a",
    "https://shop.\nexample.com/a", "\x01https://shop.example.com/a", "https://shop.example.com:/a",
    "https://a--b.example/", "https://-a.example/", "https://shop.example.com:0443/a",
]  # fmt: skip
REFERENCES = [
    "&#65", "&#65;", "&#x41", "&#X41;", "&#0;", "&#128;", "&#xD800;", "&#x110000;", "&#9;",
    "&#10;", "&#38;",
    "&amp;#65;", "&", "&&", "&;", "&=", "&1", "&unknown;", "&unknown=1", "&amp;copy=1",
    "&amp;amp;a=1",
    "&ampcopy=1", "&amp=1", "&notin;", "&notit;", "&notit=1", "&not", "&copy", "&copy;",
    "&copy&reg",
    "&copy-1", "&copy_1", "&copy.", "&copy/", "&COPY=1", "&Auml=1", "&Auml;=1", "&NotEqualTilde;",
    "&quot;", "&apos;", "&nbsp;", "&Tab;", "&NewLine;", "&lt;b&gt;", "&ThickSpace;",
]  # fmt: skip
VALUES = [
    "a", "7", "", "=1", "ü", "a b", "a&b=c", "a&currency=b", "&copy", "&amp;", "<b>", '"', "'",
    "%20", "/a/b",
    "../x", "#f", "?q=1", "EUR", "a\nb", "\ta", "🎁", ";", "x;y", "\\", "|", "{a}", "{{ a }}",
]  # fmt: skip
ELSEWHERE = [
    "mailto:ana@example.com", "MAILTO:ana@example.com",
    "Mailto:ana@example.com?subject=a&amp;body=b",
    "tel:+4930123", "TEL:+49 30 123", "sms:+4930123?body=a&copy=b", "whatsapp://send?text=a&copy=1",
    "webcal://shop.example.com/a.ics", "intent://a#Intent;end", "#top", "ftp://shop.example.com/a",
    "https://", "https://a b.example/", "https://shop.example.com:99999/", "http://[::1",
    "market://a?id=b",
]  # fmt: skip


@dataclass(frozen=True)
class Link:
    """An attribute as its author writes it, with the customer's value in it if there is one."""

    written: str
    value: str | None = None

    @property
    def rendered(self) -> str:
        """As it would stand in a mail that follows no links."""
        return self.written.replace(VALUE, str(escape(self.value)))


def links_to_pages() -> Iterator[Link]:
    """More than 500, each one once."""
    for name in BARE:
        yield Link(f'href="{SHOP}/?id=7&{name}=EUR"')
        yield Link(f'href="{SHOP}/?id=7&{name}x=1&b=2"')
    for name in BARE[::4]:
        yield Link(f'href="{SHOP}/?id=7&{name}"')
    for path in PATHS:
        yield Link(f'href="{SHOP}{path}"')
    for host in HOSTS:
        yield Link(f'href="{host}"')
    for reference in REFERENCES:
        yield Link(f"href='{SHOP}/?a=1{reference}'")
        yield Link(f"HREF = '{SHOP}/?a=1{reference}b'")
    for query in ("?a=1&b=2", "?a=1&copy=2", "/a/", "?q='a'", '?q="a"', "?a=1&amp;b=2", "#a=b"):
        yield Link(f"href={SHOP}/{query}")
    for value in VALUES:
        yield Link(f'href="{SHOP}/c?u={VALUE}&currency=EUR"', value)
        yield Link(f'href="{SHOP}/{VALUE}?a=1&copy={VALUE}#{VALUE}"', value)
    for name in ("copy", "region", "section", "currency", "order", "amp", "not"):
        yield Link(f'href="{SHOP}/?a={VALUE}&{name}={VALUE}&{name}{VALUE}"', "b1")
    yield Link(f"href={VALUE}", f"{SHOP}/a?b=1&copy=2")
    yield Link(f"href='{VALUE}/x'", "https://bücher.example")
    yield Link(f'href=" {VALUE} "', f"{SHOP}/a\nb?c=\td")


def links_elsewhere() -> list[Link]:
    return [Link(f'href="{address}"') for address in ELSEWHERE]


def where_chromium_goes(browser: Any, links: list[Link]) -> list[str]:
    page = browser.new_page()
    page.set_content("".join(f"<a {link.rendered}>x</a>" for link in links))
    opened: list[str] = page.evaluate("[...document.querySelectorAll('a')].map(a => a.href)")
    page.close()
    return opened


def stored() -> Mapping[Link, str]:
    rows = json.loads(ANSWERS.read_text(encoding="utf-8"))
    return {Link(written, value): opened for written, value, opened in rows}


def main() -> None:
    from tests.browser import launched

    links = list(links_to_pages())
    with launched() as browser:
        answers = zip(links, where_chromium_goes(browser, links), strict=True)
        rows = [[link.written, link.value, opened] for link, opened in answers]
    lines = ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows)
    ANSWERS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
