"""Filters that write figures, money and days as the customer's language does, and sign links."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

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
from templates.links import MailLinks
from templates.rendering import current

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
    return write_money(_number(value), currency, current().locale)


def write_digits(value: Any) -> str:
    """Any text with its figures as the customer's language writes them: a phone number, a code."""
    return digits(value, current().locale)


def write_plural(value: Any, other: str, **forms: str) -> str:
    """`3|plural(one="{n} point", other="{n} points")`, by the language's own plural categories."""
    count = int(_number(value))
    form = forms.get(plural(count, current().locale), other)
    return form.replace("{n}", write_number(count, current().locale))


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
    if isinstance(value, int | float | Decimal):
        return value
    try:
        return Decimal(str(value)[:40])
    except InvalidOperation as error:
        raise ValueError(f"{str(value)[:40]!r} is not a number.") from error


def write_break(value: Any) -> Markup:
    """Text with its line ends kept, for HTML."""
    return Markup("<br>").join(escape(value).splitlines())


OWN_FILTERS: Mapping[str, Callable[..., Any]] = {
    "date": write_date, "number": write_figure, "money": write_price, "digits": write_digits,
    "plural": write_plural, "lines": write_break,
}  # fmt: skip
