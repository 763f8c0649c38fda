"""Moves rules into style attributes so that a browser still comes to the same styles.

In a style attribute a declaration beats all that stay in the head. Where one of those beat it
before, that one becomes important; and where this one beat them, it becomes important too.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from operator import attrgetter
from re import compile as pattern

from templates.stylesheets import Declaration, Specificity, overlap

Weight = tuple[Specificity, int]  # the order breaks a tie
Rank = tuple[int, Weight, int]  # of a declaration where its author wrote it; the highest wins
PLAIN = pattern(r"[a-z]+|#[0-9A-Fa-f]+|-?[0-9.]+(?:[a-z]+|%)?")
OWN: Weight = ((0, 0, 0), -1)  # style attributes have levels of their own


@dataclass(frozen=True)
class Moved:
    """A rule that its elements will bear themselves."""

    reach: Mapping[int, Weight]
    declarations: tuple[Declaration, ...]


@dataclass
class Kept:
    """A rule that stays in the head, and those of its declarations that must become important."""

    reach: Mapping[int, Weight]
    declarations: tuple[Declaration, ...]
    sure: frozenset[int]  # of those reached, not only in a state or within some email program
    promoted: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Rival:
    """A declaration at an element."""

    rule: Moved | Kept
    number: int
    rank: Rank
    is_sure: bool

    @property
    def declaration(self) -> Declaration:
        return self.rule.declarations[self.number]

    @property
    def becomes_important(self) -> bool:
        """True for what will be important in the head."""
        is_promoted = isinstance(self.rule, Kept) and self.number in self.rule.promoted
        return is_promoted or self.declaration.is_important


Rivals = Mapping[str, Mapping[int, Sequence[_Rival]]]  # by property and element


@dataclass
class _Borne:
    """A declaration that an element bears itself."""

    declaration: Declaration
    rank: Rank
    is_own: bool = False
    becomes_important: bool = False


class Cascade:
    """`own` are the declarations of the author's style attributes."""

    def __init__(
        self, moved: Sequence[Moved], kept: Sequence[Kept],
        own: Mapping[int, tuple[Declaration, ...]],
    ) -> None:  # fmt: skip
        self._moved, self._kept, self._own = moved, kept, own
        self._moved_rivals, self._kept_rivals = _rivals(moved), _rivals(kept)
        self._names = _Names({*self._moved_rivals, *self._kept_rivals})

    def promote_kept(self) -> None:
        """Mark in `promoted` what must become important."""
        pending = [
            (rule, number)
            for rule in self._kept
            for number in range(len(rule.declarations))
            if self._is_overruled(rule, number)
        ]
        while pending:
            rule, number = pending.pop()
            if number in rule.promoted or rule.declarations[number].is_important:
                continue
            if not self._would_overrule(rule, number):
                rule.promoted.add(number)
                pending += self._stronger(rule, number)

    def styles(self) -> Mapping[int, tuple[str, str]]:
        """Return what each element's style attribute gets before and after its author's words."""
        borne = defaultdict[int, list[_Borne]](list)
        for rule in self._moved:
            for at, weight in rule.reach.items():
                borne[at] += _borne(rule.declarations, weight)
        for at, declarations in self._own.items():
            borne[at] += _borne(declarations, OWN, is_own=True)
        return {
            at: written
            for at, of_element in borne.items()
            if any(written := self._style(at, sorted(of_element, key=attrgetter("rank"))))
        }

    def _is_overruled(self, rule: Kept, number: int) -> bool:
        """Tell whether a declaration that it beat would now beat it."""
        return any(
            rival.rank < own.rank for own, rival in self._meeting(rule, number, self._moved_rivals)
        )

    def _would_overrule(self, rule: Kept, number: int) -> bool:
        """Tell whether it would, if it were important, beat another of the head that is."""
        return any(
            rival.declaration.is_important and rival.rank[1:] < own.rank[1:]
            for own, rival in self._meeting(rule, number, self._kept_rivals)
            if rival.is_sure or not own.is_sure
        )

    def _stronger(self, rule: Kept, number: int) -> list[tuple[Kept, int]]:
        """Return what beat it in the head, and must go on doing so."""
        return [
            (rival.rule, rival.number)
            for own, rival in self._meeting(rule, number, self._kept_rivals)
            if isinstance(rival.rule, Kept) and rival.rank > own.rank
        ]

    def _style(self, at: int, style: Sequence[_Borne]) -> tuple[str, str]:
        """Return the same for an element that bears `style` in all, the weakest first."""
        for number, borne in enumerate(style):
            borne.becomes_important |= self._must_become_important(at, borne)
            if borne.becomes_important:
                for stronger in style[number + 1 :]:
                    stronger.becomes_important |= overlap(
                        borne.declaration.name, stronger.declaration.name
                    )
        added = _without_settled(
            [borne for borne in style if not borne.is_own or borne.becomes_important], style
        )
        important = [
            replace(borne.declaration, is_important=True)
            for borne in added
            if borne.becomes_important
        ]
        normal = [borne.declaration for borne in added if not borne.becomes_important]
        first = [declaration for declaration in normal if not declaration.is_important]
        last = [replace(found, is_important=False) for found in normal if found.is_important]
        return _written([*first, *important]), _written(last)

    def _must_become_important(self, at: int, borne: _Borne) -> bool:
        """Tell whether something important of the head would beat it that did not before."""
        if borne.is_own and borne.declaration.is_important:
            return False
        rivals = [
            rival
            for name in self._names.like(borne.declaration.name)
            for rival in self._kept_rivals.get(name, {}).get(at, ())
            if rival.becomes_important
        ]
        sure = [rival for rival in rivals if rival.is_sure]
        return bool(rivals) and max(rival.rank for rival in sure or rivals) < borne.rank

    def _meeting(self, rule: Kept, number: int, rivals: Rivals) -> Iterator[tuple[_Rival, _Rival]]:
        """Yield what sets the same of the same element, each after the declaration itself."""
        for name in self._names.like(rule.declarations[number].name):
            by_element = rivals.get(name, {})
            for at in by_element.keys() & rule.reach.keys():
                own = _rival(rule, number, at)
                yield from ((own, rival) for rival in by_element[at])


