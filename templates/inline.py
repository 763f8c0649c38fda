"""Puts CSS into style attributes once a template, so that no mail needs to be parsed for it.

Only style attributes and the contents of style elements change; all else stays as it was written,
Jinja's tags and comments included. What no style attribute can say stays in the head, and so does
what matches nothing here: mail programs put their own elements and classes around a mail. Where a
style could depend on what is rendered, the template says so, and each mail is inlined by itself.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import count, pairwise
from operator import attrgetter
from threading import Lock

from templates.cascade import Cascade, Kept, Moved, Weight
from templates.elements import UNSTYLED, Page
from templates.markup import TOKEN, Protected, Tag, Words, edited, scan
from templates.stylesheets import (
    AtRule,
    Rule,
    Selector,
    StyleRule,
    read_declarations,
    read_sheet,
)

OPENS = ("if", "for", "filter", "call", "with")
TURNS = ("elif", "else")
ALL_MEDIA = ("", "all")
READ = frozenset({"class", "id", "media", "style", "type"})  # whatever CSS asks for


MOST_KEPT = 500  # plans; a few kB each
_plans: OrderedDict["_Shape", "_Plan"] = OrderedDict()
_lock = Lock()


def inline_styles(protected: Protected) -> bool:
    """Inline the CSS of a template; False where each mail must be inlined by itself instead."""
    markup = _Markup(protected.text)
    sheets = [sheet for sheet in markup.sheets if sheet.is_for_all]
    if any(TOKEN.search(sheet.css) for sheet in sheets):
        return False
    page = Page(protected.text)
    selectors = [selector for sheet in sheets for selector in _inlinable(sheet.rules)]
    if selectors and not _is_whole(protected.text, page):
        return False
    if _depends_on_rendering(protected, page, selectors):
        return False
    protected.text = _carried_out(_plan(markup, page), markup)
    return True


def inline_mail(html: str) -> str:
    """Inline the CSS of a rendered mail; what is alike in other mails is worked out once."""
    markup = _Markup(html.replace("\r\n", "\n").replace("\r", "\n"))  # as a browser counts them
    shape = markup.shape
    with _lock:
        if plan := _plans.get(shape):
            _plans.move_to_end(shape)
    if not plan:
        plan = _plan(markup, Page(markup.text))
        with _lock:
            _plans[shape] = plan
            while len(_plans) > MOST_KEPT:
                _plans.popitem(last=False)
    return _carried_out(plan, markup)


@dataclass(frozen=True)
class _Sheet:
    """A style element's content."""

    css: str
    start: int
    end: int
    is_for_all: bool  # media, not only for print or for phones

    @property
    def rules(self) -> tuple[Rule, ...]:
        """None of a sheet that is only complete once rendered."""
        return () if TOKEN.search(self.css) else read_sheet(self.css)


class _Markup:
    """The tags and sheets of a page."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._found = list(scan(text))
        self.tags = [tag for tag in self._found if isinstance(tag, Tag) and not tag.is_end]

    @cached_property
    def sheets(self) -> list[_Sheet]:
        sheets = []
        for before, found in pairwise(self._found):
            if isinstance(found, Words) and found.within == "style" and isinstance(before, Tag):
                is_css = _attribute(before, "type") in ("", "text/css")
                is_for_all = _attribute(before, "media") in ALL_MEDIA
                if is_css:
                    sheets.append(_Sheet(found.text, found.start, found.end, is_for_all))
        return sheets

    @property
    def shape(self) -> "_Shape":
        """Return all that its styles can depend on: neither words nor where links lead."""
        asked = READ.union(*(_attributes_asked(sheet.css) for sheet in self.sheets))
        doctype = self.text[: self.tags[0].start] if self.tags else ""
        return ((doctype,), *(_outline(found, asked) for found in self._found))


_Shape = tuple[tuple[object, ...], ...]


@dataclass(frozen=True)
class _Plan:
    """What each sheet becomes, and what each tag's style gets before and after its own."""

    heads: tuple[str, ...]
    styles: Mapping[int, tuple[str, str]]  # by the number of the tag


def _outline(found: Tag | Words, asked: frozenset[str]) -> tuple[object, ...]:
    match found:
        case Words(within="style"):
            return (found.text,)
        case Words():
            return (bool(found.text.strip()),)
        case Tag(is_end=True):
            return "/", found.name
        case Tag():
            read = (
                (attribute.name, attribute.value)
                for attribute in found.attributes
                if attribute.name in asked
            )
            return found.name, found.is_open, *read


