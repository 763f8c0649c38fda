"""What a marketer can fix, said in their words and shown at its place."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Level = Literal["error", "warning"]  # a warning is reported but refuses nothing


@dataclass(frozen=True)
class Place:
    """A stretch of one line of a file; line and column count from 1, `source` is all of it."""

    file: str
    line: int = 1
    column: int = 1
    width: int = 1
    source: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def marked(self) -> str:
        """The line with a caret under what is meant; empty where there is nothing to show."""
        if not self.source.strip():
            return ""
        before = "".join("\t" if c == "\t" else " " for c in self.source[: self.column - 1])
        return f"{self.source.rstrip()}\n{before}{'^' * max(1, self.width)}"


@dataclass(frozen=True)
class Problem:
    """One thing to fix: what is wrong, and where possible what was probably meant."""

    place: Place
    message: str
    hint: str = ""
    level: Level = "error"

    def __str__(self) -> str:
        warned = "warning: " if self.level == "warning" else ""
        said = f"{self.place}: {warned}{self.message}" + (f" {self.hint}" if self.hint else "")
        marked = self.place.marked()
        return f"{said}\n{marked}" if marked else said

    def as_document(self) -> dict[str, str | int]:
        """As `check --json` prints it; the words of a warning begin with `warning: `."""
        place = self.place
        return {
            "file": place.file,
            "line": place.line,
            "column": place.column,
            "message": f"warning: {self.message}" if self.level == "warning" else self.message,
            "hint": self.hint,
        }


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean 'x'?` for the nearest of `known`, or nothing if none is near."""
    near = get_close_matches(word, sorted(set(known)), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else ""


def unknown_name(place: Place, kind: str, name: str, known: Iterable[str]) -> Problem:
    """`name` refers to something that nobody wrote."""
    return Problem(place, f"no {kind} is called {name!r}.", did_you_mean(name, known))


def has_errors(problems: Iterable[Problem]) -> bool:
    return any(problem.level == "error" for problem in problems)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, by file and place."""
    seen = dict.fromkeys(problems)
    return tuple(sorted(seen, key=lambda p: (p.place.file, p.place.line, p.place.column)))
