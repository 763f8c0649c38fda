"""Surveys: their figures with intervals."""

from typing import Any

from fastapi import APIRouter

from rekindle.api.asking import UNKNOWN, Here, Name
from rekindle.api.documents import SurveyDocument, SurveysDocument
from rekindle.errors import NotFound
from rekindle.reports import survey_documents

router = APIRouter(prefix="/surveys", tags=["surveys"])


@router.get("", response_model=SurveysDocument)
def show_all(services: Here) -> dict[str, Any]:
    """Every survey with its figures."""
    return {"surveys": survey_documents(services)}


@router.get("/{name}", response_model=SurveyDocument, responses=UNKNOWN)
def show(name: Name, services: Here) -> dict[str, Any]:
    """One survey with its figures."""
    found = next((one for one in survey_documents(services) if one["survey"] == name), None)
    if found is None:
        raise NotFound(f"no survey is called {name!r}.")
    return found
