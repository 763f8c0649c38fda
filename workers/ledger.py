"""Makes the marks durable that stand before a mail's last byte, many connections in one commit.

The mark is also the last moment at which anybody may object: it is refused for a mail that is not
ours any more, and for one whose permission was taken back since it was claimed.
"""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from rekindle.errors import RekindleError
from store.claims import mark_handed_over, save_sendings
from store.copies import StoredCopy, save_copies
from store.editions import save_editions
from store.messages import Sending, store_mails
from store.records import MessageId
from store.session import Store
from workers.composing import Written

# asked with each commit; which of the mails that are held may not leave any more
FindWithdrawn = Callable[[Connection], Collection[MessageId]]


CLOSING_SECONDS = 2.0  # for a commit that runs


class NotMarked(RekindleError):
    """The mark could not be made durable: the database failed."""


class NotOurs(RekindleError):
    """The mail was taken over, reported, or its permission taken back: it must not be sent."""


def nothing_withdrawn(_tx: Connection) -> Collection[MessageId]:
    return ()


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
    claim: str
    now: datetime
    find_withdrawn: FindWithdrawn = nothing_withdrawn
    marked: set[MessageId] = field(default_factory=set)  # about to leave, or gone
    _asked: list[Entry] = field(default_factory=list)
    _editions: set[str] = field(default_factory=set)  # whose links were saved
    _is_closed: bool = False
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def write(self, entry: Entry) -> None:
        """Return once the mark of `entry` is durable. Raises NotMarked or NotOurs."""
        with self._asking:
            self._asked.append(entry)
        with self._turn:
            if not entry.is_settled:
                self._write_together()
        if entry.failure:
            raise entry.failure

    def close(self) -> bool:
        """Let no further mail be marked; False where a mark is under way that takes too long."""
        self._is_closed = True
        if not self._turn.acquire(timeout=CLOSING_SECONDS):
            return False
        self._turn.release()
        return True

    def _write_together(self) -> None:
        with self._asking:
            entries, self._asked = self._asked, []
        try:
            if self._is_closed:
                raise NotMarked("this process was told to stop.")
            with self.store.begin() as tx:
                marked = self._write_all(tx, entries)
        except Exception as error:  # nothing of it is durable: each of them is told
            for entry in entries:
                entry.failure = NotMarked(f"{type(error).__name__}: {error}")
                entry.failure.__cause__ = error
        else:
            self.marked |= set(marked)
            self._editions |= {one.written.edition for one in entries if one.message_id in marked}
            for entry in entries:
                if entry.message_id not in marked:
                    entry.failure = NotOurs("the mail is not ours to send any more.")
        finally:
            for entry in entries:
                entry.is_settled = True

    def _write_all(self, tx: Connection, entries: Sequence[Entry]) -> Collection[MessageId]:
        save_sendings(tx, [entry.unsaved for entry in entries if entry.unsaved], self.claim)
        withdrawn = self.find_withdrawn(tx)
        wanted = {one.message_id: one for one in entries if one.message_id not in withdrawn}
        marked = mark_handed_over(tx, list(wanted), self.claim, self.now)
        leaving = [wanted[id_] for id_ in marked]
        store_mails(tx, {one.message_id: one.written.email.mime for one in leaving if one.is_kept})
        self._save_copies(tx, leaving)
        self._save_links(tx, [one.written for one in leaving])
        return marked

    def _save_copies(self, tx: Connection, leaving: Sequence[Entry]) -> None:
        kept = [
            StoredCopy(one.message_id, copy.outline.digest, copy.outline.text, copy.body)
            for one in leaving
            if (copy := one.written.copy) is not None
        ]
        save_copies(tx, kept, self.now)

    def _save_links(self, tx: Connection, written: Sequence[Written]) -> None:
        new: Mapping[str, Sequence[str]] = {
            one.edition: one.links for one in written if one.edition not in self._editions
        }
        save_editions(tx, {edition: tuple(links) for edition, links in new.items() if links})
