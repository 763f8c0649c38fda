"""Writes each mail into a folder as `ID.eml`: the embedded default, which sends nothing anywhere."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from rekindle.errors import ProviderUnavailable
from rekindle.settings import Settings


class Outbox:
    """A folder; the same message again is the same file, so that repeating one is harmless."""

    name = "outbox"
    is_idempotent = True
    connections = 1

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder

    def open(self) -> "OutboxChannel":
        return OutboxChannel(self.folder)


class OutboxChannel:
    """Writes beside, then renames: a mail is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        """Raises ProviderUnavailable if the folder cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            written = self._write_aside(email.mime)
        except OSError as error:
            raise ProviderUnavailable(f"the outbox cannot be written: {error.strerror}") from error
        before_last_byte()
        os.replace(written, self.folder / f"{email.message_id}.eml")
        return ProviderMessageId(f"{email.message_id}.eml")

    def _write_aside(self, mime: bytes) -> str:
        with NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
            file.write(mime)
            return file.name

    def close(self) -> None: ...


adapter = Outbox
