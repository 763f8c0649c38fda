"""Where a link leads: addresses are read as browsers read them (the WHATWG URL Standard)."""

from re import compile as pattern

from ada_url import URL

AROUND = "".join(map(chr, range(0x21)))  # control characters and the space
BREAKS = str.maketrans("", "", "\t\n\r")
SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.-]*):")
WEB = ("http", "https")
REFUSED = ("blob", "data", "file", "javascript", "vbscript")


def clean_address(address: str) -> str:
    """Return it without what browsers pass over: blanks around, line breaks and tabs inside."""
    return address.strip(AROUND).translate(BREAKS)


def scheme_of(address: str) -> str:
    """Return `mailto` for a clean `MAILTO:ana@example.com`; empty for a relative address."""
    found = SCHEME.match(address)
    return found[1].lower() if found else ""


def web_address(address: str) -> str | None:
    """Return what a browser opens, in ASCII; None for what is not on the web or cannot be."""
    address = clean_address(address)
    if scheme_of(address) not in WEB:
        return None
    try:
        return URL(address).href
    except ValueError:
        return None


def check_scheme(address: str) -> None:
    """Raise ValueError for a clean address that a mail may not link to."""
    if (scheme := scheme_of(address)) in REFUSED:
        raise ValueError(f"a mail cannot link to a {scheme}: address.")
