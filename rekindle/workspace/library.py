"""Everything marketers wrote as checked objects, from the folder or from what was applied."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rekindle.errors import TemplateFailed
from rekindle.settings import DEPLOYMENT_KEYS, Settings, fill_variables
from rekindle.workspace.data import parse_csv
from rekindle.workspace.files import (
    SETTINGS_NAME,
    File,
    Kind,
    load_files,
    load_settings_file,
    path_of,
)
from rekindle.workspace.problems import Problem
from rekindle.workspace.yaml import Document, parse_yaml
from store.records import Definition, DefinitionId

if TYPE_CHECKING:  # classes that take long to make: who asks for no definitions needs none of them
    from pydantic import BaseModel

    from adapters.databases.definition import SqlSource
    from journeys.definition import Journey
    from journeys.graph import Graph
    from segments.conditions.base import ConditionBase
    from segments.definition import Segment
    from segments.lexicon import Lexicon
    from surveys.definition import Survey

WORD = re.compile(r"\w+")


def model_of(kind: str) -> "type[BaseModel] | None":
    """Return the model that reads files of this kind; None where it has none."""
    match kind:
        case "segment":
            from segments.definition import Segment

            return Segment
        case "journey":
            from journeys.definition import Journey

            return Journey
        case "survey":
            from surveys.definition import Survey

            return Survey
        case "settings":
            return Settings
        case "test":
            from rekindle.workspace.cases import CaseFile

            return CaseFile
        case "import":
            from adapters.files.definition import Import

            return Import
        case "source":
            from adapters.databases.definition import SqlSource

            return SqlSource
        case _:
            return None


@dataclass(frozen=True)
class Library:
    """The definitions in force; what could not be read is left out and said in `unreadable`."""

    settings: Settings = field(default_factory=Settings)
    segments: Mapping[str, "Segment"] = field(default_factory=dict)
    journeys: Mapping[str, "Journey"] = field(default_factory=dict)
    surveys: Mapping[str, "Survey"] = field(default_factory=dict)
    sources: Mapping[str, "SqlSource"] = field(default_factory=dict)  # databases of others
    # name, with folder and locale: "win_back/gift", "win_back/gift.fa", "layouts/brand" -> source
    templates: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    # (kind, name) -> its version in the database; empty when read from a folder
    versions: Mapping[tuple[str, str], DefinitionId] = field(default_factory=dict)
    # every version that somebody may still be on
    journey_versions: Mapping[DefinitionId, "Journey"] = field(default_factory=dict)
    # journey -> when its first version was applied: it has not heard what came before
    applied_at: Mapping[str, datetime] = field(default_factory=dict)
    unreadable: tuple[Problem, ...] = ()

    @cached_property
    def lexicon(self) -> "Lexicon":
        """What rules lean on, with the statements that were prepared so far."""
        from segments.lexicon import Lexicon

        return Lexicon.of(self.settings, self.segments)

    @cached_property
    def mails_read(self) -> dict[str, Any]:
        """What was read of mails so far, for checks."""
        return {}

    @cached_property
    def _graphs(self) -> "dict[DefinitionId, Graph]":
        return {}

    def graph(self, version_id: DefinitionId) -> "Graph | None":
        """A version of a journey, flat; None if it is not there or cannot be read any more."""
        from journeys.graph import build_graph

        if version_id not in self._graphs and version_id in self.journey_versions:
            self._graphs[version_id] = build_graph(self.journey_versions[version_id])
        return self._graphs.get(version_id)

    @cached_property
    def _surveys_of_mails(self) -> dict[str, str | None]:
        return {}

    def survey_of_mail(self, template: str) -> str | None:
        """The survey whose invitation or reminder a mail is: the one whose links it shows."""
        if template not in self._surveys_of_mails:
            self._surveys_of_mails[template] = self._find_survey(template)
        return self._surveys_of_mails[template]

    def _find_survey(self, template: str) -> str | None:
        from templates.compile import compile_mail  # Jinja and the readers of HTML and CSS

        language = self.settings.brand.language
        try:
            asked = compile_mail(template, None, self.templates, language=language).surveys
        except TemplateFailed:  # nothing of it can be sent; told when that is tried
            return None
        return next((name for name in sorted(asked) if name in self.surveys), None)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word in rules, notices and mails: what none of them names, none of them reads."""
        rules = (one.model_dump_json(exclude_defaults=True) for one in self._rules)
        return frozenset(WORD.findall(" ".join((*self.templates.values(), *rules))))

    @cached_property
    def asked_kinds(self) -> "frozenset[type[ConditionBase]]":
        """The kinds of conditions in all rules."""
        from segments.definition import conditions_in

        return frozenset(type(one) for rule in self._rules for one in conditions_in(rule))

    @property
    def _rules(self) -> "Sequence[Segment | Journey]":
        """Also those of older versions: somebody may still be on one."""
        versions = self.journey_versions.values()
        return (*self.segments.values(), *self.journeys.values(), *versions)

    def reaches(self, segment: str) -> frozenset[str]:
        """A segment and all that its rule refers to, through any number of others."""
        from segments.definition import walk

        reached: set[str] = set()
        ahead = [segment]
        while ahead:
            name = ahead.pop()
            if name not in reached and name in self.segments:
                reached.add(name)
                parts = walk(self.segments[name].match)
                ahead += [named for _, part in parts for named in part.named_segments]
        return frozenset(reached)

    @cached_property
    def segment_versions(self) -> Mapping[str, DefinitionId]:
        """Of each segment the newest version among its own and all that its rule leans on."""
        return {
            name: max(self.versions["segment", one] for one in self.reaches(name))
            for name in self.segments
        }

    def asking(self, is_meant: "Callable[[ConditionBase], bool]") -> list[str]:
        """Segments that ask such a condition, or refer to one that does."""
        from segments.definition import walk

        return [
            name
            for name in self.segments
            if any(
                is_meant(condition)
                for one in self.reaches(name)
                for _, condition in walk(self.segments[one].match)
            )
        ]

    @cached_property
    def reading_drift(self) -> list[str]:
        """Segments whose answers the clocks decide, their own or those that they refer to."""
        from segments.conditions.drift import Drift

        return self.asking(lambda condition: isinstance(condition, Drift))

    def with_only(self, names: Collection[str]) -> "Library":
        """This library as if of all journeys only those called `names` had ever been applied."""
        return replace(
            self,
            journeys={name: one for name, one in self.journeys.items() if name in names},
            versions={
                (kind, name): id_
                for (kind, name), id_ in self.versions.items()
                if kind != "journey" or name in names
            },
            journey_versions={
                id_: one for id_, one in self.journey_versions.items() if one.journey in names
            },
            applied_at={name: at for name, at in self.applied_at.items() if name in names},
        )