class _Names:
    """The properties in use, and which of them set something in common."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._beginning = defaultdict[str, set[str]](set)
        for name in names:
            for beginning in _beginnings(name):
                self._beginning[beginning].add(name)
        self._like: dict[str, list[str]] = {}

    def like(self, name: str) -> list[str]:
        if name not in self._like:
            beginnings = _beginnings(name)
            near = {*beginnings, *self._beginning[name], "all", "font", "line-height"}
            if beginnings[0] == "border":
                near |= self._beginning["border"]
            candidates = self._names if name == "all" else near & self._names
            self._like[name] = [other for other in candidates if overlap(name, other)]
        return self._like[name]


def _beginnings(name: str) -> list[str]:
    """`border`, `border-top` and `border-top-color` of the last."""
    return list(accumulate(name.split("-"), "{}-{}".format))


def _rank(declaration: Declaration, weight: Weight, number: int) -> Rank:
    level = 2 * declaration.is_important + (weight == OWN)
    return level, weight, number


def _rivals(rules: Sequence[Moved] | Sequence[Kept]) -> Rivals:
    found = defaultdict[str, dict[int, list[_Rival]]](dict)
    for rule in rules:
        for number, declaration in enumerate(rule.declarations):
            by_element = found[declaration.name]
            for at in rule.reach:
                by_element.setdefault(at, []).append(_rival(rule, number, at))
    return found


def _rival(rule: Moved | Kept, number: int, at: int) -> _Rival:
    rank = _rank(rule.declarations[number], rule.reach[at], number)
    return _Rival(rule, number, rank, isinstance(rule, Moved) or at in rule.sure)


def _borne(
    declarations: Sequence[Declaration], weight: Weight, *, is_own: bool = False
) -> list[_Borne]:
    return [
        _Borne(declaration, _rank(declaration, weight, number), is_own)
        for number, declaration in enumerate(declarations)
    ]


def _without_settled(borne: Sequence[_Borne], among: Sequence[_Borne]) -> list[_Borne]:
    """Return those that are not in vain: no stronger rule sets the same to a plain value."""
    settling = {
        other.declaration.name: other.rank[:2] for other in among if _is_plain(other.declaration)
    }
    return [item for item in borne if item.rank[:2] >= settling.get(item.declaration.name, (0,))]


def _is_plain(declaration: Declaration) -> bool:
    """Tell whether its value is hardly a mistake, and known to every email program."""
    return bool(PLAIN.fullmatch(declaration.value))


def _written(declarations: Iterable[Declaration]) -> str:
    return "; ".join(map(_in_quotes, map(str, declarations)))


def _in_quotes(css: str) -> str:
    """Escape CSS for double quotes; some email programs do not know `&quot;` there."""
    if "'" not in css:
        css = css.replace('"', "'")
    return css.replace("&", "&amp;").replace('"', "&quot;")
