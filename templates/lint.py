"""Finds what is wrong with a template before anybody is mailed, and says where and what was meant.

A mail is looked at with the layouts and includes that it will be rendered with.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from jinja2 import TemplateError, meta, nodes

from templates.compile import as_sentence, compile_mail, flat_mail
from templates.flatten import Flat
from templates.markup import protect, restore
from templates.render import SERVICE
from templates.sandbox import HTML
from templates.sources import BadTemplate, Piece, Place
from templates.tracking import find_dead_links

Names = frozenset[str]
TREES_KEPT = 32

# the names of a template -> what may stand behind their dot; None: nobody can list it
PAST = frozenset({"count", "first_at", "last_at"})
NAMES: Mapping[str, Names | None] = {
    "customer": None, "event": None, "answer": None, "data": None, "now": None, "code": None,
    "locale": None, "direction": None, "unsubscribe_url": None, "view_url": None, "survey": None,
    "drift": frozenset({"state", "risk", "silence", "sentence"}),
    "history": frozenset({"orders", "tickets", "visits"}),
    "brand": frozenset({"name", "address", "zone"}),
    "words": frozenset({"unsubscribe", "view"}),
}  # fmt: skip
BEHIND: Mapping[str, Names] = {"history": PAST, "answer": frozenset({"score", "comment"})}
OF_EVERY_CUSTOMER = frozenset({"id", "name", "first_name", "email"})
METHODS = frozenset({"get", "items", "keys", "values"})
# what people write who come from elsewhere -> what it is called here
SYNONYMS = {
    "user": "customer", "contact": "customer", "profile": "customer", "person": "customer",
    "shop": "brand", "company": "brand", "today": "now", "unsubscribe": "unsubscribe_url",
    "unsubscribe_link": "unsubscribe_url", "ticket": "event", "order": "event", "coupon": "code",
    "currency": "money", "format": "number", "strftime": "date",
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What the workspace has for templates to name; None where nobody can say."""

    surveys: Collection[str] | None = None
    data: Collection[str] | None = None
    traits: Collection[str] | None = None

    def behind(self, name: str) -> Collection[str] | None:
        """What may stand behind `name.`; None for anything."""
        match name:
            case "answer":
                return self.surveys
            case "data":
                return self.data
            case "customer" if self.traits is not None:
                return OF_EVERY_CUSTOMER | set(self.traits)
            case _:
                return NAMES[name]


@dataclass(frozen=True)
class Finding:
    """Something wrong, in the template (with its locale) and line where its author finds it."""

    template: str
    line: int
    message: str
    hint: str = ""


def check_template(
    name: str,
    templates: Mapping[str, str],
    *,
    known: Known | None = None,
    topics: Collection[str] = (),
    language: str = "en",
) -> list[Finding]:
    """Everything wrong with the mail `name`, which bears its locale if it has one.

    `topics` are those it is sent under: all but `service` need a way to unsubscribe.
    """
    plain, _, locale = name.partition(".")
    wanted = locale.replace("_", "-") or language
    try:
        flat, _sources = flat_mail(plain, wanted, templates, language=wanted)
        findings = [
            *_check_flat(flat, known or Known()),
            *_check_unsubscribing(name, flat, topics),
        ]
        if not findings:
            compile_mail(plain, wanted, templates, language=wanted)
    except BadTemplate as error:
        return [_finding(error.place, error.message, error.hint)]
    return sorted(set(findings), key=lambda one: (one.template, one.line, one.message))


def check_words(source: str, *, known: Known | None = None) -> list[Finding]:
    """Everything wrong with a line of words, such as a notice; its template is called `message`."""
    try:
        tree = HTML.parse(source)
    except TemplateError as error:
        return [Finding("message", getattr(error, "lineno", 1) or 1, as_sentence(error))]
    return list(
        dict.fromkeys(_check_tree(tree, lambda line: Place("message", line), known or Known()))
    )


def names_read(name: str, templates: Mapping[str, str], *, language: str = "en") -> frozenset[str]:
    """What the mail asks for: `event.ticket_id`, `answer.csat`, `code`; in any of its languages.

    Raises BadTemplate.
    """
    read: set[str] = set()
    for wanted in languages_of(name, templates, language):
        flat, _sources = flat_mail(name, wanted, templates, language=wanted)
        read |= _names_in(tree_of(restore(protect(pieces_of(flat)))[0]))
    return frozenset(read)


@lru_cache(TREES_KEPT)
def tree_of(source: str) -> nodes.Template:
    """Return what Jinja reads, to be looked at only: the same mail is asked several things in a
    row. Raises TemplateError.
    """
    return HTML.parse(source)


def languages_of(name: str, templates: Mapping[str, str], language: str) -> set[str]:
    """In which there is a mail `name`; the one that bears no locale is in the brand's."""
    locales = {one.partition(".")[2] for one in templates if one.partition(".")[0] == name}
    return {locale.replace("_", "-") or language for locale in locales}


