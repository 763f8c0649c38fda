"""Gathers, in sets, what mails and notices may say about each customer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from journeys.timing import zone_of
from rekindle.drifting import load_figures
from rekindle.workspace.library import Library
from segments.drift.sentence import describe
from store.customers import load_customers
from store.occasions import (
    StartEvent,
    Tally,
    load_enrollment_answers,
    load_start_events,
    load_tallies,
)
from store.records import Customer, CustomerId, EnrollmentId
from surveys.wordings import survey_texts
from templates.context import Drifting, History, Occasion, Past, Said, Told
from templates.survey_card import SurveyCard


@dataclass(frozen=True)
class Reader:
    """Somebody who is about to be told something, and in which enrollment."""

    customer_id: CustomerId
    enrollment_id: EnrollmentId | None


def tell_about(
    connection: Connection,
    library: Library,
    readers: Sequence[Reader],
    now: datetime,
    *,
    known_by: datetime | None = None,
) -> list[Told]:
    """For each reader everything a template may read; those unknown have an empty customer.

    A look back says as known by when; live work tells all that is committed.
    """
    customer_ids = {one.customer_id for one in readers}
    enrollment_ids = {one.enrollment_id for one in readers if one.enrollment_id is not None}
    customers = load_customers(connection, customer_ids, now, known_by=known_by)
    starts = load_start_events(connection, enrollment_ids)
    answered = load_enrollment_answers(connection, enrollment_ids)
    histories = _histories(connection, library, customer_ids, now, known_by)
    drifts = _drifts(connection, library, customers.values(), now)
    told = []
    for one in readers:
        customer = customers.get(one.customer_id, Customer(one.customer_id, ""))
        start = starts.get(one.enrollment_id) if one.enrollment_id else None
        replies = answered.get(one.enrollment_id, {}) if one.enrollment_id else {}
        told.append(
            Told(
                customer=customer,
                now=now,
                zone=zone_of(customer.traits.get("zone"), library.settings.brand.tz),
                event=_occasion(start),
                answers={name: Said(*reply) for name, reply in replies.items()},
                drift=drifts.get(one.customer_id),
                history=histories.get(one.customer_id, History()),
                cards=cards_for(library, customer),
            )
        )
    return told


def _occasion(start: StartEvent | None) -> Occasion | None:
    return Occasion(start.name, start.occurred_at, start.properties) if start else None


def locale_of(customer: Customer) -> str | None:
    """The language a customer reads, where we know it."""
    locale = customer.traits.get("locale")
    return locale if isinstance(locale, str) and locale else None


def cards_for(library: Library, customer: Customer) -> dict[str, SurveyCard]:
    """Every survey as this customer would be asked it."""
    brand = library.settings.brand
    cards = {}
    for name, survey in library.surveys.items():
        texts = survey_texts(survey, locale_of(customer), brand=brand.name, language=brand.language)
        scores = tuple(survey.scores)
        cards[name] = SurveyCard(name, texts.question, texts.low, texts.high, scores, texts.locale)
    return cards


def _histories(
    connection: Connection,
    library: Library,
    ids: Collection[CustomerId],
    now: datetime,
    known_by: datetime | None,
) -> dict[CustomerId, History]:
    """Only read where some template asks for it: it looks at everything a customer ever did."""
    if not any("history" in source for source in library.templates.values()):
        return {}
    tallies = load_tallies(connection, ids, library.settings.activity.goal, now, known_by=known_by)
    return {
        id_: History(**{what: _past(tally) for what, tally in theirs.items()})
        for id_, theirs in tallies.items()
    }


def _past(tally: Tally) -> Past:
    return Past(tally.count, tally.first_at, tally.last_at)


def _drifts(
    connection: Connection, library: Library, customers: Collection[Customer], now: datetime
) -> dict[CustomerId, Drifting]:
    brand = library.settings.brand
    figures = load_figures(connection, [one.id for one in customers], now, brand.tz)
    found = {}
    for one in customers:
        if theirs := figures.get(one.id):
            zone = zone_of(one.traits.get("zone"), brand.tz)
            sentence = describe(theirs, locale_of(one) or brand.language, now, zone)
            silence = int(theirs.silence_days)
            found[one.id] = Drifting(theirs.state, theirs.risk, silence, sentence)
    return found
