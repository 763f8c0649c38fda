"""Filters that write figures, money and days as the customer's language does, and sign links."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from math import isnan
from re import compile as pattern
from typing import Any, Literal

from jinja2 import Undefined
from markupsafe import Markup, escape

from rekindle.locales import (
    digits,
    plural,
    write_day,
    write_money,
    write_number,
    write_short_day,
    write_time,
    write_weekday,
)
from templates.addresses import WEB, check_scheme, clean_address, scheme_of
from templates.attributes import decode_attribute
from templates.limits import check_length
from templates.links import MailLinks
from templates.rendering import current

LONGEST_NUMBER = 40  # characters
LARGEST_NUMBER, SMALLEST_NUMBER = Decimal("1e30"), Decimal("1e-30")
CURRENCY = pattern("[A-Za-z]{3}")
TRACKED = "tracked"  # the filter that compiling puts around a computed address
DateStyle = Literal["long", "short", "day", "weekday", "time"]


def write_date(value: Any, style: DateStyle = "long") -> str:
    """`long` 3 May 2026, `short` 2026-05-03, `day` 3 May, `weekday` Sunday, `time` 14:30.

    Takes an instant (shown in the customer's zone), a date, or either as ISO 8601 text.
    Raises ValueError for anything else.
    """
    locale, moment = current().locale, _moment(value)
    if isinstance(moment, datetime):
        moment = moment.astimezone(current().zone)
        if style == "time":
            return write_time(moment, locale)
        moment = moment.date()
    match style:
        case "long":
            return write_day(moment, locale)
        case "short":
            return write_short_day(moment, locale)
        case "day":
            return write_day(moment, locale, with_year=False)
        case "weekday":
            return write_weekday(moment, locale)
        case _:
            raise ValueError("date() knows 'long', 'short', 'day', 'weekday' and 'time'.")


def write_figure(value: Any, decimals: int | None = None) -> str:
    """`1,234.5` in the customer's digits; `decimals` (0 to 6) fixes the places after the point."""
    if decimals is not None and not 0 <= decimals <= 6:
        raise ValueError("number() takes 0 to 6 decimals.")
    return write_number(_number(value), current().locale, decimals)


def write_price(value: Any, currency: str) -> str:
    """`€12.50`; `currency` is the ISO 4217 code, as in `12.5|money("EUR")`."""
    if not CURRENCY.fullmatch(str(currency)):
        raise ValueError(f"{str(currency)[:20]!r} is not a currency such as 'EUR'.")
    return write_money(_number(value), currency, current().locale)


def write_digits(value: Any) -> str:
    """Any text with its figures as the customer's language writes them: a phone number, a code."""
    return digits(value, current().locale)


def write_plural(value: Any, other: str, **forms: str) -> str:
    """`3|plural(one="{n} point", other="{n} points")`, by the language's own plural categories."""
    count = int(_number(value))
    form = forms.get(plural(count, current().locale), other)
    number = write_number(count, current().locale)
    check_length(len(form) + form.count("{n}") * len(number))
    return form.replace("{n}", number)


def signed_link(address: str) -> str:
    """A computed address as a link that counts clicks; what is not a web page stays as it is.

    In HTML the address arrives escaped and leaves so. Raises ValueError for other schemes.
    """
    rendering = current()
    plain = clean_address(decode_attribute(address) if rendering.is_html else address)
    found = rendering.signed.get(plain)
    if found is None:
        found = rendering.signed[plain] = _signed(plain, rendering.links)
    return escape(found) if rendering.is_html else found


def _signed(address: str, links: MailLinks | None) -> str:
    if links is not None and scheme_of(address) in WEB:
        return address if address.startswith(links.own_prefixes) else links.click_url(address)
    check_scheme(address)
    return address


def _moment(value: Any) -> datetime | date:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value[:40]!r} is not a date.") from error
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return value
    raise ValueError(f"date() takes a date, not {type(value).__name__}.")


def _number(value: Any) -> int | float | Decimal:
    """Return a number of sensible size: "1e999999" has eight characters and a million digits.

    Raises ValueError for anything else.
    """
    is_plain = isinstance(value, int) or (isinstance(value, float) and not isnan(value))
    number: int | float | Decimal = value if is_plain else _decimal(value)
    size = Decimal(number).copy_abs()
    if size >= LARGEST_NUMBER:
        raise ValueError("a number is larger than any that people read.")
    return number if size > SMALLEST_NUMBER else 0


def _decimal(value: Any) -> Decimal:
    is_told = isinstance(value, str | float | Decimal | Undefined)
    written = str(value) if is_told else type(value).__name__
    try:
        number = Decimal(written) if len(written) <= LONGEST_NUMBER else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{written[:LONGEST_NUMBER]!r} is not a number.")
    return number


def write_break(value: Any) -> Markup:
    """Text with its line ends kept, for HTML."""
    return Markup("<br>").join(escape(value).splitlines())


OWN_FILTERS: Mapping[str, Callable[..., Any]] = {
    "date": write_date, "number": write_figure, "money": write_price, "digits": write_digits,
    "plural": write_plural, "lines": write_break,
}  # fmt: skip
