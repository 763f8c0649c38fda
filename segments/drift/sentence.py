"""One sentence about a customer's drift, in the reader's language: `drift-sentences.yaml`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from functools import cache
from math import floor
from pathlib import Path
from typing import Any

import yaml

from rekindle.locales import digits, isolated, pick_locale, plural, write_day
from segments.drift.figures import DriftFigures

PEERS = 10  # the peers of the sentence: "of 10 customers like this"
PLACEHOLDER = re.compile(r"\{(\w+)(?::(\w+))?\}")
GOAL = "goal"

Fragment = Mapping[str, str]  # plural category or exact `=n` -> text


@dataclass(frozen=True)
class _Writer:
    """Fills fragments in one language; `mark` wraps what is inserted."""

    texts: Mapping[str, Any]
    locale: str
    mark: Callable[[str], str]

    def number(self, count: int) -> str:
        return self.mark(digits(count, self.locale))

    def counted(self, fragment: Fragment, count: int, lengths: Mapping[str, int]) -> str:
        """The form of `fragment` for `count`, with the lengths that it mentions in words."""
        return self.filled(choose_form(fragment, count, self.locale), lengths, n=self.number(count))

    def filled(self, text: str, lengths: Mapping[str, int], **values: str) -> str:
        def value(found: re.Match[str]) -> str:
            name, length = found[1], found[2]
            if length is None:
                return values[name]
            return self.counted(self.texts[name], lengths[length], {})

        return PLACEHOLDER.sub(value, text)


def describe(
    figures: DriftFigures, locale: str, now: datetime, zone: tzinfo, *, isolates: bool = False
) -> str:
    """What the figures say, for a reader of `locale` in `zone`; English for a language we lack.

    With `isolates`, numbers and dates inside right-to-left text are wrapped in Unicode isolates.
    """
    chosen = pick_locale(locale, sentences(), "en")
    region = locale if locale.replace("_", "-").split("-")[0] == chosen else chosen
    mark: Callable[[str], str] = (lambda text: isolated(text, region)) if isolates else str
    writer = _Writer(sentences()[chosen], region, mark)
    today = now.astimezone(zone).date()
    parts = {"cadence": _cadence(figures, writer), "silence": _silence(figures, writer)}
    if figures.next_state is None or figures.next_state_at is None:
        lost_on = _date(figures.lost_at.astimezone(zone).date(), today, writer)
        crossing = writer.filled(writer.texts["crossing"]["lost"], {}, date=lost_on)
        return writer.filled(writer.texts["sentence_lost"], {}, crossing=crossing, **parts)
    next_on = figures.next_state_at.astimezone(zone).date()
    crossing = _crossing(figures.next_state, next_on, today, writer)
    peers = _peers(figures, writer)
    return writer.filled(writer.texts["sentence"], {}, peers=peers, crossing=crossing, **parts)


def choose_form(fragment: Fragment, count: int, locale: str) -> str:
    """The text for a whole number: an exact `=n` first, then its CLDR category by name."""
    exact = fragment.get(f"={count}")
    return exact if exact is not None else fragment.get(plural(count, locale), fragment["other"])


def write_days(count: int, locale: str) -> str:
    """A length of time as a phrase: `14 days`, `۱۴ روز`."""
    chosen = pick_locale(locale, sentences(), "en")
    return _Writer(sentences()[chosen], locale, str).counted(sentences()[chosen]["days"], count, {})


def _cadence(figures: DriftFigures, writer: _Writer) -> str:
    texts = writer.texts["cadence"]
    if figures.usual_days is None:
        return str(texts["once" if figures.clock == GOAL else "once_any"])
    usual = _gap(figures.usual_days)
    lately = usual if figures.lately_days is None else _gap(figures.lately_days)
    words = writer.filled(texts[figures.clock], {"usual": usual})
    if lately == usual:
        return words
    return writer.filled(texts["lately"], {"lately": lately}, cadence=words)


def _silence(figures: DriftFigures, writer: _Writer) -> str:
    # silence counts from the first instant of the last day: a part of a day is still that day
    return writer.counted(writer.texts["silence"][figures.clock], floor(figures.silence_days), {})


def _peers(figures: DriftFigures, writer: _Writer) -> str:
    stay = min(PEERS, max(0, _rounded(PEERS * figures.stays)))
    lengths = {"limit": _rounded(figures.limit_days)}
    form = choose_form(writer.texts["peers"], stay, writer.locale)
    return writer.filled(form, lengths, n=writer.number(stay), of=writer.number(PEERS))


def _crossing(state: str, on: date, today: date, writer: _Writer) -> str:
    named = {today: "today", today + timedelta(days=1): "tomorrow"}.get(on, "next")
    text = writer.texts["crossing"][named]
    return writer.filled(
        text, {}, state=writer.texts["states"][state], date=_date(on, today, writer)
    )


def _date(day: date, today: date, writer: _Writer) -> str:
    return writer.mark(
        write_day(day, writer.locale, with_year=not _is_this_year(day, today, writer))
    )


def _is_this_year(day: date, today: date, writer: _Writer) -> bool:
    # by either calendar: a day in our year is never far enough from now to be taken for another
    return day.year == today.year or _year(day, writer.locale) == _year(today, writer.locale)


def _year(day: date, locale: str) -> str:
    return write_day(day, locale).rpartition(" ")[2]


def _gap(days: float) -> int:
    return max(1, _rounded(days))


def _rounded(number: float) -> int:
    return floor(number + 0.5)  # half up


@cache
def sentences() -> Mapping[str, Any]:
    """The fragments of each language, and the examples that serve as tests."""
    text = (Path(__file__).parent / "drift-sentences.yaml").read_text(encoding="utf-8")
    content = yaml.load(text, Loader=yaml.CSafeLoader)
    return {name: texts for name, texts in content.items() if name not in ("version", "examples")}
