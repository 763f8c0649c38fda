"""What a survey says, in which language."""

import pytest

from surveys.definition import FollowUp, Survey
from surveys.wordings import fill, languages, page_texts, survey_texts, unsubscribe_texts

CSAT = Survey(survey="csat", kind="csat")


def texts(survey=CSAT, wanted="en", brand="Shop", language="en"):
    return survey_texts(survey, wanted, brand=brand, language=language)


def test_a_survey_without_texts_asks_in_our_words():
    asked = texts()

    assert asked.question == "How satisfied are you with the way we handled your request?"
    assert (asked.low, asked.high) == ("Very dissatisfied", "Very satisfied")
    assert set(asked.follow_up) == {"low", "mid", "high"}


def test_a_region_falls_back_to_its_language_and_then_to_the_brands():
    assert texts(wanted="fa-IR").locale == "fa"
    assert texts(wanted="de", language="az").locale == "az"
    assert texts(wanted=None, language="ar").direction == "rtl"


def test_a_brand_in_right_to_left_text_is_isolated():
    asked = texts(Survey(survey="nps", kind="nps"), wanted="ar", brand="Shop")

    assert "\u2068Shop\u2069" in asked.question


def test_the_published_nps_question_is_not_reworded():
    asked = texts(Survey(survey="nps", kind="nps"), brand="Shop")

    assert asked.question == (
        "How likely is it that you would recommend Shop to a friend or colleague?"
    )


def test_a_question_of_ones_own_decides_the_language_of_everything_else():
    own = Survey(survey="csat", kind="csat", question={"az": "Necə keçdi?"})

    asked = texts(own, wanted="fa", language="en")

    assert (asked.locale, asked.question) == ("az", "Necə keçdi?")
    assert asked.high == "Tamamilə razı qaldım"


def test_follow_ups_of_ones_own_stand_beside_ours():
    own = Survey(survey="csat", kind="csat", follow_up=FollowUp(low={"en": "What broke?"}))

    asked = texts(own)

    assert asked.follow_up["low"] == "What broke?"
    assert asked.follow_up["high"] == "Thank you. What did we do particularly well?"


def test_an_unknown_placeholder_is_left_for_whoever_knows_it():
    assert fill("{score} of {max}", "en", score=4) == "4 of {max}"


@pytest.mark.parametrize("locale", languages())
def test_every_language_has_every_text(locale):
    english, other = page_texts("en"), page_texts(locale)
    assert english.keys() == other.keys()
    assert unsubscribe_texts("en").keys() == unsubscribe_texts(locale).keys()
    for kind in ("csat", "nps", "ces"):
        asked = texts(Survey(survey=kind, kind=kind), wanted=locale)
        assert asked.locale == locale
        assert all((asked.question, asked.low, asked.high, asked.thanks))
