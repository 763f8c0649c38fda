"""Turns a mail's links into links that come back to us, once a template."""

from collections.abc import Iterator

from templates.addresses import WEB, check_scheme, clean_address, scheme_of, web_address
from templates.filters import TRACKED
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
    for tag, href in _links(protected):
        if link := _link(protected, tag, href, numbers if are_numbered else None):
            edits.append((href.start, href.end, f'href="{link}"'))
    protected.text = edited(protected.text, edits)
    return tuple(numbers)


def find_dead_links(protected: Protected) -> Iterator[tuple[Place, str, str]]:
    """Links that lead nowhere from a mailbox: where, what is wrong, and what to do about it."""
    for tag, href in _links(protected):
        if any(protected.named(href.value)):
            continue
        address, place = clean_address(href.decoded), protected.place_at(tag.start)
        scheme = scheme_of(address)
        if scheme in WEB and not web_address(address):
            yield place, f"no browser can open {address!r}.", ""
        elif not address.startswith("#") and (not scheme or "." in scheme):
            message = f"a link in a mail needs a whole address, not {address!r}."
            yield place, message, "Begin it with https://."


def add_traps(protected: Protected) -> None:
    """Put the decoy at the top of the body and the pixel at its end."""
    bodies = [tag for tag in scan(protected.text) if isinstance(tag, Tag) and tag.name == "body"]
    top = next((tag.end for tag in bodies if not tag.is_end), 0)
    bottom = next((tag.start for tag in reversed(bodies) if tag.is_end), len(protected.text))
    traps = [(top, top, DECOY), (bottom, bottom, PIXEL)]
    protected.text = edited(protected.text, traps)


def link_name(number: int) -> str:
    """What a numbered link is called inside the compiled template."""
    return f"_link_{number}"


def _links(protected: Protected) -> Iterator[tuple[Tag, Attribute]]:
    for tag in scan(protected.text):
        if not isinstance(tag, Tag) or tag.is_end or tag.name not in LINKED:
            continue
        if href := tag.attribute("href"):
            yield tag, href


def _link(
    protected: Protected, tag: Tag, href: Attribute, numbers: dict[str, int] | None
) -> str | None:
    """What stands in the place of the address; None where it stays as it was written."""
    computed = list(protected.named(href.value))
    place = computed[0].place if computed else protected.place_at(tag.start)
    if any(set(OURS) & set(piece.words) for piece in computed):
        return None
    if not computed:
        address = _checked(clean_address(href.decoded), place)
        if not web_address(address):
            return None
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
