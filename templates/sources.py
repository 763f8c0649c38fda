"""Where templates come from: the workspace first, then the engine's own; by language, then plain.

A source is split into pieces: text, `{% statements %}` and `{{ expressions }}`, with their places.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from re import compile as pattern

from jinja2 import TemplateSyntaxError

from rekindle.errors import TemplateFailed
from rekindle.locales import fallbacks
from templates.sandbox import HTML

SUFFIX = ".html.j2"
LONGEST_SOURCE = 300_000  # characters
DELIMITER = pattern(r"\{\{|\{%|\{#")


@dataclass(frozen=True)
class Place:
    """A line of a template, as its author sees it."""

    template: str
    line: int

    def __str__(self) -> str:
        return f"{self.template}{SUFFIX}:{self.line}"


class BadTemplate(TemplateFailed):
    """A template that can be rendered for nobody; its author finds the mistake at `place`."""

    def __init__(self, place: Place, message: str, hint: str = "") -> None:
        super().__init__(f"{place}: {message}" + (f" {hint}" if hint else ""))
        self.place, self.message, self.hint = place, message, hint


@dataclass(frozen=True)
class Piece:
    """A stretch of a template: text, or one tag. `words` are the tokens inside a tag."""

    text: str
    place: Place
    kind: str = "text"  # text, statement, expression
    words: tuple[str, ...] = ()

    @property
    def keyword(self) -> str:
        return self.words[0] if self.kind == "statement" and self.words else ""


@dataclass
class Sources:
    """Finds templates by name for one language, and remembers what it was asked and answered."""

    templates: Mapping[str, str]
    locale: str
    lookups: dict[str, str | None] = field(default_factory=dict)

    def find(self, name: str) -> tuple[str, str] | None:
        """The name and source of the best template called `name`; None if there is none."""
        candidates = (*variants(name, self.locale), name)
        for candidate in candidates:
            if (source := self.look_up(candidate)) is not None:
                return candidate, source
        own = own_templates()
        return next(((one, own[one]) for one in candidates if one in own), None)

    def load(self, name: str, place: Place) -> tuple[str, str]:
        """As `find`. Raises BadTemplate, naming `place`, for a template that does not exist."""
        plain = name.removesuffix(SUFFIX).removeprefix("templates/")
        if found := self.find(plain):
            return found
        near = get_close_matches(plain, [*self.templates, *own_templates()], n=1)
        hint = f"Did you mean {near[0]!r}?" if near else ""
        raise BadTemplate(place, f"no template is called {plain!r}.", hint)

    def look_up(self, name: str) -> str | None:
        return self.lookups.setdefault(name, self.templates.get(name))


def variants(name: str, locale: str) -> Iterator[str]:
    """`mail` in `fa-IR` as `mail.fa-IR`, `mail.fa_IR`, `mail.fa`."""
    for tag in fallbacks(locale):
        yield f"{name}.{tag}"
        if "-" in tag:
            yield f"{name}.{tag.replace('-', '_')}"


@cache
def own_templates() -> Mapping[str, str]:
    """The engine's own frame and layouts, by name."""
    folder = Path(__file__).parent / "email"
    files = folder.rglob(f"*{SUFFIX}")
    return {
        file.relative_to(folder).as_posix().removesuffix(SUFFIX): file.read_text(encoding="utf-8")
        for file in files
    }


def split(name: str, source: str) -> list[Piece]:
    """The pieces of a source, comments left out. Raises BadTemplate where Jinja cannot read it."""
    if len(source) > LONGEST_SOURCE:
        raise BadTemplate(Place(name, 1), f"a template has at most {LONGEST_SOURCE:,} characters.")
    try:
        HTML.parse(source, name)
        return list(_pieces(name, source))
    except TemplateSyntaxError as error:
        raise BadTemplate(
            Place(name, error.lineno), f"{error.message}.".replace("..", ".")
        ) from error
    except (RecursionError, ValueError) as error:
        raise BadTemplate(Place(name, 1), f"it cannot be read: {error}.") from error


def _pieces(name: str, source: str) -> Iterator[Piece]:
    kinds = {"variable_begin": "expression", "block_begin": "statement"}
    text, kind, line, words = "", "", 1, list[str]()
    is_raw = False
    for lineno, token, value in HTML.lexer.tokeniter(source, name):
        place = Place(name, lineno)
        if token in kinds:
            text, kind, line, words = value, kinds[token], lineno, []
        elif token in ("variable_end", "block_end"):
            yield Piece(text + value, Place(name, line), kind, tuple(words))
            kind = ""
        elif kind:
            text += value
            words += [value] if token != "whitespace" else []
        elif token == "data":
            yield from _literally(value, place) if is_raw else [Piece(value, place)]
        elif token in ("raw_begin", "raw_end"):
            is_raw = token == "raw_begin"


def _literally(text: str, place: Place) -> Iterator[Piece]:
    """What stood between raw and endraw, so that it is still not taken for a tag."""
    end = 0
    for found in DELIMITER.finditer(text):
        yield Piece(text[end : found.start()], place)
        yield Piece(f'{{{{ "{found[0]}" }}}}', place, "expression", (f'"{found[0]}"',))
        end = found.end()
    yield Piece(text[end:], place)
