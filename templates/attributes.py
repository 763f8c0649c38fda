"""What the value of an HTML attribute is, as opposed to how it is written."""

from turbohtml import tokenize


def decode_attribute(written: str) -> str:
    """Return the value of an attribute as a browser reads it between the quotes.

    Unlike in text, `&copy=` and `&currency` stay what they are there (WHATWG HTML §13.2.5.73).
    """
    if "&" not in written:
        return written
    quoted = written.replace('"', "&quot;")
    return next(iter(tokenize(f'<a b="{quoted}">'))).attr("b") or ""