@lru_cache(maxsize=200)
def _attributes_asked(css: str) -> frozenset[str]:
    return frozenset().union(*(selector.attributes for selector in _selectors(read_sheet(css))))


def _selectors(rules: Sequence[Rule]) -> Iterator[Selector]:
    for rule in rules:
        if isinstance(rule, StyleRule):
            yield from rule.selectors
        else:
            yield from _selectors(rule.rules or ())


def _attribute(tag: Tag, name: str) -> str:
    attribute = tag.attribute(name)
    return attribute.decoded.strip().lower() if attribute else ""


def _inlinable(rules: Sequence[Rule]) -> list[Selector]:
    """Return the selectors that a style attribute can stand for, if they match anything."""
    return [
        selector
        for rule in rules
        if isinstance(rule, StyleRule) and rule.declarations and rule.is_splittable
        for selector in rule.selectors
        if selector.is_static
    ]


def _plan(markup: _Markup, page: Page) -> _Plan:
    division = _Division(page)
    sheets = [
        (sheet, [division.divide(rule, can_move=sheet.is_for_all) for rule in sheet.rules])
        for sheet in markup.sheets
    ]
    own = {tag.start: style for tag in markup.tags if (style := tag.attribute("style"))}
    written = {at: read_declarations(style.decoded) for at, style in own.items()}
    cascade = Cascade(division.moved, division.kept, written)
    cascade.promote_kept()
    styles = cascade.styles()
    numbers = {tag.start: number for number, tag in enumerate(markup.tags)}
    return _Plan(
        heads=tuple(_head_css(sheet, parts) for sheet, parts in sheets),
        styles={numbers[at]: style for at, style in styles.items()},
    )


def _carried_out(plan: _Plan, markup: _Markup) -> str:
    heads = zip(markup.sheets, plan.heads, strict=True)
    edits = [(sheet.start, sheet.end, head) for sheet, head in heads]
    edits += [_style_edit(markup.tags[at], *style) for at, style in plan.styles.items()]
    return edited(markup.text, edits)


@dataclass(frozen=True)
class _Part:
    """What stays of a rule in the head."""

    rule: Rule
    kept: Kept | None = None
    staying: tuple[Selector, ...] = ()
    moving: tuple[Selector, ...] = ()
    inside: tuple["_Part", ...] = ()

    @property
    def is_as_written(self) -> bool:
        is_promoted = self.kept is not None and self.kept.promoted
        return (
            not self.moving and not is_promoted and all(part.is_as_written for part in self.inside)
        )

    def __str__(self) -> str:
        match self.rule:
            case rule if self.is_as_written:
                return rule.text
            case AtRule(head=head):
                return f"{head} {{ {' '.join(filter(None, map(str, self.inside)))} }}"
            case StyleRule(rest=rest):
                stays = _rule(self.staying, self._body()) if self.staying else ""
                return f"{stays} {_rule(self.moving, rest) if rest else ''}".strip()

    def _body(self) -> str:
        if not isinstance(self.rule, StyleRule) or not self.kept or not self.kept.promoted:
            return self.rule.body if isinstance(self.rule, StyleRule) else ""
        promoted = self.kept.promoted
        declarations = [
            f"{replace(declaration, is_important=declaration.is_important or number in promoted)};"
            for number, declaration in enumerate(self.rule.declarations)
        ]
        return " ".join(filter(None, [*declarations, self.rule.rest]))


