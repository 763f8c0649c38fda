"""What the survey's addresses show, in the customer's language."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from rekindle.locales import digits, direction, fallbacks
from store.records import Answer
from surveys.answers import Invitation
from surveys.definition import Survey
from surveys.wordings import SurveyTexts, fill, page_texts, survey_texts, unsubscribe_texts
from web.pages import page
from web.requests import services_of
from web.texts import band, more_texts, score_labels

TRAP = "leave_empty"  # the field that people cannot see; no browser fills it in by itself


@dataclass(frozen=True)
class Asked:
    """A survey as it stands with one customer."""

    survey: Survey
    invitation: Invitation
    locale: str | None  # what the customer reads; None: unknown
    current: Answer | None


@dataclass(frozen=True)
class Draft:
    """What the form is filled in with already; `score` is None where none is chosen."""

    score: int | None
    comment: str
    solved: str  # yes, no, or empty


def form_page(
    request: Request, asked: Asked, draft: Draft, made: str, *, is_incomplete: bool = False
) -> Response:
    """The question, filled in as in `draft`; `made` is the signed time of the page.

    A form without a score is asked for again, with all else that it had: `is_incomplete`.
    """
    texts = _texts(request, asked)
    scores = [
        (number, label, band(asked.survey.kind, number))
        for number, label in score_labels(asked.invitation.scores, _writing(asked, texts))
    ]
    values = {
        "texts": texts,
        "scores": scores,
        "score": draft.score,
        "asks_solved": asked.survey.solved,
        "solved": draft.solved,
        "comment": draft.comment,
        "page": made,
        "trap": TRAP,
        "is_answered": asked.current is not None,
        "is_incomplete": is_incomplete,
    }
    status = 400 if is_incomplete else 200
    return page(request, "survey", {**_words(request, texts.locale), **values}, status=status)


def thanks_page(request: Request, asked: Asked, score: int, change_link: str) -> Response:
    """What was recorded, and the way back to change it."""
    texts = _texts(request, asked)
    words = _words(request, texts.locale)
    highest = asked.invitation.scores[-1]
    writing = _writing(asked, texts)
    shown = {"score": digits(score, writing), "max": digits(highest, writing)}
    values = {
        "texts": texts,
        "score": score,
        "chosen": fill(words["words"]["chosen"], texts.locale, **shown),
        "token": request.path_params["token"],
        "change_link": change_link,
    }
    return page(request, "thanks", {**words, **values})


def closed_page(request: Request, asked: Asked) -> Response:
    """The survey has expired."""
    words = _words(request, _texts(request, asked).locale)
    return page(request, "notice", {**words, "message": words["words"]["expired"]}, status=410)


def gone_page(request: Request, *, status: int) -> Response:
    """A link we never signed (404), or one whose survey or message is no longer there (410)."""
    language = services_of(request).settings.brand.language
    texts = unsubscribe_texts(language, language)
    values = {"message": texts["invalid"], **_language(texts["locale"])}
    return page(request, "notice", values, status=status)


def _texts(request: Request, asked: Asked) -> SurveyTexts:
    brand = services_of(request).settings.brand
    return survey_texts(asked.survey, asked.locale, brand=brand.name, language=brand.language)


def _writing(asked: Asked, texts: SurveyTexts) -> str:
    """Whose digits: the customer's own country's, where the page is in their language."""
    is_theirs = asked.locale and fallbacks(asked.locale)[-1] == fallbacks(texts.locale)[-1]
    return asked.locale if asked.locale and is_theirs else texts.locale


def _words(request: Request, locale: str) -> dict[str, Any]:
    """The page's own texts in the language its question is in."""
    language = services_of(request).settings.brand.language
    return {
        "words": page_texts(locale, language),
        "more": more_texts(locale, language),
        **_language(locale),
    }


def _language(locale: str) -> Mapping[str, str]:
    return {"locale": locale, "direction": direction(locale)}
