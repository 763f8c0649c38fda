"""Journeys: their figures, stopping them, and putting one customer in or out."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field, JsonValue
from starlette.exceptions import HTTPException

from journeys.permission import Refused
from rekindle.api.asking import CONFLICT, UNKNOWN, Asked, ExternalId, Here, Name
from rekindle.api.documents import (
    ExitedDocument,
    JourneyDocument,
    JourneysDocument,
    StartedDocument,
    StateDocument,
)
from rekindle.customers import find_known
from rekindle.errors import NotFound
from rekindle.reports import journey_documents
from rekindle.services import Services
from store.enrollments import find_started
from store.journey_states import find_stopped
from workers.changes import exit_customer
from workers.pausing import resume_journey, stop_journey
from workers.starts import Wanted, start_by_hand

router = APIRouter(prefix="/journeys", tags=["journeys"])
BEFORE: dict[int | str, dict[str, Any]] = {
    200: {"model": StartedDocument, "description": "This request started it before; no change."}
}


class Reason(Asked):
    reason: str = Field(default="stopped through the API", min_length=1, max_length=500)


class Start(Asked):
    """`request_id` makes asking twice harmless; `properties` are what mails call `event`."""

    customer: str = Field(min_length=1, max_length=500)
    request_id: str = Field(min_length=1, max_length=200)
    properties: dict[str, JsonValue] = Field(default={}, max_length=100)


class Exit(Asked):
    """Without a key, every enrollment of the customer in this journey ends."""

    key: str | None = Field(default=None, max_length=500)


@router.get("", response_model=JourneysDocument)
def show_all(services: Here) -> dict[str, Any]:
    """Every journey with its figures."""
    return {"journeys": _documents(services)}


@router.get("/{name}", response_model=JourneyDocument, responses=UNKNOWN)
def show(name: Name, services: Here) -> dict[str, Any]:
    """One journey with its figures."""
    found = next((one for one in _documents(services) if one["journey"] == name), None)
    if found is None:
        raise NotFound(f"no journey is called {name!r}.")
    return found


@router.post("/{name}/pause", response_model=StateDocument, responses=UNKNOWN)
def pause(name: Name, services: Here, asked: Reason | None = None) -> dict[str, Any]:
    """Nobody starts or moves on until it is resumed; exits, goals and suppressions still act."""
    why = (asked or Reason()).reason
    with services.store.begin() as tx:
        stop_journey(tx, services.library(), name, why, services.clock.now())
    return {"journey": name, "stopped": why}


@router.post("/{name}/resume", response_model=StateDocument, responses=UNKNOWN)
def resume(name: Name, services: Here) -> dict[str, Any]:
    """Let a stopped journey go on."""
    with services.store.begin() as tx:
        resume_journey(tx, services.library(), name, services.clock.now())
    services.wake.changed()
    return {"journey": name, "stopped": None}


@router.post(
    "/{name}/start",
    response_model=StartedDocument,
    status_code=201,
    responses={**UNKNOWN, **CONFLICT, **BEFORE},
)
def start(name: Name, asked: Start, services: Here, answer: Response) -> dict[str, Any]:
    """Start one customer in a journey that has the start `api`; 200 if this request did before."""
    library, now = services.library(), services.clock.now()
    with services.store.begin() as tx:
        customer_id = find_known(tx, asked.customer)
        wanted = Wanted(name, customer_id, asked.request_id, asked.properties)
        if find_started(tx, name, customer_id, wanted.occurrence) is not None:
            answer.status_code = 200
        begun = start_by_hand(tx, library, wanted, now)
    if isinstance(begun, Refused):
        raise HTTPException(409, f"{asked.customer} does not start in {name}: {begun.reason}.")
    services.wake.advance([begun])
    services.wake.changed()
    return {"journey": name, "customer": asked.customer, "enrollment": begun}


@router.post(
    "/{name}/exit/{external_id:path}",
    response_model=ExitedDocument,
    responses={**UNKNOWN, **CONFLICT},
)
def leave(
    name: Name, external_id: ExternalId, services: Here, asked: Exit | None = None
) -> dict[str, Any]:
    """Take one customer out; mails that have not left are cancelled."""
    key = asked.key if asked else None
    with services.store.begin() as tx:
        if name not in services.library().journeys:
            raise NotFound(f"no journey is called {name!r}.")
        customer_id = find_known(tx, external_id)
        ended = exit_customer(tx, name, customer_id, services.clock.now(), key)
    if not ended:
        raise HTTPException(409, f"{external_id} is not inside {name}.")
    services.wake.changed()
    return {"journey": name, "customer": external_id, "ended": ended}


def _documents(services: Services) -> list[dict[str, Any]]:
    with services.store.read() as connection:
        stopped = find_stopped(connection)
    return [{**one, "stopped": stopped.get(one["journey"])} for one in journey_documents(services)]
