"""Turns a mail's links into links that come back to us, once a template."""

from collections.abc import Iterator
from html import unescape

from templates.filters import LEFT_ALONE, TRACKED, check_scheme
from templates.markup import Attribute, Protected, Tag, edited, scan
from templates.sources import BadTemplate, Place

LINKED = ("a", "area")
OURS = ("unsubscribe_url", "view_url")  # addresses that lead back to us anyway
# Unseen by people, followed by scanners; far from the unsubscribe link, and not in the text part.
DECOY = (
    '<a href="{{ _decoy_url }}" rel="nofollow" aria-hidden="true" tabindex="-1"'
    ' style="display:none;max-height:0;overflow:hidden;mso-hide:all"></a>'
)
PIXEL = '<img src="{{ _open_url }}" width="1" height="1" alt="" style="display:block;border:0">'


def number_links(protected: Protected, *, are_numbered: bool = True) -> tuple[str, ...]:
    """Rewrite every link to a web page; returns the addresses of links 1, 2, …

    Plain addresses are numbered, computed ones are signed as they are when a mail is rendered. Our
    own links, mailto:, tel: and #anchors stay. Without `are_numbered` all are signed as they are.
    Raises BadTemplate for a link that no mail may have.
    """
    numbers: dict[str, int] = {}
    edits = []
    for tag in scan(protected.text):
        if isinstance(tag, Tag) and tag.name in LINKED and (href := tag.attribute("href")):
            link = _link(protected, tag, href, numbers if are_numbered else None)
            edits.append((href.start, href.end, f'href="{link}"'))
    protected.text = edited(protected.text, edits)
    return tuple(numbers)


def find_relative_links(protected: Protected) -> Iterator[tuple[Place, str]]:
    """Links that lead nowhere from a mailbox: `/offers`, `offers.html`."""
    for tag in scan(protected.text):
        if isinstance(tag, Tag) and tag.name in LINKED and (href := tag.attribute("href")):
            address = unescape(href.value).strip()
            is_computed = any(protected.named(href.value))
            if not is_computed and not address.startswith(LEFT_ALONE) and "://" not in address:
                yield protected.place_at(tag.start), address


def add_traps(source: str) -> str:
    """The finished HTML source with the decoy at the top of its body and the pixel at its end."""
    tags = [one for one in scan(source) if isinstance(one, Tag) and one.name == "body"]
    top = next((one.end for one in tags if not one.is_end), 0)
    bottom = next((one.start for one in reversed(tags) if one.is_end), len(source))
    return edited(source, [(top, top, DECOY), (bottom, bottom, PIXEL)])


def link_name(number: int) -> str:
    """What a numbered link is called inside the compiled template."""
    return f"_link_{number}"


def _link(protected: Protected, tag: Tag, href: Attribute, numbers: dict[str, int] | None) -> str:
    computed = list(protected.named(href.value))
    place = computed[0].place if computed else protected.place_at(tag.start)
    if any(set(OURS) & set(one.words) for one in computed):
        return href.value
    if not computed:
        address = _checked(unescape(href.value).strip(), place)
        if not address or address.startswith(LEFT_ALONE) or "://" not in address:
            return href.value
        if numbers is not None:
            number = numbers.setdefault(address, len(numbers) + 1)
            return protected.token(f"{{{{ {link_name(number)} }}}}", place)
    begin = protected.token(f"{{% filter {TRACKED} %}}", place)
    return f"{begin}{href.value}{protected.token('{% endfilter %}', place)}"


def _checked(address: str, place: Place) -> str:
    try:
        check_scheme(address)
    except ValueError as error:
        raise BadTemplate(place, str(error)) from error
    return address
