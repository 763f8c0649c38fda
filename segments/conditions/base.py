"""What every kind of condition shares: frozen, strict, and able to name its parts."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:  # the compiler's lexicon holds whole segments
    from sqlalchemy import Select

    from segments.compilation import Compilation, Verdict

Path = tuple[str | int, ...]


class ConditionBase(BaseModel):
    """One condition of a rule; `kind` is the one key that tells which.

    The `named_…` properties are what the condition itself refers to, its branches not included.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        allow_inf_nan=False,
        defer_build=True,
    )
    kind: ClassVar[str]

    def __hash__(self) -> int:  # mappings inside are kept sorted, so equal conditions read the same
        return hash(repr(self))

    def compile(self, compilation: "Compilation") -> "Verdict":
        """What the condition says of every subject, and when time alone may change it."""
        raise NotImplementedError(self.kind)

    @property
    def sentence(self) -> str:
        """What the condition says, in plain words."""
        raise NotImplementedError(self.kind)

    def facts(self, compilation: "Compilation") -> dict[str, "Select[Any]"]:
        """What is so now, by name: for a single subject a statement each of one value."""
        return {}

    def tell(self, found: Mapping[str, Any]) -> str:
        """These facts in words; empty where there is nothing to tell."""
        return ""

    def lacks(self, found: Mapping[str, Any]) -> str:
        """What would have to change for it to hold, as far as the facts say."""
        return "" if self.branches() else f"needed: {self.sentence}"

    @property
    def without_bounds(self) -> "ConditionBase":
        """What it asks about, but not how often and how lately; what shares it is read once."""
        return self

    def branches(self) -> tuple[tuple[Path, "ConditionBase"], ...]:
        """The conditions directly inside this one, each with its place in the mapping."""
        return ()

    def children(self) -> tuple["ConditionBase", ...]:
        """The conditions directly inside this one."""
        return tuple(child for _, child in self.branches())

    @property
    def named_segments(self) -> tuple[str, ...]:
        return ()

    @property
    def named_surveys(self) -> tuple[str, ...]:
        return ()

    @property
    def named_templates(self) -> tuple[str, ...]:
        return ()

    @property
    def named_events(self) -> tuple[str, ...]:
        """Names and globs in lower case, as stored names are."""
        return ()

    @property
    def heard_nouns(self) -> frozenset[str]:
        """The nouns of events, our own among them, that may change what holds."""
        return frozenset(name.partition(".")[0] for name in self.named_events)

    @property
    def named_channels(self) -> tuple[str, ...]:
        return ()

    @property
    def named_steps(self) -> tuple[str, ...]:
        return ()

    @property
    def needs_enrollment(self) -> bool:
        """True for what can be asked only inside a journey."""
        return bool(self.named_steps)


def walk(condition: ConditionBase, at: Path = ()) -> Iterator[tuple[Path, ConditionBase]]:
    """`condition` and everything inside it, each with its place below `at`."""
    yield at, condition
    for place, child in condition.branches():
        yield from walk(child, at + place)
