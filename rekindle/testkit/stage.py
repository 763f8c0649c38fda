"""An empty shop with a workspace applied, set anew for each case; its mails go nowhere."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, update

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from rekindle.clock import FixedClock
from rekindle.migrating import upgrade
from rekindle.rehearsal.stage import Stage
from rekindle.services import Services
from rekindle.settings import Settings
from rekindle.testkit.turns import set_calendars
from rekindle.workspace.applying import apply_folder
from rekindle.workspace.library import Library
from store.records import DefinitionId
from store.session import Store
from store.tables import EPOCH, definitions, event_kinds, metadata
from templates.links import Signer
from workers.channels import ChannelPool
from workers.counts import Counts

OUR_PEOPLE = "people.invalid"  # where notices go: GROUP@ this; RFC 6761 says that it never exists
KEPT = (definitions, event_kinds)  # what one case leaves for the next


@dataclass
class RecordedMails:
    """A provider that keeps every mail it is given; also its one channel."""

    name: str = "recorded"
    is_idempotent: bool = True
    connections: int = 1
    mails: dict[int, OutgoingEmail] = field(default_factory=dict)  # by message id

    def open(self) -> "RecordedMails":
        return self

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        before_last_byte()
        self.mails[email.message_id] = email
        return ProviderMessageId("")

    def close(self) -> None:
        """Nothing is kept open."""


class StagedServices(Services):
    """Services that read only what was applied; a notice bears the name of its group."""

    _whole: Library | None = None  # with every journey

    def library(self, connection: Connection | None = None) -> Library:
        """What was applied; nobody applies anything in a test, so it is read once."""
        return self._library or super().library(connection)

    def begin_at(self, instant: datetime, only: Collection[str] | None = None) -> None:
        """From now on everything was applied at `instant`, of journeys only those called `only`.

        What was prepared stays prepared: none of it names an instant, and what was prepared for
        more journeys serves fewer.
        """
        if self._whole is None:
            self._whole = self.library()
            _ = (
                self._whole.words,
                self._whole.asked_kinds,
            )  # of all journeys, before there are fewer
        whole = self._whole
        played = whole if only is None else whole.with_only(only)
        moved = replace(played, applied_at=dict.fromkeys(played.applied_at, instant))
        _carry_over(self.library(), whole)
        _carry_over(whole, moved)
        self._library = moved

    def _load(self, connection: Connection, newest: DefinitionId | None) -> Library:
        library = super()._load(connection, newest)
        return replace(library, settings=_staged(library.settings))


def _carry_over(source: Library, target: Library) -> None:
    """What was prepared of one library is so for the other, unless it has its own."""
    prepared = vars(source).keys() - vars(target).keys()
    vars(target).update({name: vars(source)[name] for name in prepared})


def _staged(settings: Settings) -> Settings:
    people = {group: (f"mailto:{group}@{OUR_PEOPLE}",) for group in settings.people}
    return settings.model_copy(update={"people": people, "provider": "outbox"})


@dataclass(frozen=True)
class EmptyStage(Stage):
    """A stage that is cleared for each case; its mails are recorded."""

    services: StagedServices
    recorded: RecordedMails

    def run(self) -> Counts:
        """As ever; then calendars are set to when they next concern a customer of the case."""
        counts = super().run()
        set_calendars(self.store, self.services.library(), self.clock.at)
        return counts

    def reset(self, begins: datetime, only: Collection[str] | None = None) -> None:
        """As if nothing had ever happened, and everything were applied at `begins`; of journeys
        only those called `only`, or all.
        """
        with self.store.begin() as tx:
            for table in metadata.sorted_tables:
                if table not in KEPT:
                    tx.execute(table.delete())
            tx.execute(update(definitions).values(known_at=begins))
        self.services.begin_at(begins, only)
        self.clock.at = begins
        self.recorded.mails.clear()


@contextmanager
def staged(workspace: Path, environment: Mapping[str, str]) -> Iterator[EmptyStage]:
    """A stage with that workspace, gone at the end. Raises NotApplied if it has errors."""
    with TemporaryDirectory(prefix="rekindle-") as room:
        store = _throwaway_store(Path(room))
        clock, signer = FixedClock(EPOCH), Signer("tests")
        services = StagedServices(
            store, clock, lambda: signer, Path(room), environment, is_rehearsal=True
        )
        recorded = RecordedMails()
        try:
            apply_folder(store, workspace, environment, EPOCH)
            yield EmptyStage(services, clock, ChannelPool(recorded), recorded)
        finally:
            services.close()


def _throwaway_store(room: Path) -> Store:
    """A migrated database that need not outlive a power cut."""
    store = Store(f"sqlite:///{room / 'stage.db'}", is_scratch=True)
    upgrade(store)
    return store