class _Division:
    """Divides rules into what moves into style attributes and what stays in the head."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._orders = count()
        self.moved: list[Moved] = []
        self.kept: list[Kept] = []

    def divide(self, rule: Rule, *, can_move: bool) -> _Part:
        if isinstance(rule, AtRule):
            inside = (self.divide(inner, can_move=False) for inner in rule.rules or ())
            return _Part(rule, inside=tuple(inside))
        order = next(self._orders)
        moving = self._moving(rule) if can_move else ()
        staying = tuple(selector for selector in rule.selectors if selector not in moving)
        if moving:
            self.moved.append(Moved(self._reach(moving, order), rule.declarations))
        static = [self._page.matching(selector.text) for selector in staying if selector.is_static]
        sure = frozenset[int]().union(*static)
        kept = Kept(self._reach(staying, order), rule.declarations, sure)
        self.kept.append(kept)
        return _Part(rule, kept, staying, moving)

    def _moving(self, rule: StyleRule) -> tuple[Selector, ...]:
        return tuple(
            selector for selector in _inlinable([rule]) if self._page.matching(selector.text)
        )

    def _reach(self, selectors: Sequence[Selector], order: int) -> Mapping[int, Weight]:
        reach: dict[int, Weight] = {}
        for selector in sorted(selectors, key=attrgetter("specificity")):
            reach |= dict.fromkeys(self._elements(selector), (selector.specificity, order))
        return reach

    def _elements(self, selector: Selector) -> frozenset[int]:
        """Return those that it means, or may mean in a state or within an email program."""
        if selector.is_generated or not selector.compounds:
            return frozenset()
        plain = selector.text if selector.is_static else selector.bare
        return self._page.matching(plain) or self._page.matching(selector.compounds[-1])


def _rule(selectors: Sequence[Selector], body: str) -> str:
    return f"{', '.join(selector.text for selector in selectors)} {{ {body} }}"


def _head_css(sheet: _Sheet, parts: Sequence[_Part]) -> str:
    if all(part.is_as_written for part in parts):
        return sheet.css
    return "\n".join(filter(None, map(str, parts)))


def _style_edit(tag: Tag, before: str, after: str) -> tuple[int, int, str]:
    """The author's own style stays as it was written, tokens and all, among the others."""
    if own := tag.attribute("style"):
        written = own.value.strip().rstrip(";").replace('"', "&quot;")
        return own.start, own.end, f'style="{"; ".join(filter(None, [before, written, after]))}"'
    at = tag.start + len(tag.name) + 1
    return at, at, f' style="{"; ".join(filter(None, [before, after]))}"'


def _is_whole(text: str, page: Page) -> bool:
    """Tell whether every tag is an element of the page, as a browser would see it."""
    return all(
        tag.start in page.elements
        for tag in scan(text)
        if isinstance(tag, Tag) and not tag.is_end and tag.name not in (*UNSTYLED, "html", "body")
    )


def _depends_on_rendering(protected: Protected, page: Page, selectors: Sequence[Selector]) -> bool:
    if not selectors:
        return False
    statements = [tag for tag in protected.tags if tag.kind == "statement"]
    if (
        any(tag.keyword in ("macro", "import", "from", "call") for tag in statements)
        or any("safe" in tag.words for tag in protected.tags)
        or _has_computed_attributes(protected.text, selectors)
    ):
        return True
    possible = [selector for selector in selectors if all(map(page.matching, selector.compounds))]
    if any(selector.looks_up for selector in possible) and not _is_balanced(protected):
        return True
    unsteady = page.unsteady(_regions(protected))
    return any(selector.looks_inside and protected.tags for selector in possible) or any(
        selector.looks_beside and page.matching(compound) & unsteady
        for selector in possible
        for compound in selector.compounds
    )


def _has_computed_attributes(text: str, selectors: Sequence[Selector]) -> bool:
    """Tell whether Jinja stands among a tag's attributes, or in one that CSS asks for."""
    asked = {"class", "id"}.union(*(selector.attributes for selector in selectors))
    for tag in (found for found in scan(text) if isinstance(found, Tag)):
        bare = edited(tag.inside, [
            (attribute.start - tag.inside_start, attribute.end - tag.inside_start, "")
            for attribute in tag.attributes if not TOKEN.search(attribute.name)
        ])  # fmt: skip
        computed = (attribute for attribute in tag.attributes if attribute.name in asked)
        if TOKEN.search(bare) or any(TOKEN.search(attribute.value) for attribute in computed):
            return True
    return False


def _regions(protected: Protected) -> list[tuple[int, int]]:
    """Return the stretches whose content comes and goes, or comes again."""
    regions, begun = list[tuple[int, int]](), list[int]()
    for found in TOKEN.finditer(protected.text):
        keyword = protected.tags[int(found[1])].keyword
        if keyword in OPENS:
            begun.append(found.end())
        elif begun and keyword.startswith("end") and keyword[3:] in OPENS:
            regions.append((begun.pop(), found.start()))
    return regions


def _is_balanced(protected: Protected) -> bool:
    """True where every branch and loop body closes the elements it opens."""
    depth = 0
    outer: list[int] = []
    for found in scan(protected.text):
        if isinstance(found, Tag):
            depth += 1 if found.is_open else -1 if found.is_end else 0
            continue
        for tag in protected.named(found.text):
            keyword = tag.keyword
            if keyword in TURNS and outer and depth != outer[-1]:
                return False
            is_end = keyword.startswith("end") and keyword[3:] in OPENS
            if is_end and outer and depth != outer.pop():
                return False
            if keyword in OPENS:
                outer.append(depth)
    return True
