"""Tells one message's trouble from the provider's by what became of the messages around it.

A single answer can mislead. The message at which a server hangs up each time would keep everybody
else waiting for ever, were it always taken for the provider's fault; and a server that puts off
every single message is in trouble, though each of its answers is about one message.
"""

import threading
from dataclasses import dataclass, field

from adapters.email.base import BeforeLastByte, Channel, OutgoingEmail, ProviderMessageId
from rekindle.errors import (
    HandoverUncertain,
    ProviderDeferred,
    ProviderFault,
    ProviderRefused,
    ProviderUnavailable,
)

MOST_REMEMBERED = 1_000  # messages; a few at a time are usual
# so many in a row, to recipients at more than one domain, are no longer chance
DEFERRED_IN_A_ROW = 20
# nobody knows whether these arrived: a server that leaves them without an answer gets few of them
UNANSWERED_IN_A_ROW = 2
# Whatever a server says of the account it may say because of one message. Where it reads so it is
# more often true: it takes others answered twice while this one failed alone, or oftener while
# others failed as well.
OF_THE_ACCOUNT: tuple[ProviderFault, ...] = ("rate", "quota", "tls", "credentials")
STRIKES_OF_THE_ACCOUNT = 2.0


class TransactionFailed(ProviderUnavailable):
    """The provider took the session and failed at this message, which may be the cause of it."""


@dataclass
class TrackRecord:
    """How the last messages of one adapter went, over all its channels."""

    _failed: set[int] = field(default_factory=set)  # since the last answer
    # how often they failed while others were answered, shared by those that failed together
    _suspects: dict[int, float] = field(default_factory=dict)
    _deferred: list[str] = field(default_factory=list)  # their domains, since the last answer
    _unanswered: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Raises ProviderUnavailable before another message is left without an answer."""
        with self._lock:
            is_silent = self._unanswered >= UNANSWERED_IN_A_ROW
            if is_silent:
                self._unanswered = 0  # the next one, after a pause, is to find out
        if is_silent:
            raise ProviderUnavailable(
                "the provider takes messages and does not say what became of them.", fault="server"
            )

    def answered(self, message_id: int) -> None:
        """A message was accepted, or refused for itself: the provider works."""
        with self._lock:
            self._failed.discard(message_id)
            self._suspects.pop(message_id, None)
            if len(self._suspects) < MOST_REMEMBERED:
                for failed in self._failed:
                    strikes = self._suspects.get(failed, 0.0)
                    self._suspects[failed] = strikes + 1 / len(self._failed)
            self._failed.clear()
            self._deferred.clear()
            self._unanswered = 0

    def unanswered(self) -> None:
        with self._lock:
            self._unanswered += 1

    def is_to_blame(self, message_id: int, fault: ProviderFault) -> bool:
        """Return whether a failure is this message's: others went while it failed, or it is the
        only one that was tried, and failed before. Where two fail, it is the provider's.
        """
        with self._lock:
            failed_before = message_id in self._failed
            self._failed.add(message_id)
            strikes = self._suspects.get(message_id, 0.0)
            if fault in OF_THE_ACCOUNT:
                return strikes >= STRIKES_OF_THE_ACCOUNT
            return strikes > 0 or (failed_before and len(self._failed) == 1)

    def defers_everybody(self, recipient: str) -> bool:
        """Return whether one more that was put off makes so many that it is about all of them."""
        with self._lock:
            self._deferred.append(recipient.rpartition("@")[2].strip(" >").lower())
            is_so = len(self._deferred) >= DEFERRED_IN_A_ROW and len(set(self._deferred)) > 1
            if is_so:
                self._deferred.clear()
            return is_so


@dataclass(frozen=True)
class JudgedChannel:
    """A channel whose errors are read in the light of what came before."""

    channel: Channel
    record: TrackRecord

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        self.record.check()
        try:
            id_ = self.channel.send(email, before_last_byte)
        except ProviderRefused:
            self.record.answered(email.message_id)
            raise
        except TransactionFailed as error:
            if self.record.is_to_blame(email.message_id, error.fault):
                raise ProviderDeferred(str(error)) from error
            raise
        except ProviderDeferred as error:
            if self.record.defers_everybody(email.to):
                raise ProviderUnavailable(str(error), fault="rate") from error
            raise
        except HandoverUncertain:
            self.record.unanswered()
            raise
        self.record.answered(email.message_id)
        return id_

    def close(self) -> None:
        self.channel.close()
