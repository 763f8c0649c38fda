"""Messages: the latest first, narrowed by status, template or customer; and one in full."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from rekindle.api.asking import LARGEST_ID, UNKNOWN, Here, Limit
from rekindle.api.documents import MessageInFull, MessagesDocument
from rekindle.customers import find_known
from rekindle.errors import NotFound
from store.portraits import MailLine, find_mail, list_mails, load_deliveries
from store.records import MessageId

router = APIRouter(prefix="/messages", tags=["messages"])
Status = Literal[
    "queued", "held", "sent", "delivered", "bounced", "complained", "refused", "cancelled",
    "uncertain",
]  # fmt: skip


@router.get("", response_model=MessagesDocument, responses=UNKNOWN)
def show_all(
    services: Here,
    status: Annotated[Status | None, Query()] = None,
    template: Annotated[str, Query(max_length=200)] = "",
    customer: Annotated[str, Query(max_length=500, description="The customer's id.")] = "",
    before: Annotated[int | None, Query(ge=1, le=LARGEST_ID)] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """Mails, the latest first, a page at a time."""
    with services.store.read() as connection:
        whose = find_known(connection, customer) if customer else None
        found = list_mails(
            connection,
            status=status or "",
            template=template,
            customer_id=whose,
            before=before,
            limit_rows=limit,
        )
    return {
        "messages": [_document(one) for one in found],
        "before": found[-1].id if len(found) == limit else None,
    }


@router.get("/{message_id}", response_model=MessageInFull, responses=UNKNOWN)
def show(message_id: Annotated[int, Path(ge=1, le=LARGEST_ID)], services: Here) -> dict[str, Any]:
    """One mail, and what became of it."""
    with services.store.read() as connection:
        found = find_mail(connection, MessageId(message_id))
        if found is None:
            raise NotFound(f"no message has the number {message_id}.")
        delivered = load_deliveries(connection, found.id)
    return {**_document(found), "delivery_events": [vars(one) for one in delivered]}


def _document(mail: MailLine) -> dict[str, Any]:
    return {
        "id": mail.id,
        "customer": mail.customer,
        "to": mail.address,
        "template": mail.template,
        "topic": mail.topic,
        "survey": mail.survey,
        "status": "queued" if mail.status == "sending" else mail.status,
        "reason": mail.reason,
        "at": mail.at,
    }
