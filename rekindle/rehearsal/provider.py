"""A provider that takes every mail and sends none."""

from dataclasses import dataclass

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId


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
