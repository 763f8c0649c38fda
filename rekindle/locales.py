"""How languages write: direction, digits, plurals, calendars, and which one a customer gets."""

from collections.abc import Collection
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache

import jdatetime
from babel import Locale, UnknownLocaleError
from babel.dates import format_time as babel_time
from babel.numbers import format_currency, format_decimal

DIGITS = {"arab": "٠١٢٣٤٥٦٧٨٩", "arabext": "۰۱۲۳۴۵۶۷۸۹", "beng": "০১২৩৪৫৬৭৮৯", "deva": "०१२३४५६७८९"}
SEPARATORS = {"arab": str.maketrans(",.", "٬٫"), "arabext": str.maketrans(",.", "٬٫")}
LONGEST_TAG = 35  # characters of a language tag that are read (RFC 5646 §4.4.1)
SOLAR_HIJRI = ("fa",)  # languages whose readers count years by the Solar Hijri calendar
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"


def fallbacks(locale: str) -> tuple[str, ...]:
    """`fa-IR` as (`fa-IR`, `fa`)."""
    parts = locale[:LONGEST_TAG].replace("_", "-").split("-")
    return tuple("-".join(parts[:length]) for length in range(len(parts), 0, -1))


def pick_locale(wanted: str | None, available: Collection[str], brand: str) -> str:
    """The best of `available`: what is wanted, its language, the brand's, English, any."""
    by_tag = {tag.replace("_", "-").lower(): tag for tag in available}
    for candidate in (*fallbacks(wanted or brand), *fallbacks(brand), "en"):
        if candidate.lower() in by_tag:
            return by_tag[candidate.lower()]
    return min(available, default=brand)


@lru_cache(maxsize=256)
def parsed(locale: str) -> Locale:
    """Babel's view of `locale`, of its language, or of English where nobody knows either."""
    for tag in fallbacks(locale):
        try:
            return Locale.parse(tag, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


def is_known(locale: str) -> bool:
    """Whether anybody has heard of this language."""
    return locale == "en" or parsed(locale) != Locale("en") or fallbacks(locale)[-1] == "en"


def direction(locale: str) -> str:
    """`rtl` or `ltr`."""
    return parsed(locale).text_direction


def digits(written: object, locale: str) -> str:
    """`written` with its ASCII digits as the locale writes them."""
    table = _digit_table(locale)
    return str(written).translate(table) if table else str(written)


def isolated(text: str, locale: str) -> str:
    """`text` so that it cannot disturb right-to-left text around it."""
    if direction(locale) == "ltr":
        return text
    return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}"


def plural(count: int, locale: str) -> str:
    """The CLDR plural category of a whole number: `one`, `few`, `other`, …"""
    category: str = parsed(locale).plural_form(count)
    return category


def write_number(number: float | Decimal, locale: str, decimals: int | None = None) -> str:
    """Grouped, in the locale's digits; `decimals` fixes the places after the point."""
    pattern = None if decimals is None else "#,##0" + ("." + "0" * decimals if decimals else "")
    return _localised(format_decimal(number, format=pattern, locale=parsed(locale)), locale)


def write_money(amount: float | Decimal, currency: str, locale: str) -> str:
    return _localised(format_currency(amount, currency.upper(), locale=parsed(locale)), locale)


def write_day(day: date, locale: str, *, with_year: bool = True) -> str:
    """`3 May 2026`, in the calendar that readers of the locale live by."""
    number, month, year = _calendar_parts(day, locale)
    words = f"{number} {month} {year}" if with_year else f"{number} {month}"
    return digits(words, locale)


def write_short_day(day: date, locale: str) -> str:
    """Figures only, year first: `2026-05-03`, `۱۴۰۵/۰۲/۱۳`."""
    if not _is_solar(locale):
        return digits(day.isoformat(), locale)
    solar = jdatetime.date.fromgregorian(date=day)
    return digits(f"{solar.year}/{solar.month:02}/{solar.day:02}", locale)


def write_weekday(day: date, locale: str) -> str:
    name: str = parsed(locale).days["format"]["wide"][day.weekday()]
    return name


def write_time(instant: datetime | time, locale: str) -> str:
    """Hours and minutes, of an instant in its own zone."""
    of_day = instant.time() if isinstance(instant, datetime) else instant
    return digits(babel_time(of_day, format="short", locale=parsed(locale)), locale)


def _calendar_parts(day: date, locale: str) -> tuple[int, str, int]:
    if _is_solar(locale):
        solar = jdatetime.date.fromgregorian(date=day)
        return solar.day, jdatetime.date.j_months_fa[solar.month - 1], solar.year
    return day.day, parsed(locale).months["format"]["wide"][day.month], day.year


def _is_solar(locale: str) -> bool:
    return fallbacks(locale)[-1] in SOLAR_HIJRI


def _localised(written: str, locale: str) -> str:
    system = parsed(locale).default_numbering_system
    return digits(written.translate(SEPARATORS.get(system, {})), locale)


@lru_cache(maxsize=256)
def _digit_table(locale: str) -> dict[int, int] | None:
    shapes = DIGITS.get(parsed(locale).default_numbering_system)
    return str.maketrans("0123456789", shapes) if shapes else None
