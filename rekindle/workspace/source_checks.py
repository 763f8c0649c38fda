"""What is wrong with databases as sources: in their files and, where they can be reached, there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from adapters.databases.cursors import can_step_back, keep_cursor
from adapters.databases.definition import Query, SqlSource
from adapters.databases.reading import Database, Found, open_database
from adapters.files.definition import EVERY_TOPIC
from adapters.files.layout import check_columns, layout_of
from rekindle.errors import SourceUnavailable, WrongUse
from rekindle.settings import Settings
from rekindle.workspace.library import Reading
from rekindle.workspace.problems import Problem, did_you_mean

MANY = 10  # rows with one value of the cursor, on average, from which on it tells too little


def check_sources(
    readings: Sequence[Reading], settings: Settings, environment: Mapping[str, str]
) -> Iterator[Problem]:
    """Judge the files alone."""
    for reading in readings:
        source = reading.value
        if not isinstance(source, SqlSource):
            continue
        if not environment.get(source.variable):
            said = f"${{{source.variable}}} is not set in the environment, so it cannot be read."
            yield Problem(reading.document.place(("url",)), said, "", "warning")
        for part in source.parts:
            yield from _check_part(reading, part, settings)


def _check_part(reading: Reading, part: Query, settings: Settings) -> Iterator[Problem]:
    word = re.compile(rf"(?<!\w){re.escape(part.cursor)}(?!\w)", re.IGNORECASE)
    if not word.search(part.query) and "*" not in part.query:
        said = f"the query gives no column {part.cursor!r}."
        yield Problem(
            reading.document.place((part.kind, "cursor")), said, "Select it, as it is named here."
        )
    known = [*settings.topics, EVERY_TOPIC]
    for topic in part.consents:
        if topic not in known:
            place = reading.document.place((part.kind, "consents", topic), of_key=True)
            hint = did_you_mean(topic, known) or f"There are {', '.join(known)}."
            yield Problem(place, f"there is no topic {topic!r}.", hint)


def check_sources_seen(
    readings: Sequence[Reading], settings: Settings, environment: Mapping[str, str]
) -> Iterator[Problem]:
    """Judge them by what their databases give; one that cannot be reached is a warning."""
    for reading in readings:
        source = reading.value
        if not isinstance(source, SqlSource) or not environment.get(source.variable):
            continue
        try:
            with open_database(source, environment) as database:
                for part in source.parts:
                    yield from _check_seen(reading, part, database, settings)
        except SourceUnavailable as error:
            yield Problem(reading.document.place(("url",)), str(error), "", "warning")


def _check_seen(
    reading: Reading, part: Query, database: Database, settings: Settings
) -> Iterator[Problem]:
    try:
        columns = database.columns(part)
    except SourceUnavailable as error:
        yield Problem(reading.document.place((part.kind, "query")), str(error))
        return
    cursor = reading.document.place((part.kind, "cursor"))
    if part.cursor not in columns:
        hint = did_you_mean(part.cursor, columns) or f"It gives {', '.join(columns)}."
        yield Problem(cursor, f"the query gives no column {part.cursor!r}.", hint)
        return
    try:
        check_columns(layout_of(part, settings.topics), columns, "the query")
    except WrongUse as error:
        yield Problem(reading.document.place((part.kind, "query")), str(error))
    try:
        sample = database.sample(part)
        for said in judge_cursor(part.cursor, sample):
            yield Problem(cursor, said, "", "warning")
    except (SourceUnavailable, ValueError) as error:
        yield Problem(cursor, str(error))


def judge_cursor(name: str, sample: Sequence[Found]) -> Iterator[str]:
    """Say what a cursor does not tell well. Raises ValueError for what cannot be one."""
    values: list[Any] = [found.cursor for found in sample]
    filled = [value for value in values if value is not None]
    if len(filled) < len(values):
        yield f"rows without {name!r} are never read, and there are some."
    for value in filled[:1]:
        keep_cursor(value)
        if not can_step_back(value):
            yield f"{name!r} is a text and no instant, so that rows committed late may be missed."
        if isinstance(value, date) and not isinstance(value, datetime):
            yield f"{name!r} has days only: each reading takes the whole of the last days again."
    if len(filled) >= MANY and len(filled) >= MANY * len(set(filled)):
        yield f"many rows have the same {name!r}: each reading takes all of the last one again."
