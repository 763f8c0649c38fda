"""What a stretch of work came to."""

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Counts:
    """Sums over one run; `+` adds two of them."""

    events: int = 0  # looked at
    entered: int = 0
    left: int = 0
    started: int = 0
    advanced: int = 0  # steps taken
    sent: int = 0
    held: int = 0
    refused: int = 0
    uncertain: int = 0
    looked_at: int = 0  # rows taken, also where nothing came of it: a worker goes on while any are

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            **{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)}
        )

    def as_document(self) -> dict[str, int]:
        document = asdict(self)
        del document["looked_at"]
        return document
