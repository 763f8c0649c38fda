"""What every operation of the API is given: the services, a page, a proven key, a sound body."""

import json
from typing import Annotated, Any, Self

from fastapi import Depends, Path, Query
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, model_validator
from starlette.requests import Request

from rekindle.services import Services
from web.api_keys import require_api_key
from web.requests import services_of

LARGEST_PAGE = 500
LARGEST_ID = 2**63 - 1
bearer = HTTPBearer(
    auto_error=False, scheme_name="API key", description="`rekindle keys add --api` makes one."
)


def proven(request: Request, _documented: Annotated[Any, Depends(bearer)]) -> None:
    """Raises HTTPException 401 without a key that is let in."""
    require_api_key(request)


def services(request: Request) -> Services:
    return services_of(request)


class Asked(BaseModel):
    """A body: nothing unknown in it, and nothing that a database cannot keep."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _is_storable(self) -> Self:
        text = json.dumps(self.model_dump(), ensure_ascii=False, allow_nan=False)
        if "\\u0000" in text:
            raise ValueError("text cannot hold the character NUL")
        text.encode()  # raises UnicodeEncodeError, a ValueError, for half a character
        return self


class Trouble(BaseModel):
    """What was wrong, in a sentence for people."""

    error: str


Here = Annotated[Services, Depends(services)]
ExternalId = Annotated[str, Path(min_length=1, max_length=500, description="The customer's id.")]
Name = Annotated[str, Path(min_length=1, max_length=200)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="At most so many.")]

REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": Trouble, "description": "The body cannot be read."},
    401: {"model": Trouble, "description": "No API key, or one that is not let in."},
    413: {"model": Trouble, "description": "The body is larger than 64 KB."},
    422: {"model": Trouble, "description": "The request cannot be understood."},
    503: {"model": Trouble, "description": "The database does not answer; try again."},
}
UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": Trouble, "description": "There is nothing of that name or id."}
}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": Trouble, "description": "That cannot be done now."}
}
