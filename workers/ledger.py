"""Makes the marks durable that stand before a mail's last byte, many connections in one commit."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from store.editions import save_editions
from store.messages import Sending, mark_handed_over, save_sendings, store_mails
from store.records import MessageId
from store.session import Store
from workers.composing import Written


@dataclass
class Entry:
    """One mail about to be handed over, and what else must be durable by then."""

    message_id: MessageId
    unsaved: Sending | None  # what became of the mail before on the same connection
    written: Written
    is_kept: bool  # its bytes as well
    is_settled: bool = False
    failure: Exception | None = None


@dataclass
class Ledger:
    """The marks of one batch. Whoever comes first writes for all who wait; nobody waits longer
    than for the commit that runs and the next one.
    """

    store: Store
    now: datetime
    _asked: list[Entry] = field(default_factory=list)
    _editions: set[str] = field(default_factory=set)  # whose links were saved
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def write(self, entry: Entry) -> None:
        """Return once the mark of `entry` is durable. Raises what kept it from being so."""
        with self._asking:
            self._asked.append(entry)
        with self._turn:
            if not entry.is_settled:
                self._write_together()
        if entry.failure:
            raise entry.failure

    def _write_together(self) -> None:
        with self._asking:
            entries, self._asked = self._asked, []
        try:
            with self.store.begin() as tx:
                self._write_all(tx, entries)
        except Exception as error:  # nothing of it is durable: each of them is told
            for entry in entries:
                entry.failure = error
        else:
            self._editions |= {entry.written.edition for entry in entries}
        finally:
            for entry in entries:
                entry.is_settled = True

    def _write_all(self, tx: Connection, entries: Sequence[Entry]) -> None:
        save_sendings(tx, [entry.unsaved for entry in entries if entry.unsaved])
        mark_handed_over(tx, [entry.message_id for entry in entries], self.now)
        kept = {one.message_id: one.written.email.mime for one in entries if one.is_kept}
        store_mails(tx, kept)
        written = [entry.written for entry in entries]
        new = {one.edition: one.links for one in written if one.edition not in self._editions}
        save_editions(tx, {edition: links for edition, links in new.items() if links})
