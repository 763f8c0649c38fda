"""Places that only so many may take at once, and one holder only a part of them."""

from collections import Counter
from dataclasses import dataclass, field

EVERYBODY = ""  # holds places for others, as a proxy does, and has no part of its own


@dataclass
class Room:
    """Counts the places that are taken, by their holders."""

    most: int
    most_of_one: int
    held: Counter[str] = field(default_factory=Counter)

    def enter(self, holder: str) -> bool:
        """Take a place; False where there is none for `holder`."""
        if self.held.total() >= self.most or self.has_all_its_places(holder):
            return False
        self.held[holder] += 1
        return True

    def has_all_its_places(self, holder: str) -> bool:
        return holder != EVERYBODY and self.held[holder] >= self.most_of_one

    def leave(self, holder: str) -> None:
        """Give one back that was taken."""
        self.held[holder] -= 1
        if not self.held[holder]:
            del self.held[holder]
