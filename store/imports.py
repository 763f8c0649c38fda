"""How far each file has come in, so that a killed import goes on where it stopped."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, select

from store.records import Receipt
from store.tables import imports


@dataclass(frozen=True)
class Progress:
    """What became of the first `rows_done` rows of a file."""

    digest: str  # of what the file holds and how it is read
    name: str
    rows_done: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    unusable_addresses: int = 0  # of rows that were taken

    def after(
        self, rows: int, receipt: Receipt, rejected: int, unusable_addresses: int
    ) -> "Progress":
        return replace(
            self,
            rows_done=self.rows_done + rows,
            accepted=self.accepted + receipt.accepted,
            duplicates=self.duplicates + receipt.duplicates,
            rejected=self.rejected + rejected,
            unusable_addresses=self.unusable_addresses + unusable_addresses,
        )


def load_progress(connection: Connection, digest: str, name: str) -> Progress:
    """Where an unfinished import of the same file stopped; the beginning for any other."""
    row = connection.execute(
        select(imports).where(imports.c.digest == digest, imports.c.finished_at.is_(None))
    ).first()
    if row is None:
        return Progress(digest, name)
    return Progress(
        digest,
        name,
        row.rows_done,
        row.accepted,
        row.duplicates,
        row.rejected,
        row.unusable_addresses,
    )


def save_progress(tx: Connection, progress: Progress, finished_at: datetime | None = None) -> None:
    """Keep where an import stands, in the transaction of the rows it counts."""
    tx.execute(delete(imports).where(imports.c.digest == progress.digest))
    tx.execute(imports.insert().values(**vars(progress), finished_at=finished_at))
