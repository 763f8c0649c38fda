"""Macros that templates import from each other: prepared as mails are, but for numbered links."""

from collections.abc import Callable

from jinja2 import BaseLoader, Environment

from templates.markup import protect, restore
from templates.plain import derive_text
from templates.sandbox import SafeEnvironment
from templates.sources import Place, Sources, split
from templates.tracking import number_links


class _Loader(BaseLoader):
    def __init__(self, sources: Sources, *, is_html: bool) -> None:
        self._sources = sources
        self._is_html = is_html

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        found, source = self._sources.load(template, Place(template, 1))
        protected = protect(split(found, source))
        number_links(protected, are_numbered=False)
        text = protected.text if self._is_html else derive_text(protected)
        return restore(protected, text)[0], f"<{found}>", lambda: True


def importing(environment: SafeEnvironment, sources: Sources) -> SafeEnvironment:
    """`environment`, able to import what `sources` finds."""
    loader = _Loader(sources, is_html=environment.is_html)
    overlaid: SafeEnvironment = environment.overlay(loader=loader, cache_size=20)
    return overlaid
