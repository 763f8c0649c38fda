"""Segments: sizes and members as they are stored, and why somebody is in one or not."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from rekindle.api.asking import UNKNOWN, ExternalId, Here, Limit, Name
from rekindle.api.documents import ExplainedDocument, MembersDocument, SegmentsDocument
from rekindle.errors import NotFound
from rekindle.looking import explain, looking
from store.memberships import count_members, list_external_ids

router = APIRouter(prefix="/segments", tags=["segments"])


@router.get("", response_model=SegmentsDocument)
def show_all(services: Here) -> dict[str, Any]:
    """Every segment with its size at the last refresh."""
    with services.store.read() as connection:
        sizes = count_members(connection)
    return {
        "segments": [
            {"segment": name, "description": one.description or "", "size": sizes.get(name, 0)}
            for name, one in sorted(services.library().segments.items())
        ]
    }


@router.get("/{name}/members", response_model=MembersDocument, responses=UNKNOWN)
def show_members(
    name: Name,
    services: Here,
    after: Annotated[str, Query(max_length=500, description="The last page's `after`.")] = "",
    limit: Limit = 100,
) -> dict[str, Any]:
    """Members by their ids, a page at a time."""
    if name not in services.library().segments:
        raise NotFound(f"no segment is called {name!r}.")
    with services.store.read() as connection:
        found = list_external_ids(connection, name, after, limit_rows=limit)
    members = [{"customer": customer, "since": since} for customer, since in found]
    return {
        "segment": name,
        "members": members,
        "after": found[-1][0] if len(found) == limit else None,
    }


@router.get(
    "/{name}/explain/{external_id:path}", response_model=ExplainedDocument, responses=UNKNOWN
)
def show_why(name: Name, external_id: ExternalId, services: Here) -> dict[str, Any]:
    """Condition by condition, what the rule says of one customer now."""
    with looking(services, name) as look:
        return explain(look, name, external_id)
