"""Where the numbered links of a mail lead, for as long as anybody may click them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from store.tables import mail_editions
from store.upserts import insert_or_skip


def save_editions(tx: Connection, addresses: Mapping[str, Sequence[str]]) -> None:
    """Remember the addresses of these editions; an edition never changes, so known ones stay."""
    rows = [{"edition": edition, "addresses": list(all_)} for edition, all_ in addresses.items()]
    if rows:
        tx.execute(insert_or_skip(tx, mail_editions), rows)


def find_address(connection: Connection, edition: str, number: int) -> str | None:
    """Where link `number` (from 1) of an edition leads; None for one that was never saved."""
    query = select(mail_editions.c.addresses).where(mail_editions.c.edition == edition)
    addresses = connection.execute(query).scalar_one_or_none() or []
    return str(addresses[number - 1]) if 0 < number <= len(addresses) else None