def names_in_words(source: str) -> frozenset[str]:
    """As `names_read`, of a line of words; none where it cannot be read."""
    try:
        return _names_in(HTML.parse(source))
    except TemplateError:
        return frozenset()


def _names_in(tree: nodes.Template) -> frozenset[str]:
    read = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    read |= {f"{owner}.{part}" for owner, part, _line in _dotted(tree)}
    return frozenset(one for one in read if one.partition(".")[0] in NAMES)


def _check_flat(flat: Flat, known: Known) -> Iterator[Finding]:
    protected = protect(pieces_of(flat))
    source, places = restore(protected)
    yield from _check_tree(HTML.parse(source), place_finder(places), known)
    for block in flat.unplaced:
        near = _near(block.name, flat.shown)
        yield _finding(block.place, f"no layout shows a block called {block.name!r}.", near)
    for place, message, hint in find_dead_links(protect(flat.html)):
        yield _finding(place, message, hint)


def place_finder(places: Sequence[tuple[int, Place]]) -> Callable[[int], Place]:
    """Where a line of what was put together stands in the files, by those lines that begin one."""
    return lambda line: next((one for at, one in reversed(places) if at <= line), places[0][1])


def _check_tree(
    tree: nodes.Template, place_of: Callable[[int], Place], known: Known
) -> Iterator[Finding]:
    yield from _check_filters(tree, place_of)
    undeclared = meta.find_undeclared_variables(tree)
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in undeclared:
            yield from _check_name(name.name, place_of(name.lineno))
    for call in tree.find_all(nodes.Call):
        yield from _check_survey(call, place_of(call.lineno), known)
    for owner, part, line in _dotted(tree):
        if owner.partition(".")[0] in undeclared:
            yield from _check_part(owner, part, place_of(line), known)


def _check_filters(tree: nodes.Template, place_of: Callable[[int], Place]) -> Iterator[Finding]:
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        kind, there = (
            ("filter", HTML.filters) if isinstance(node, nodes.Filter) else ("test", HTML.tests)
        )
        if node.name not in there:
            message = f"no {kind} is called {node.name!r}."
            yield _finding(place_of(node.lineno), message, _near(node.name, list(there)))
            node.name = next(iter(there))  # Jinja would stop here, and there is more to say


def _check_name(name: str, place: Place) -> Iterator[Finding]:
    if name not in NAMES and name not in HTML.globals:
        near = _near(name, [*NAMES, *HTML.globals])
        yield _finding(place, f"nothing is called {name!r} in a template.", near)


def _check_part(owner: str, part: str, place: Place, known: Known) -> Iterator[Finding]:
    first, _, second = owner.partition(".")
    if first not in NAMES or part in METHODS:
        return
    parts = BEHIND.get(first) if second else known.behind(first)
    if parts is not None and part not in parts:
        yield _finding(place, f"{owner} has no {part!r}.", _near(part, parts))


def _check_survey(call: nodes.Call, place: Place, known: Known) -> Iterator[Finding]:
    match call:
        case nodes.Call(node=nodes.Name(name="survey"), args=[nodes.Const(value=name)]):
            if known.surveys is not None and name not in known.surveys:
                near = _near(str(name), known.surveys)
                yield _finding(place, f"no survey is called {name!r}.", near)
        case nodes.Call(node=nodes.Name(name="survey")):
            yield _finding(place, "survey() takes the name of a survey, in quotes.")
        case _:
            pass


def _check_unsubscribing(name: str, flat: Flat, topics: Collection[str]) -> Iterator[Finding]:
    marketing = sorted(set(topics) - {SERVICE})
    links = any("unsubscribe_url" in piece.words for piece in flat.html)
    if marketing and not links:
        message = f"this mail is sent under the topic {marketing[0]!r} and has no unsubscribe link."
        hint = 'Keep the footer of the layout, or link to "{{ unsubscribe_url }}".'
        yield _finding(Place(name, 1), message, hint)


def _dotted(tree: nodes.Template) -> Iterator[tuple[str, str, int]]:
    """`history.orders.count` as (`history`, `orders`), (`history.orders`, `count`), with lines."""
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        part = _part(node)
        match node:
            case (
                nodes.Getattr(node=nodes.Name(name=name))
                | nodes.Getitem(node=nodes.Name(name=name))
            ):
                owner = name
            case nodes.Getattr(node=nodes.Getattr(node=nodes.Name(name=name), attr=middle)):
                owner = f"{name}.{middle}"
            case _:
                continue
        if part:
            yield owner, part, node.lineno


def _part(node: nodes.Node) -> str:
    match node:
        case nodes.Getattr(attr=part) | nodes.Getitem(arg=nodes.Const(value=str(part))):
            return part
        case _:
            return ""


def pieces_of(flat: Flat) -> list[Piece]:
    return [*flat.html, *flat.subject, *(flat.text or [])]


def _near(name: str, known: Collection[str]) -> str:
    synonym = SYNONYMS.get(name.lower())
    near = [synonym] if synonym in known else get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def _finding(place: Place, message: str, hint: str = "") -> Finding:
    return Finding(place.template, place.line, message, hint)
