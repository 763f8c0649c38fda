"""What a simulation may know from the start, because every reader asks as of when."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, select

from rekindle.rehearsal.imports import find_imports, know_when_imported
from rekindle.rehearsal.owners import Owners, give_back
from rekindle.rehearsal.scratch import copy_table
from store.interventions import Intervention
from store.session import Store
from store.tables import (
    consents,
    decisions,
    enrollments,
    event_kinds,
    identities,
    mailbox_consents,
    suppressions,
    traits,
)

KNOWN_AT = (event_kinds, traits, consents, mailbox_consents, suppressions, identities)
A_CHUNK = 1_000  # rows named in one statement


def copy_knowledge(
    connection: Connection,
    scratch: Store,
    interventions: Sequence[Intervention],
    owners: Owners,
    *,
    is_recorded: bool,
) -> None:
    """Copy what customers said, as it was before merges. Where the record is followed, files say
    theirs when they come, and what the engine's own steps set is left for them to set.
    """
    for table in KNOWN_AT:
        copy_table(connection, scratch, table)
    with scratch.begin() as tx:
        give_back(tx, owners)
        if is_recorded:
            know_when_imported(tx, find_imports(interventions))
            _forget(tx, _set_by_steps(connection))


def _set_by_steps(connection: Connection) -> list[int]:
    """The traits that `set` steps wrote; the decision's reason names them."""
    query = (
        select(traits.c.id, traits.c.name, decisions.c.reason)
        .join(enrollments, enrollments.c.customer_id == traits.c.customer_id)
        .join(decisions, decisions.c.enrollment_id == enrollments.c.id)
        .where(decisions.c.decision == "set", decisions.c.decided_at == traits.c.known_at)
    )
    return [row.id for row in connection.execute(query) if row.name in row.reason.split(",")]


def _forget(tx: Connection, ids: Collection[int]) -> None:
    listed = sorted(set(ids))
    for start in range(0, len(listed), A_CHUNK):
        tx.execute(delete(traits).where(traits.c.id.in_(listed[start : start + A_CHUNK])))
