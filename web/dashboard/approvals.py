"""`/approvals`: what waits for somebody's yes, and the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from journeys.graph import Node
from rekindle.approving import NO, YES, answer_some, answer_step, what_follows
from rekindle.services import Services
from store.approvals import OpenApproval, WaitingStep, list_open_approvals, list_waiting_steps
from web.dashboard.showing import show
from web.dashboard.words import detail_of, title_of
from web.requests import read_form, read_id, services_of

APPROVALS_SHOWN = 200


@dataclass(frozen=True)
class Question:
    """One open approval, and what would come of either answer."""

    asked: OpenApproval
    after_yes: str
    after_no: str


def show_approvals(request: Request) -> Response:
    services = services_of(request)
    now = services.clock.now()
    with services.store.read() as connection:
        waiting = list_waiting_steps(connection, now)
        found = list_open_approvals(connection, now=now, limit_rows=APPROVALS_SHOWN)
    answered = request.query_params.get("answered", "")
    values = {
        "steps": [(one, _questions(services, one, found)) for one in waiting],
        "total": sum(one.count for one in waiting),
        "answered": read_id(answered),
    }
    return show(request, "approvals", values)


async def answer(request: Request) -> Response:
    """One question or all of a step, in the name of whoever is signed in."""
    form = await read_form(request)
    by, services = str(request.state.user), services_of(request)
    count = await run_in_threadpool(_answer, services, form, by)
    return RedirectResponse(f"/approvals?answered={count}", 303)


def _answer(services: Services, form: Mapping[str, str], by: str) -> int:
    says = form.get("says")
    if says not in ("yes", "no"):
        raise HTTPException(422, "This form says neither yes nor no.")
    is_granted = says == "yes"
    if "approval" in form:
        ids = [_number(form["approval"])]
        return answer_some(services, ids, is_granted=is_granted, by=by)
    newest = _number(form.get("newest", ""))
    step = WaitingStep(form.get("journey", ""), form.get("step", ""), 0, newest)
    return answer_step(services, step, is_granted=is_granted, by=by)


def _number(written: str) -> int:
    if (number := read_id(written)) is None:
        raise HTTPException(422, "This form does not say what it answers.")
    return number


def _questions(
    services: Services, step: WaitingStep, found: Sequence[OpenApproval]
) -> list[Question]:
    place = (step.journey, step.step)
    return [
        Question(
            one,
            _in_words(what_follows(services, one, YES)),
            _in_words(what_follows(services, one, NO)),
        )
        for one in found
        if (one.journey, one.step) == place
    ]


def _in_words(nodes: Sequence[Node]) -> str:
    """`Send thanks, Wait 2 days`; the end where nothing follows."""
    said = [f"{title_of(node.step)} {_detail(node)}".strip() for node in nodes]
    return ", ".join(said) or "the end"


def _detail(node: Node) -> str:
    return detail_of(node.step).replace("the first that holds", "")
