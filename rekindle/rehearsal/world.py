"""What a plan rests on, as digests: if any of it moves, the plan says nothing any more."""

import json
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from rekindle.services import Services
from rekindle.workspace.applying import texts_of
from rekindle.workspace.folder import load_workspace
from store.definitions import digest_of, load_latest


@dataclass(frozen=True)
class World:
    """The definitions in force, the folder, and the people whom the plan concerns."""

    definitions: str
    folder: str
    people: str

    def moved_since(self, other: "World") -> list[str]:
        """Which parts are not what they were then."""
        names = [one.name for one in fields(self)]
        return [name for name in names if getattr(self, name) != getattr(other, name)]

    def as_document(self) -> dict[str, str]:
        return asdict(self)


def definitions_in(connection: Connection) -> str:
    """The digest of everything that was ever applied last."""
    latest = load_latest(connection)
    return digest({f"{kind}/{name}": one.digest for (kind, name), one in latest.items()})


def folder_of(services: Services) -> str:
    """The digest of the folder as it may be applied."""
    texts = texts_of(load_workspace(services.workspace, services.environment))
    return digest({f"{kind}/{name}": digest_of(text) for (kind, name), text in texts.items()})


def digest(document: Any) -> str:
    """The same for equal documents."""
    return sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
