"""Whom a changed email still reaches among those who are inside: words have no versions."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from journeys.definition import Send, Survey
from journeys.graph import FINISHED, Graph
from rekindle.errors import TemplateFailed
from rekindle.rehearsal.people import Trip
from rekindle.workspace.library import Library
from rekindle.workspace.references import base_name
from templates.compile import flat_mail


@dataclass(frozen=True)
class Rewording:
    """One email that says something else, and who is inside and may yet get it."""

    template: str
    inside: frozenset[int]  # customers, on whichever version


def find_rewordings(
    library: Library, changed: Collection[str], active: Iterable[Trip]
) -> tuple[Rewording, ...]:
    """For each email made of `changed` sources (itself, layouts, parts) who may yet get it."""
    inside: dict[str, set[int]] = {}
    if changed:
        for trip in active:
            graph = None if trip.is_held_out else library.graph(trip.version_id)
            for template in _ahead(graph, trip.step) if graph and trip.step else ():
                inside.setdefault(template, set()).add(trip.customer_id)
    return tuple(
        Rewording(template, frozenset(ids))
        for template, ids in sorted(inside.items())
        if _is_made_of(template, changed, library)
    )


def _ahead(graph: Graph, step: str) -> Iterator[str]:
    """The emails of this step and of all that some way from it leads to."""
    seen, ahead = {FINISHED}, [step]
    while ahead:
        id_ = ahead.pop()
        if id_ not in seen and id_ in graph.nodes:
            seen.add(id_)
            node = graph.nodes[id_]
            if isinstance(node.step, Send | Survey):
                yield node.step.template
            ahead += [edge.to for edge in node.edges]


def _is_made_of(template: str, changed: Collection[str], library: Library) -> bool:
    """In any of its languages."""
    language, sources = library.settings.brand.language, set()
    for name in library.templates:
        if base_name(name) == template:
            try:
                wanted = name.partition(".")[2] or language
                sources |= set(
                    flat_mail(template, wanted, library.templates, language=language)[1].lookups
                )
            except TemplateFailed:
                sources.add(name)
    return not sources.isdisjoint(changed)
