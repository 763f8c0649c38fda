"""The plan: what applying the folder beside this process would change, in people."""

import threading
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from rekindle.api.asking import CONFLICT, UNKNOWN, Here, Trouble
from rekindle.api.documents import PlanDocument
from rekindle.rehearsal.consequences import as_document
from rekindle.rehearsal.plan import make_plan
from rekindle.workspace.applying import NotApplied

router = APIRouter(prefix="/plan", tags=["plan"])
BUSY: dict[int | str, dict[str, Any]] = {
    429: {"model": Trouble, "description": "A plan is being made already."}
}
_turn = threading.Lock()  # a rehearsal takes a copy of the database: one at a time


@router.get("", response_model=PlanDocument, responses={**UNKNOWN, **CONFLICT, **BUSY})
def plan(services: Here) -> dict[str, Any]:
    """Rehearse an apply of the folder; nothing is changed."""
    if not _turn.acquire(blocking=False):
        raise HTTPException(429, "A plan is being made already.", {"Retry-After": "30"})
    try:
        return as_document(make_plan(services))
    except NotApplied as refused:
        said = "\n".join(str(one) for one in refused.problems if one.level == "error")
        raise HTTPException(409, f"The folder has problems:\n{said}") from refused
    finally:
        _turn.release()
