"""How languages write, and which one a reader gets."""

from datetime import date, datetime

import pytest

from rekindle.locales import (
    digits,
    direction,
    isolated,
    parsed,
    pick_locale,
    plural,
    write_day,
    write_money,
    write_number,
    write_short_day,
    write_time,
)


@pytest.mark.parametrize(
    ("wanted", "available", "brand", "picked"),
    [
        ("fa-IR", ("en", "fa"), "en", "fa"),
        ("fa_IR", ("fa-IR", "fa"), "en", "fa-IR"),
        ("de", ("en", "fa"), "fa-IR", "fa"),
        (None, ("en", "fa"), "fa", "fa"),
        ("de", ("az", "en"), "tr", "en"),
        ("de", ("fa", "az"), "tr", "az"),
        ("EN-us", ("en",), "fa", "en"),
        ("", ("en",), "en", "en"),
    ],
)
def test_the_best_language_there_is(wanted, available, brand, picked):
    assert pick_locale(wanted, available, brand) == picked


def test_directions():
    assert [direction(one) for one in ("en", "ar-EG", "fa", "az", "he", "xx-YY")] == [
        "ltr", "rtl", "rtl", "ltr", "rtl", "ltr"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("en", "105"),
        ("fa", "۱۰۵"),
        ("ar", "105"),
        ("ar-SA", "١٠٥"),
        ("ar-AE", "105"),
        ("az", "105"),
    ],
)
def test_digits_follow_the_country(locale, written):
    assert digits(105, locale) == written


def test_days_follow_the_calendar_that_readers_live_by():
    day = date(2026, 3, 21)

    assert write_day(day, "en") == "21 March 2026"
    assert write_day(day, "fa") == "۱ فروردین ۱۴۰۵"
    assert write_day(day, "ar-SA", with_year=False) == "٢١ مارس"
    assert write_day(day, "az") == "21 mart 2026"
    assert write_short_day(day, "fa-IR") == "۱۴۰۵/۰۱/۰۱"
    assert write_short_day(day, "en") == "2026-03-21"


def test_numbers_and_money():
    assert write_number(1234567.891, "en") == "1,234,567.891"
    assert write_number(1234.5, "en", 2) == "1,234.50"
    assert write_number(1234, "en", 0) == "1,234"
    assert write_number(1234.5, "fa") == "۱٬۲۳۴٫۵"
    assert write_money(1234.5, "usd", "en") == "$1,234.50"
    assert "١٬٢٣٤٫٥٠" in write_money(1234.5, "SAR", "ar-SA")


def test_times():
    at = datetime(2026, 3, 2, 14, 5)  # noqa: DTZ001 (shown in its own zone)

    assert write_time(at, "az") == "14:05"
    assert write_time(at, "fa") == "۱۴:۰۵"


def test_an_unknown_language_is_written_like_english():
    assert parsed("xx").language == "en"
    assert write_day(date(2026, 3, 21), "tlh") == "21 March 2026"


def test_plural_categories_are_those_of_the_language():
    assert [plural(n, "ar") for n in (0, 1, 2, 3, 11, 100)] == [
        "zero", "one", "two", "few", "many", "other"
    ]  # fmt: skip
    assert plural(0, "fa") == "one"


def test_values_in_right_to_left_text_are_isolated():
    assert isolated("Shop", "fa") == "\u2068Shop\u2069"
    assert isolated("Shop", "en") == "Shop"