@dataclass(frozen=True)
class Reading:
    """What became of one file: its object, if it has no problems, and where its parts stand."""

    file: File
    document: Document
    value: Any
    problems: tuple[Problem, ...] = ()


def read_file(file: File, environment: Mapping[str, str]) -> Reading:
    """Parse one file: the same text gives the same object, wherever it was kept."""
    if file.kind == "template":
        return Reading(file, Document(file.path, file.text), file.text)
    if file.path.endswith(".csv"):
        rows, problems = parse_csv(file.text, file.path)
        return Reading(file, Document(file.path, file.text), rows, problems)
    document = parse_yaml(file.text, file.path)
    if document.problems and document.data is None:
        return Reading(file, document, None, tuple(document.problems))
    reading = _read_yaml(file, document, environment)
    if not document.problems:
        return reading
    return replace(reading, value=None, problems=(*document.problems, *_others(reading)))


def _others(reading: Reading) -> Iterable[Problem]:
    """What else is wrong with a document, on lines of which nothing was said yet."""
    told = {problem.place.line for problem in reading.document.problems}
    return (problem for problem in reading.problems if problem.place.line not in told)


def _read_yaml(file: File, document: Document, environment: Mapping[str, str]) -> Reading:
    data = document.data
    if file.kind == "settings":
        data = fill_variables(data or {}, environment)
    model = model_of(file.kind)
    if model is None:
        return Reading(file, document, data)
    if data is None:
        problem = Problem(document.place(), f"this file is empty; it should hold one {file.kind}.")
        return Reading(file, document, None, (problem,))
    from rekindle.workspace.validation import validate

    value, problems = validate(model, data, document)
    return Reading(file, document, value, (*problems, *_misnamed(file, document)))


def _misnamed(file: File, document: Document) -> Iterable[Problem]:
    written = document.data.get(file.kind) if isinstance(document.data, dict) else None
    if file.kind != "settings" and isinstance(written, str) and written != file.name:
        place = document.place((file.kind,))
        said = f"the {file.kind} is called {written!r} and its file {file.name!r}; they must agree."
        yield Problem(place, said)


def library_of(readings: Sequence[Reading]) -> Library:
    """The library of all files that could be read."""
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for reading in readings:
        if reading.value is not None and not reading.problems:
            found[reading.file.kind][reading.file.name] = reading.value
    return Library(
        settings=found["settings"].get(SETTINGS_NAME, Settings()),
        segments=found["segment"],
        journeys=found["journey"],
        surveys=found["survey"],
        sources=found["source"],
        templates=found["template"],
        data={name.rsplit(".", 1)[0]: value for name, value in found["data"].items()},
        unreadable=tuple(problem for reading in readings for problem in reading.problems),
    )


def read_library(folder: Path, environment: Mapping[str, str]) -> Library:
    """Return the library of a folder, each file read by itself: how they fit together is checked by
    `rekindle.workspace.folder.load_workspace`. Raises NotFound if there is no such folder.
    """
    files, _misplaced = load_files(folder)
    return library_of([read_file(file, environment) for file in files])


def read_settings(folder: Path, environment: Mapping[str, str]) -> Settings | None:
    """Return the settings of a folder, the defaults where its file has mistakes, None where it has
    no such file; nothing else is read. Raises NotFound if there is no such folder.
    """
    file = load_settings_file(folder)
    return library_of([read_file(file, environment)]).settings if file else None


def library_from(
    definitions: Sequence[Definition],
    environment: Mapping[str, str],
    folder_settings: Settings | None = None,
    *,
    journey_versions: Sequence[Definition] = (),
) -> Library:
    """The library of what was applied; what belongs to this process is as `folder_settings` say."""
    library = library_of([_read_definition(one, environment) for one in definitions])
    settings = library.settings
    if folder_settings is not None:
        own = {key: getattr(folder_settings, key) for key in DEPLOYMENT_KEYS}
        settings = settings.model_copy(update=own)
    older = ((one.id, _read_definition(one, environment).value) for one in journey_versions)
    return replace(
        library,
        settings=settings,
        versions={(one.kind, one.name): one.id for one in definitions},
        journey_versions={id_: journey for id_, journey in older if journey is not None},
        applied_at={one.name: one.known_at for one in journey_versions if one.version == 1},
    )


def _read_definition(definition: Definition, environment: Mapping[str, str]) -> Reading:
    kind, name = cast(Kind, definition.kind), definition.name
    return read_file(File(kind, name, path_of(kind, name), definition.body or ""), environment)
