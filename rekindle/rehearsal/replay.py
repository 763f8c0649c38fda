"""Plays a script on a stage: what happened appears when it became known, the engine does the rest.

Up to `follows_until` the engine looks when the record says that it did; from then on whenever
something happened or became due.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rekindle.rehearsal.assumed import Assumed, Assumptions
from rekindle.rehearsal.by_hand import do_again
from rekindle.rehearsal.entries import Done, Entry, Happened, Looked, Requested, Stood
from rekindle.rehearsal.matching import Mails, Record
from rekindle.rehearsal.page import Page, find_match
from rekindle.rehearsal.stage import Stage
from workers.starts import Wanted, start_by_hand

A_CHUNK = 2_000  # entries in one transaction


@dataclass
class Replay:
    """One play of a script; `begins` is when the engine wakes, all before is history to it."""

    stage: Stage
    record: Record
    mails: Mails
    begins: datetime
    follows_until: datetime
    is_recorded: bool
    grain: timedelta = timedelta()  # what happens within is looked at together, at its end
    assumptions: Assumptions | None = None
    _assumed: list[Assumed] = field(default_factory=list)  # still to come
    _waiting: list[Entry] = field(default_factory=list)
    _early: list[Entry] = field(default_factory=list)  # about mails that have yet to be sent
    _has_unseen: bool = False  # events since the last look
    _is_dirty: bool = True
    _last_run: datetime | None = None

    def play(self, script: Iterable[Entry], ends: datetime) -> None:
        """Let everything happen up to `ends`, which is included."""
        for entry in script:
            at = self._grained(max(entry.at, self.begins))
            if entry.at > ends:
                break
            if isinstance(entry, Stood):
                self._catch_up(entry)
                continue
            self._go_to(min(at, ends))
            match entry:
                case Looked():
                    self._look()
                case Done():
                    self._do(entry)
                case _:
                    self._wait(entry)
        self._go_to(ends)
        self._settle()

    def _catch_up(self, stood: Stood) -> None:
        """A live engine looks all the time; where nothing came of it, there is no record of it but
        how far it had looked when something was changed by hand.
        """
        if self._has_unseen and self.begins < stood.at <= self.follows_until:
            self._look()

    def _do(self, one: Done) -> None:
        """Done again between what came before it and what came after."""
        self._flush()
        library, now = self.stage.services.library(), self.stage.clock.at
        with self.stage.store.begin() as tx:
            do_again(tx, library, one.what, self.record, self.mails, now)
        self._is_dirty = True

    def _grained(self, at: datetime) -> datetime:
        """The end of the stretch in which things are looked at together; never before `at`."""
        if not self.grain or at <= self.follows_until:
            return at
        past = (at - self.begins) % self.grain
        return at + self.grain - past if past else at

    def _go_to(self, at: datetime) -> None:
        """Let time pass up to `at`, stopping for what is due and what is assumed on the way."""
        while self.stage.clock.at < at:
            self._settle()
            stop_at = min([at, *(max(one.at, self.stage.clock.at) for one in self._assumed)])
            if self.follows_until < (new := self.stage.next_publication()) <= stop_at:
                stop_at, self._is_dirty = new, True
            if stop_at > self.follows_until and self._jump_before(stop_at):
                continue  # a mail was sent on the way, and something is assumed of it
            self.stage.clock.at = stop_at
            self._waiting += [one for one in self._assumed if one.at <= stop_at]
            self._assumed = [one for one in self._assumed if one.at > stop_at]

    def _jump_before(self, end: datetime) -> bool:
        """Work wherever something is due before `end`; True as soon as something new is assumed."""
        after = max(self.follows_until, self.stage.clock.at)
        for _ in self.stage.jumps(end, after, self.grain):
            self._last_run = self.stage.clock.at
            if self._assume():
                return True
        return False

    def _assume(self) -> bool:
        if self.assumptions is None:
            return False
        with self.stage.store.read() as connection:
            self.mails.read_on(connection)
            new = list(self.assumptions.about_new_mails(connection, self.stage.clock.at))
        self._assumed += new
        return bool(new)

    def _settle(self) -> None:
        """What came since the last look is looked at, unless the record says when."""
        self._flush()
        while self._is_dirty and self.stage.clock.at > self.follows_until:
            self._run()
            self._flush()

    def _look(self) -> None:
        """The record has it that the engine was awake now."""
        self._flush()
        if self._is_dirty or self._last_run != self.stage.clock.at:
            self._run()

    def _wait(self, entry: Entry) -> None:
        if isinstance(entry, Happened):
            self._has_unseen = True
        self._waiting.append(entry)
        if len(self._waiting) >= A_CHUNK:
            self._flush()

    def _run(self) -> None:
        self.stage.run()
        self._is_dirty, self._last_run = False, self.stage.clock.at
        self._has_unseen = False
        self._assume()

    def _flush(self) -> None:
        """Write what waits; what speaks of a mail that was not sent is kept until it is."""
        with self.stage.store.read() as connection:
            self.mails.read_on(connection)
        early = self._take_early()
        if not self._waiting and not early:
            return
        waiting, self._waiting = [*early, *self._waiting], []
        with self.stage.store.begin() as tx:
            page = Page(tx, self.record, self.mails, self.stage.clock.at, self._is_history)
            self._early += page.write(waiting)
        self._start([one.wanted for one in waiting if isinstance(one, Requested)])
        self._is_dirty = True

    def _start(self, wanted: Sequence[Wanted]) -> None:
        """What was asked for by hand is asked again; whom nobody knows any more is left out."""
        library = self.stage.services.library()
        for one in wanted:
            if one.journey in library.journeys:
                with self.stage.store.begin() as tx:
                    start_by_hand(tx, library, one, self.stage.clock.at)

    def _take_early(self) -> list[Entry]:
        """Those whose mail is there by now."""
        there: list[Entry] = []
        rest: list[Entry] = []
        for one in self._early:
            (there if find_match(one, self.record, self.mails) else rest).append(one)
        self._early = rest
        return there

    def _is_history(self, one: Happened) -> bool:
        """Nobody looks at what was over before the engine woke, unless the record has it so."""
        return not self.is_recorded and one.at < self.begins
