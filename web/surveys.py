"""`/s/{token}`: the survey's page, and the one form that records an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rekindle.services import Services
from store.answers import Invited, find_invited, load_answers, save_answer
from store.customers import load_customers
from store.intake import OwnEvent, record_own_events
from store.records import Actor, Answer, MessageId
from surveys.answers import (
    Closed,
    Invitation,
    OffScale,
    Outcome,
    Recorded,
    Reply,
    Unchanged,
    current_answer,
    receive,
    tidy_comment,
)
from surveys.definition import Survey
from templates.links import SurveyInvitation
from web.link_rate import note_look, require_rate
from web.requests import FormLimit, read_form, services_of, visitor_of, write
from web.survey_pages import (
    TRAP,
    Asked,
    Draft,
    closed_page,
    form_page,
    gone_page,
    thanks_page,
)
from web.visits import Sender, Visit, answer_event, record_form

CHANGE = "change"  # in the address that the thanks page leads back to


@dataclass(frozen=True)
class Form:
    """What somebody filled in; `score` is None where none or nonsense was chosen."""

    score: int | None
    comment: str
    solved: str  # yes, no, or empty
    page_made_at: datetime | None = None  # as we signed it; None where the form does not tell
    is_trapped: bool = False  # the field that people cannot see was filled in


async def show_survey(request: Request) -> Response:
    """The page with the chosen score; nothing is recorded but that somebody looked."""
    services = services_of(request)
    token = services.signer.read_survey(request.path_params["token"])
    if token is None:
        return gone_page(request, status=404)
    now = services.clock.now()
    chosen = _as_score(request.query_params.get("score"))
    is_change = CHANGE in request.query_params  # our own button, no score's link of the email
    link = f"survey:{'' if chosen is None or is_change else chosen}"
    await note_look(request, token.message_id, link)
    asked = find_asked(services, token, now)
    if asked is None:
        return gone_page(request, status=410)
    if now >= asked.invitation.closes_at:
        return closed_page(request, asked)
    draft = Draft(_shown_score(asked, chosen), *_said(asked.current))
    return form_page(request, asked, draft, services.signer.sign_page(token.message_id, now))


async def answer_survey(request: Request) -> Response:
    """Record what the form says: the only way an answer comes into being."""
    services = services_of(request)
    token = services.signer.read_survey(request.path_params["token"])
    if token is None:
        return gone_page(request, status=404)
    require_rate(request, token.message_id)
    fields = await read_form(request)
    page_made_at = services.signer.read_page(fields.get("page", ""), token.message_id)
    form = _read(fields, page_made_at)
    now = services.clock.now()
    asked = find_asked(services, token, now)
    if asked is None:
        return gone_page(request, status=410)
    # the page that is shown again was first made when it was first made
    page = services.signer.sign_page(token.message_id, form.page_made_at or now)
    unsent = Draft(None, form.comment, form.solved)
    if form.score is None:
        return form_page(request, asked, unsent, page, is_incomplete=True)
    agent = visitor_of(request).agent
    outcome = await write(services, lambda tx: record_answer(tx, asked, form, agent, now))
    services.wake.changed()
    match outcome:
        case Closed():
            return closed_page(request, asked)
        case OffScale():
            return form_page(request, asked, unsent, page, is_incomplete=True)
        case Recorded() | Unchanged():
            return thanks_page(request, asked, form.score, _change_link(request, form.score))


async def survey(request: Request) -> Response:
    return await (answer_survey if request.method == "POST" else show_survey)(request)


routes = [
    Route("/s/{token}", survey, methods=["GET", "POST"], middleware=[Middleware(FormLimit)]),
]


def find_asked(services: Services, token: SurveyInvitation, now: datetime) -> Asked | None:
    """The survey behind a token; None once the survey or the message is gone."""
    survey = services.library().surveys.get(token.survey)
    with services.store.read() as connection:
        invited = find_invited(connection, token.message_id)
        if survey is None or invited is None:
            return None
        customers = load_customers(connection, [invited.customer_id], now)
        given = [
            one for one in load_answers(connection, token.message_id) if one.survey == survey.survey
        ]
    customer = customers.get(invited.customer_id)
    locale = customer.traits.get("locale") if customer else None
    invitation = _invitation(survey, invited)
    return Asked(
        survey, invitation, locale if isinstance(locale, str) else None, current_answer(given)
    )


def record_answer(tx: Connection, asked: Asked, form: Form, agent: str, now: datetime) -> Outcome:
    """Judge the form's sender, keep what was said, and tell of it if a person said it."""
    invitation, score = asked.invitation, form.score
    assert score is not None
    sender = Sender(agent, form.page_made_at, form.is_trapped)
    visit = record_form(tx, invitation.message_id, score, sender, now)
    if visit is None:
        return Closed()
    solved = form.solved if asked.survey.solved else ""
    is_person = visit.verdict.is_person
    reply = Reply(score, form.comment, visit.hit.occurred_at, is_person, solved)
    given = [
        one for one in load_answers(tx, invitation.message_id) if one.survey == invitation.survey
    ]
    outcome = receive(reply, invitation, given)
    events = [_unsolved_event(visit, asked)] if _is_unsolved(visit, asked, form, outcome) else []
    if isinstance(outcome, Recorded):
        save_answer(tx, outcome.answer, now)
        if outcome.event:
            events.append(answer_event(outcome.event, visit.invited, outcome.answer))
    record_own_events(tx, events, now)
    return outcome


def _is_unsolved(visit: Visit, asked: Asked, form: Form, outcome: Outcome) -> bool:
    was_taken = isinstance(outcome, Recorded | Unchanged)
    return asked.survey.solved and form.solved == "no" and was_taken and visit.verdict.is_person


def _unsolved_event(visit: Visit, asked: Asked) -> OwnEvent:
    invited = visit.invited
    return OwnEvent(
        customer_id=invited.customer_id,
        name="ticket.unsolved",
        occurred_at=visit.hit.occurred_at,
        message_id=f"unsolved:{invited.message_id}:{asked.survey.survey}",
        properties={**invited.ties, "survey": asked.survey.survey, "by": "customer"},
        actor=Actor.CUSTOMER,
    )


def _invitation(survey: Survey, invited: Invited) -> Invitation:
    return Invitation(
        survey=survey.survey,
        scores=survey.scores,
        closes_at=invited.asked_at + survey.expires,
        message_id=MessageId(invited.message_id),
        customer_id=invited.customer_id,
        enrollment_id=invited.enrollment_id,
        key=invited.key,
    )


def _read(fields: Mapping[str, str], page_made_at: datetime | None) -> Form:
    solved = fields.get("solved", "")
    return Form(
        score=_as_score(fields.get("score")),
        comment=tidy_comment(fields.get("comment", "")),
        solved=solved if solved in ("yes", "no") else "",
        page_made_at=page_made_at,
        is_trapped=bool(fields.get(TRAP, "").strip()),
    )


def _said(current: Answer | None) -> tuple[str, str]:
    return (current.comment, current.solved) if current else ("", "")


def _change_link(request: Request, score: int) -> str:
    query = urlencode({"score": score, CHANGE: 1})
    return f"/s/{request.path_params['token']}?{query}"


def _as_score(written: str | None) -> int | None:
    text = (written or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else None


def _shown_score(asked: Asked, chosen: int | None) -> int | None:
    if chosen in asked.invitation.scores:
        return chosen
    return asked.current.score if asked.current else None
