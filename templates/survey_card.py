"""A survey inside a mail: its question and one link a score, as HTML and as plain text."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from jinja2 import Template, UndefinedError
from markupsafe import Markup

from rekindle.locales import FIRST_STRONG_ISOLATE, POP_ISOLATE, digits, direction
from templates.plain import LINE, PARAGRAPH
from templates.rendering import current
from templates.sandbox import HTML, run
from templates.sources import own_templates


@dataclass(frozen=True)
class SurveyCard:
    """What a mail shows of a survey, in the language of its texts."""

    survey: str
    question: str
    low: str  # the label of the lowest score
    high: str
    scores: tuple[int, ...]  # lowest first
    locale: str


class SurveyCards:
    """The function `survey(name)` of a template."""

    def __init__(self, cards: Mapping[str, SurveyCard]) -> None:
        self._cards = cards

    def __call__(self, name: str) -> str:
        card = self._cards.get(name)
        if card is None:
            raise UndefinedError(f"no survey is called {name!r}")
        return _as_html(card) if current().is_html else _as_text(card)


def _as_html(card: SurveyCard) -> Markup:
    side = direction(card.locale)
    labels = _labels(card)
    values = {
        "locale": card.locale, "direction": side, "url": _url(card),
        "question": _html(card.question),
        "low": card.low, "high": card.high, "width": 100 // len(card.scores),
        "start": "right" if side == "rtl" else "left", "end": "left" if side == "rtl" else "right",
        "scores": [
            {"value": score, "shown": digits(score, card.locale), "label": labels[score]}
            for score in card.scores
        ],
    }  # fmt: skip
    return Markup(run(_template(), values))


def _as_text(card: SurveyCard) -> str:
    url, labels = _url(card), _labels(card)
    lines = [f"{labels[score]}: {url}?score={score}" for score in card.scores]
    return f"{PARAGRAPH}{card.question}{LINE}{LINE.join(lines)}{PARAGRAPH}"


def _labels(card: SurveyCard) -> Mapping[int, str]:
    """Each score in the reader's digits, the first and the last with what they mean."""
    meanings = {card.scores[0]: card.low, card.scores[-1]: card.high}
    return {
        score: digits(score, card.locale) + (f" – {meanings[score]}" if score in meanings else "")
        for score in card.scores
    }


def _url(card: SurveyCard) -> str:
    links = current().links
    return links.survey_url(card.survey) if links else ""


def _html(text: str) -> Markup:
    """Text whose Unicode isolates, if any, become elements, which more mailboxes respect."""
    escaped = str(Markup.escape(text))
    return Markup(escaped.replace(FIRST_STRONG_ISOLATE, "<bdi>").replace(POP_ISOLATE, "</bdi>"))


@cache
def _template() -> Template:
    return HTML.from_string(own_templates()["survey"])
