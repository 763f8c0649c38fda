"""Customers by their external id: look, tell, export, erase, merge, suppress, unsuppress."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field, JsonValue

from rekindle.api.asking import CONFLICT, UNKNOWN, Asked, ExternalId, Here
from rekindle.api.documents import (
    CustomerDocument,
    ErasedDocument,
    ExportedDocument,
    MergedDocument,
    SuppressedDocument,
    ToldDocument,
    UnsuppressedDocument,
)
from rekindle.customers import erase, export_document, merge, suppress, tell, unsuppress
from rekindle.errors import WrongUse
from rekindle.portrait import as_document, load_portrait
from rekindle.services import Services
from store.events import OWN

router = APIRouter(prefix="/customers", tags=["customers"])
Status = Literal["granted", "denied", "unknown"]
Text = Annotated[str, Field(min_length=1, max_length=500)]


class Told(Asked):
    """What is said of a customer; a trait of null is cleared, those not named stay."""

    traits: dict[Text, JsonValue] = Field(default={}, max_length=500)
    consents: dict[Text, Status] = Field(default={}, max_length=500)


class Others(Asked):
    others: list[Text] = Field(min_length=1, max_length=100)


class Reason(Asked):
    reason: str = Field(default="", max_length=500)


class Because(Asked):
    reason: Text


@router.get("/{external_id:path}/export", response_model=ExportedDocument, responses=UNKNOWN)
def export(external_id: ExternalId, services: Here) -> dict[str, Any]:
    """All that is stored of one customer, noun by noun."""
    return export_document(services, external_id)


@router.get("/{external_id:path}", response_model=CustomerDocument, responses=UNKNOWN)
def show(external_id: ExternalId, services: Here) -> dict[str, Any]:
    """Everything about one customer."""
    return as_document(load_portrait(services, external_id))


@router.put(
    "/{external_id:path}",
    response_model=ToldDocument,
    responses={201: {"model": ToldDocument, "description": "A customer was made."}},
)
def put(external_id: ExternalId, told: Told, services: Here, response: Response) -> dict[str, Any]:
    """Set traits and consents; makes the customer if there is none of that id."""
    _check(services, external_id, told)
    if tell(services, external_id, told.traits, told.consents):
        response.status_code = 201
    return {"id": external_id}


@router.delete(
    "/{external_id:path}", response_model=ErasedDocument, responses={**UNKNOWN, **CONFLICT}
)
def forget(external_id: ExternalId, services: Here) -> dict[str, Any]:
    """Erase every byte that names this customer; counts stand on a row that names nobody."""
    erase(services, external_id)
    return {"erased": external_id}


@router.post("/{external_id:path}/merge", response_model=MergedDocument, responses=UNKNOWN)
def merge_into(external_id: ExternalId, asked: Others, services: Here) -> dict[str, Any]:
    """Make one customer of several: all that the others have becomes this one's."""
    merge(services, external_id, asked.others)
    return {"id": external_id, "merged": asked.others}


@router.post("/{external_id:path}/suppress", response_model=SuppressedDocument, responses=UNKNOWN)
def stop_mail(
    external_id: ExternalId, services: Here, asked: Reason | None = None
) -> dict[str, Any]:
    """No more mail to any address this customer ever had."""
    return {"suppressed": suppress(services, [external_id], asked.reason if asked else "")}


@router.post(
    "/{external_id:path}/unsuppress", response_model=UnsuppressedDocument, responses=UNKNOWN
)
def allow_mail(external_id: ExternalId, services: Here, asked: Because) -> dict[str, Any]:
    """Allow email again to every mailbox this customer ever had; the reason is kept."""
    return {"unsuppressed": unsuppress(services, [external_id], asked.reason)}


def _check(services: Services, external_id: str, told: Told) -> None:
    """Raises WrongUse for topics that are not there, and text that no database takes."""
    topics = services.settings.topics
    if unknown := sorted(told.consents.keys() - topics.keys()):
        raise WrongUse(f"no topic is called {unknown[0]!r}; there are {', '.join(topics)}.")
    if external_id.startswith(f"{OWN}:"):
        raise WrongUse(f"ids that begin with '{OWN}:' are kept for our own events.")
