"""Approvals: what waits for somebody's yes, and answering it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from rekindle.api.asking import LARGEST_ID, LARGEST_PAGE, Asked, Here, Limit
from rekindle.api.documents import AnsweredDocument, ApprovalsDocument
from rekindle.approving import NO, YES, answer_some, what_follows
from rekindle.services import Services
from store.approvals import OpenApproval, list_open_approvals

router = APIRouter(prefix="/approvals", tags=["approvals"])
Number = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class Answer(Asked):
    """`by` is the person who said it, for the record."""

    ids: list[Number] = Field(min_length=1, max_length=LARGEST_PAGE)
    says: Literal["yes", "no"]
    by: str = Field(min_length=1, max_length=200)


@router.get("", response_model=ApprovalsDocument)
def show_all(
    services: Here,
    journey: Annotated[str | None, Query(max_length=200)] = None,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
    limit: Limit = 100,
) -> dict[str, Any]:
    """What can be answered now, the oldest first, a page at a time."""
    now = services.clock.now()
    with services.store.read() as connection:
        found = list_open_approvals(connection, journey, now=now, after=after, limit_rows=limit)
    return {
        "approvals": [_document(services, one) for one in found],
        "after": found[-1].id if len(found) == limit else None,
    }


@router.post("", response_model=AnsweredDocument)
def answer(asked: Answer, services: Here) -> dict[str, Any]:
    """Say yes or no; what is not open any more is passed over, and `answered` counts the rest."""
    return {
        "answered": answer_some(services, asked.ids, is_granted=asked.says == "yes", by=asked.by)
    }


def _document(services: Services, one: OpenApproval) -> dict[str, Any]:
    return {
        "id": one.id,
        "journey": one.journey,
        "step": one.step,
        "customer": one.customer,
        "people": one.people,
        "message": one.message,
        "asked_at": one.asked_at,
        "until": one.until,
        "after_yes": [node.id for node in what_follows(services, one, YES)],
        "after_no": [node.id for node in what_follows(services, one, NO)],
    }
