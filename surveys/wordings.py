"""What surveys and the pages behind a mail say, in each language: `survey-wordings.yaml`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rekindle.locales import direction, isolated, pick_locale
from surveys.definition import Survey

PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class SurveyTexts:
    """One survey in one language, ready to show."""

    locale: str
    direction: str
    question: str
    low: str  # the label of the lowest score
    high: str
    follow_up: Mapping[str, str]  # low, mid, high: how the score turned out
    thanks: str


def survey_texts(survey: Survey, wanted: str | None, *, brand: str, language: str) -> SurveyTexts:
    """The survey's texts for someone who reads `wanted`; `brand` and `language` are the brand's.

    The language is one that the question was written in; what the survey does not say is ours.
    """
    locale = pick_locale(wanted, survey.question or _wordings(), language)
    ours = _in(locale)[survey.kind]
    own = survey.follow_up
    follow_up = {
        band: pick_text(texts, locale, language) or ours["follow_up"][band]
        for band, texts in (("low", own.low), ("mid", own.mid), ("high", own.high))
    }
    return SurveyTexts(
        locale=locale,
        direction=direction(locale),
        question=fill(survey.question.get(locale) or ours["question"], locale, brand=brand),
        low=ours["low"],
        high=ours["high"],
        follow_up={band: fill(text, locale, brand=brand) for band, text in follow_up.items()},
        thanks=ours["thanks"],
    )


def pick_text(texts: Mapping[str, str], wanted: str | None, language: str) -> str:
    """The text in the best language there is; empty if there is none at all."""
    return texts[pick_locale(wanted, texts, language)] if texts else ""


def page_texts(wanted: str | None, language: str = "en") -> Mapping[str, str]:
    """The survey page's own texts, placeholders and all; `locale` names the language."""
    return _section("page", wanted, language)


def unsubscribe_texts(wanted: str | None, language: str = "en") -> Mapping[str, str]:
    """The preference page's texts, placeholders and all; `locale` names the language."""
    return _section("unsubscribe", wanted, language)


def fill(text: str, locale: str, **values: object) -> str:
    """`text` with its `{placeholders}` filled; in right-to-left text each value is isolated.

    A placeholder without a value stays as it is written.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return isolated(str(values[name]), locale) if name in values else found[0]

    return PLACEHOLDER.sub(value, text)


def languages() -> tuple[str, ...]:
    """The languages in which every text is there."""
    return tuple(_wordings())


def _section(name: str, wanted: str | None, language: str) -> Mapping[str, str]:
    locale = pick_locale(wanted, _wordings(), language)
    return {**_in(locale)[name], "locale": locale}


def _in(locale: str) -> Mapping[str, Any]:
    texts: Mapping[str, Any] = _wordings()[pick_locale(locale, _wordings(), "en")]
    return texts


@cache
def _wordings() -> Mapping[str, Any]:
    text = (Path(__file__).parent / "survey-wordings.yaml").read_text(encoding="utf-8")
    content = yaml.load(text, Loader=yaml.CSafeLoader)
    return {locale: texts for locale, texts in content.items() if locale != "version"}
