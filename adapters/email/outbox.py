"""The default provider: every mail becomes a file in the workspace's outbox folder."""

import os
from dataclasses import dataclass
from pathlib import Path

from adapters.email.base import BeforeLastByte, OutgoingEmail, ProviderMessageId
from rekindle.disks import refusal_of
from rekindle.errors import ProviderUnavailable
from rekindle.private_files import make_durable, make_private_folder, open_private
from rekindle.settings import Settings


@dataclass(frozen=True)
class Outbox:
    """Writes `<message id>.eml`: the same message again replaces its file by the same bytes."""

    folder: Path
    name: str = "outbox"
    is_idempotent: bool = True
    connections: int = 1

    def open(self) -> "OutboxChannel":
        return OutboxChannel(self.folder)


@dataclass(frozen=True)
class OutboxChannel:
    folder: Path

    def send(self, email: OutgoingEmail, before_last_byte: BeforeLastByte) -> ProviderMessageId:
        """The file appears whole or not at all. Raises ProviderUnavailable for a full disk etc."""
        file = self.folder / f"{email.message_id}.eml"
        unfinished = file.with_suffix(".part")
        if self.folder.is_symlink():  # it may come with the workspace, from whoever may write that
            raise ProviderUnavailable(f"{self.folder} is a symbolic link: make it a folder.")
        try:
            make_private_folder(self.folder)
            _write(unfinished, email.mime)
            before_last_byte()
            unfinished.replace(file)
            make_durable(self.folder)
        except OSError as error:
            raise ProviderUnavailable(str(refusal_of("the outbox", error))) from error
        return ProviderMessageId(file.name)

    def close(self) -> None:
        """Nothing is kept open."""


def _write(file: Path, content: bytes) -> None:
    with open(file, "wb", opener=open_private) as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def adapter(settings: Settings, outbox: Path) -> Outbox:
    return Outbox(outbox)
