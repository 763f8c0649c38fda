"""Everything about a mail that does not depend on its reader, done once for each content.

Layouts are resolved, CSS is inlined, links are numbered, the plain text is derived, and all of it
is compiled; rendering a mail afterwards parses nothing.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from threading import Lock
from typing import Any

from jinja2 import Template, TemplateError

from rekindle.errors import TemplateFailed
from rekindle.locales import fallbacks
from templates.copies import Outline, outline_of
from templates.flatten import Flat, flatten
from templates.imports import importing
from templates.inline import inline_styles
from templates.markup import protect, restore
from templates.plain import derive_text
from templates.sandbox import HTML, WORDS, SafeEnvironment, run
from templates.sources import BadTemplate, Piece, Place, Sources, variants
from templates.tracking import add_traps, number_links

MOST_KEPT = 500  # compiled mails; about 100 KB each
EDITION_LENGTH = 12


@dataclass(frozen=True)
class Part:
    """One compiled source: a subject, an HTML or a plain text."""

    name: str
    template: Template
    places: tuple[tuple[int, Place], ...]  # of its tags: line in the compiled source, and origin

    def render(self, values: Mapping[str, Any]) -> str:
        """Raises TemplateFailed, naming the author's file and line."""
        try:
            return run(self.template, values)
        except Exception as error:  # a template may do anything wrong that Python knows
            raise TemplateFailed(f"{self._place(error)}: {as_sentence(error)}") from error

    def _place(self, error: BaseException) -> Place:
        line = 0
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.template.filename:
                line = self.template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        before = [place for at, place in self.places if at <= line]
        return before[-1] if before else Place(self.name, max(line, 1))


@dataclass(frozen=True)
class CompiledMail:
    """A mail in one language, for any reader of it."""

    name: str
    locale: str  # in which it is written, and figures and days are
    outline: Outline  # what all copies of it share
    edition: str  # names `links` for as long as anybody may click them
    links: tuple[str, ...]  # the addresses of links 1, 2, …
    surveys: frozenset[str]  # that it asks
    subject: Part
    html: Part
    text: Part
    is_text_written: bool  # by hand, not derived
    is_inlined: bool  # else each mail's CSS is inlined after it was rendered


@dataclass
class _Kept:
    lookups: Mapping[str, str | None]  # the sources it was made of, and those that were not there
    mail: CompiledMail

    def is_current(self, templates: Mapping[str, str]) -> bool:
        # a copy: what a mail imports is looked up when it is first rendered, perhaps right now
        return all(templates.get(name) == source for name, source in list(self.lookups.items()))


_kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()
_lock = Lock()


def compile_mail(
    name: str, wanted: str | None, templates: Mapping[str, str], *, language: str = "en"
) -> CompiledMail:
    """The mail `name` for someone who reads `wanted`; `language` is the brand's.

    Compiled once for each content and kept, the least used forgotten first. Raises TemplateFailed.
    """
    key = (name, wanted or language, language)
    with _lock:
        kept = _kept.get(key)
        if kept and kept.is_current(templates):
            _kept.move_to_end(key)
            return kept.mail
    mail, lookups = _compile(*key, templates)
    with _lock:
        _kept[key] = _Kept(lookups, mail)
        _kept.move_to_end(key)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return mail


def flat_mail(
    name: str, wanted: str | None, templates: Mapping[str, str], *, language: str = "en"
) -> tuple[Flat, Sources]:
    """The mail as it is before it is compiled, and where it came from. Raises BadTemplate."""
    chosen, sources = _chosen(name, wanted or language, language, templates)
    flat = flatten(chosen, sources)
    if not flat.subject:
        raise BadTemplate(
            Place(chosen, 1), "a mail needs a subject: {% block subject %}…{% endblock %}."
        )
    return flat, sources


def _compile(
    name: str, wanted: str, language: str, templates: Mapping[str, str]
) -> tuple[CompiledMail, Mapping[str, str | None]]:
    flat, sources = flat_mail(name, wanted, templates, language=language)
    body = protect(flat.html)
    links = number_links(body)
    is_inlined = inline_styles(body)
    derived = derive_text(body) if flat.text is None else ""
    add_traps(body)
    part = partial(_part, name, sources if _has_imports(flat) else None)
    text = protect(flat.text) if flat.text is not None else body.with_text(derived)
    html = restore(body)
    mail = CompiledMail(
        name=name,
        locale=sources.locale,
        outline=outline_of(html[0]),
        edition=_edition(name, links),
        links=links,
        surveys=frozenset(asked_surveys([*flat.html, *(flat.text or [])])),
        subject=part(WORDS, *restore(protect(flat.subject))),
        html=part(HTML, *html),
        text=part(WORDS, *restore(text)),
        is_text_written=flat.text is not None,
        is_inlined=is_inlined,
    )
    return mail, sources.lookups


def asked_surveys(pieces: list[Piece]) -> Iterator[str]:
    """The names in `survey("…")`."""
    for piece in pieces:
        for at, word in enumerate(piece.words[:-2]):
            named = piece.words[at + 2]
            if word == "survey" and piece.words[at + 1] == "(" and named[:1] in ("'", '"'):
                yield named[1:-1]


def _chosen(
    name: str, wanted: str, language: str, templates: Mapping[str, str]
) -> tuple[str, Sources]:
    """The variant of a mail, and the language it is in: wanted, the brand's, or any there is."""
    sources = Sources(templates, wanted)
    for locale in dict.fromkeys((wanted, language)):
        sources = Sources(templates, locale, sources.lookups)
        for candidate in variants(name, locale):
            if sources.look_up(candidate) is not None:
                return candidate, sources
        if fallbacks(locale)[-1] == fallbacks(language)[-1] and sources.look_up(name) is not None:
            return name, sources
    others = sorted(one for one in templates if one.startswith(f"{name}."))
    if not others:
        return name, sources  # not there: loading it says so
    sources.lookups |= {one: templates[one] for one in others}
    return others[0], Sources(templates, others[0].removeprefix(f"{name}."), sources.lookups)


def _part(
    name: str, imported: Sources | None, environment: SafeEnvironment, source: str,
    places: list[tuple[int, Place]],
) -> Part:  # fmt: skip
    environment = importing(environment, imported) if imported else environment
    try:
        code = environment.compile(source, name, f"<{name}>")
    except (TemplateError, RecursionError, ValueError, TypeError, MemoryError) as error:
        line = getattr(error, "lineno", 1) or 1
        before = [place for at, place in places if at <= line] or [Place(name, 1)]
        raise BadTemplate(before[-1], as_sentence(error)) from error
    template = environment.template_class.from_code(
        environment, code, environment.make_globals(None), None
    )
    return Part(name, template, tuple(places))


def _has_imports(flat: Flat) -> bool:
    pieces = [*flat.html, *flat.subject, *(flat.text or [])]
    return any(piece.keyword in ("import", "from") for piece in pieces)


def _edition(name: str, links: tuple[str, ...]) -> str:
    return sha256("\n".join((name, *links)).encode()).hexdigest()[:EDITION_LENGTH]


def as_sentence(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it calls itself without end."
    text = str(error) or type(error).__name__
    return text if text.endswith((".", "?", "!")) else f"{text}."
