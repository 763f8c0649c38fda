"""Providers that take every mail and send none."""

from dataclasses import dataclass, field
from datetime import datetime

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from rekindle.clock import Clock
from rekindle.errors import HandoverUncertain, ProviderDeferred, ProviderRefused
from rekindle.rehearsal.matching import Mails, Record, Recorded
from store.session import Store


@dataclass
class NoProvider:
    """Stands where a provider would; what it was given is in the scratch copy's `messages`."""

    name: str = "rehearsal"
    is_idempotent: bool = True
    connections: int = 1

    def open(self) -> "NoProvider":
        return self

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        return ProviderMessageId(f"rehearsal-{email.message_id}")

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class RecordedProvider(NoProvider):
    """Does with each mail what was done with it when it was real; takes those that never were."""

    is_idempotent: bool = False  # what was uncertain when it was real stays so
    store: Store = field(kw_only=True)
    clock: Clock = field(kw_only=True)
    record: Record = field(kw_only=True)
    follows_until: datetime = field(kw_only=True)  # up to here it took each when it did
    mails: Mails = field(default_factory=Mails, kw_only=True)  # the simulated ones

    def open(self) -> "RecordedProvider":
        return self

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        """Raises what the real provider raised."""
        if self.record.outcomes and email.message_id not in self.mails.by_id:
            with self.store.read() as connection:
                self.mails.read_on(connection)
        place = self.mails.by_id.get(email.message_id)
        if place is not None and (was := self.record.outcomes.get(place)):
            self._repeat(was)
        return super().send(email, before_last_byte)

    def _repeat(self, was: Recorded) -> None:
        now = self.clock.now()
        if was.status == "uncertain":
            raise HandoverUncertain(was.reason)
        if was.was_refused_there:
            raise ProviderRefused(was.reason)
        if was.sent_at is not None and now < was.sent_at <= self.follows_until:
            raise ProviderDeferred("the provider took it later")
