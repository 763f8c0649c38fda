"""How the leaves of a round are found: what tells of each subject once, what adds to it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select


@dataclass(frozen=True)
class Source:
    """Statements of a subject's id and columns of leaves, NULL or left out where nothing is said.

    `whole` has one row with everything about each of its subjects; the others may have several
    rows in `parts`.
    """

    parts: tuple[Select[Any], ...]
    whole: Select[Any] | None = None
    tells_of_all: bool = False  # whole and parts together leave no subject out

    @property
    def statements(self) -> tuple[Select[Any], ...]:
        return self.parts if self.whole is None else (self.whole, *self.parts)
