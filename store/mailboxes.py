"""What was said with a mailbox: it holds for every customer who has that address, now or later."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from store.identities import EMAIL
from store.knowledge import DENIED, UNKNOWN
from store.permission_changes import note_permission_change
from store.records import CustomerId
from store.session import sees_until
from store.suppressions import fingerprint, is_fingerprint
from store.tables import identities, mailbox_consents

BY_PERSON = "person"  # the source of what one of our own people lifted
NEWEST = func.row_number().over(
    partition_by=(mailbox_consents.c.mailbox, mailbox_consents.c.topic),
    order_by=mailbox_consents.c.id.desc(),  # as they came, whatever clocks said
)
RANKED = (
    select(
        mailbox_consents.c.id,
        mailbox_consents.c.mailbox,
        mailbox_consents.c.topic,
        mailbox_consents.c.status,
        NEWEST.label("newest"),
    )
    .where(
        mailbox_consents.c.mailbox.in_(bindparam("mailboxes", expanding=True)),
        mailbox_consents.c.known_at <= bindparam("known_by"),
    )
    .subquery()
)
IN_FORCE = (
    select(RANKED.c.mailbox, RANKED.c.topic, RANKED.c.status)
    .where(RANKED.c.newest == 1)
    .order_by(RANKED.c.id)
)

BEARERS = select(identities.c.value, identities.c.customer_id).where(
    identities.c.kind == EMAIL,
    identities.c.value.in_(bindparam("mailboxes", expanding=True)),
)


def load_mailbox_consents(
    connection: Connection,
    mailboxes: Iterable[str],
    now: datetime,
    *,
    known_by: datetime | None = None,
) -> dict[str, dict[str, str]]:
    """Return the latest word on each topic that was said with each of these mailboxes; a look back
    says as known by when.
    """
    marks = {fingerprint(mailbox): mailbox for mailbox in set(mailboxes) if mailbox}
    asked = sorted([*marks, *marks.values()])
    found: dict[str, dict[str, str]] = {}
    values = {"mailboxes": asked, "known_by": known_by or sees_until(connection, now)}
    for row in connection.execute(IN_FORCE, values):
        # an address that was erased may speak again, and a link from before still speaks for it:
        # the newest word counts, under whichever of its two names it was said
        found.setdefault(marks.get(row.mailbox, row.mailbox), {})[row.topic] = row.status
    return found


def save_mailbox_choices(
    tx: Connection,
    mailbox: str,
    choices: Mapping[str, str],
    source: str,
    now: datetime,
    *,
    reason: str = "",
) -> bool:
    """Keep what was said with a mailbox of these topics; False if all of it stood already.

    `mailbox`: its canonical address, or its fingerprint.
    """
    # what stands under the address cannot be found by the fingerprint: say it once more
    is_known = not is_fingerprint(mailbox)
    standing = load_mailbox_consents(tx, [mailbox], now).get(mailbox, {}) if is_known else {}
    rows = [
        {
            "mailbox": mailbox,
            "topic": topic,
            "status": status,
            "source": source,
            "reason": reason,
            "known_at": now,
        }
        for topic, status in choices.items()
        if standing.get(topic) != status
    ]
    if rows:
        tx.execute(insert(mailbox_consents), rows)
        note_permission_change(tx)  # whoever has the address
    return bool(rows)


def load_bearers(
    connection: Connection, mailboxes: Iterable[str]
) -> dict[str, frozenset[CustomerId]]:
    """Return for each mailbox all customers who ever had it; by the index of identities."""
    found: dict[str, set[CustomerId]] = {}
    asked = {"mailboxes": sorted(set(mailboxes) - {""})}
    for mailbox, customer_id in connection.execute(BEARERS, asked):
        found.setdefault(mailbox, set()).add(CustomerId(customer_id))
    return {mailbox: frozenset(bearers) for mailbox, bearers in found.items()}


def lift_refusals(tx: Connection, mailbox: str, now: datetime, reason: str) -> list[str]:
    """Let other words count again where the mailbox said no; return the topics."""
    standing = load_mailbox_consents(tx, [mailbox], now).get(mailbox, {})
    denied = [topic for topic, status in standing.items() if status == DENIED]
    lifted = dict.fromkeys(denied, UNKNOWN)
    save_mailbox_choices(tx, mailbox, lifted, BY_PERSON, now, reason=reason)
    return denied


def forget_mailboxes(tx: Connection, mailboxes: Collection[str]) -> None:
    """Let what was said with these hold without their being written down."""
    for mailbox in mailboxes:
        tx.execute(
            update(mailbox_consents)
            .where(mailbox_consents.c.mailbox == mailbox)
            .values(mailbox=fingerprint(mailbox), reason="")
        )
