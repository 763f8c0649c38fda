"""`sources/NAME.yaml` of kind `sql`: which rows of a database become customers and events."""

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from adapters.files.definition import Import
from rekindle.durations import Duration

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}\Z")
ORDINALS = 1_000  # of a cursor that counts: how far back rows are read again


def _bounded(lowest: timedelta, highest: timedelta, said: str) -> AfterValidator:
    def check(given: timedelta) -> timedelta:
        if not lowest <= given <= highest:
            raise ValueError(said)
        return given

    return AfterValidator(check)


class Query(Import):
    """Rows that a query gives, and what becomes of them: the keys of `imports/NAME.yaml` besides
    `query` and `cursor`.
    """

    name: str = Field("", alias="import", exclude=True)
    query: str = Field(min_length=1, description="a SELECT, without the bound on its cursor")
    cursor: str = Field(min_length=1, description="its column that grows as rows come or change")

    @field_validator("query")
    @classmethod
    def _is_one_statement(cls, written: str) -> str:
        query = written.strip().rstrip(";").rstrip()
        if not re.match(r"(select|with|values)\b|\(", query, re.IGNORECASE):
            raise ValueError("a query begins with SELECT or WITH")
        return query


class CustomersQuery(Query):
    """One row a customer."""

    kind: Literal["customers"] = "customers"


class EventsQuery(Query):
    """One row an event."""

    kind: Literal["events"] = "events"

    @model_validator(mode="after")
    def _tells_events_apart(self) -> Self:
        if not self.key and "message_id" not in self.fields:
            raise ValueError(
                "rows are read more than once: 'key' names the columns that tell one event from"
                " another, or 'map' gives a message_id"
            )
        if self.items:
            raise ValueError("'items' is for files: join the rows of one event in the query")
        return self


class SqlSource(BaseModel):
    """A database that is read by a schedule, from where the last reading ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    kind: Literal["sql"]
    describe: str = ""
    url: str = Field(description="${NAME}: a SQLAlchemy URL, which the environment has")
    every: Annotated[
        Duration,
        _bounded(timedelta(seconds=10), timedelta(days=366), "a reading is due every 10 seconds"
                 " at most, and every year at least"),
    ] = timedelta(minutes=15)  # fmt: skip
    overlap: Annotated[
        Duration, _bounded(timedelta(0), timedelta(days=31), "an overlap is 31 days at most")
    ] = timedelta(minutes=10)
    overlap_rows: int = Field(
        ORDINALS, ge=0, description="the same for a cursor that counts, in its own steps"
    )
    timeout: Annotated[
        Duration,
        _bounded(timedelta(seconds=1), timedelta(hours=6), "a statement may take from 1 second to"
                 " 6 hours"),
    ] = timedelta(minutes=5)  # fmt: skip
    customers: CustomersQuery | None = None
    events: EventsQuery | None = None

    @field_validator("url")
    @classmethod
    def _is_in_the_environment(cls, written: str) -> str:
        if not VARIABLE.match(written):
            raise ValueError("a URL may hold a password: write ${NAME}, and set NAME outside")
        return written

    @model_validator(mode="after")
    def _reads_something(self) -> Self:
        if self.customers is None and self.events is None:
            raise ValueError("it reads nothing: give 'customers' or 'events', each with a query")
        return self

    @property
    def variable(self) -> str:
        """The name in the environment under which the URL stands."""
        found = VARIABLE.match(self.url)
        assert found is not None  # as was checked
        return found[1]

    @property
    def parts(self) -> tuple[CustomersQuery | EventsQuery, ...]:
        """What is read, customers first: their events find them."""
        return tuple(part for part in (self.customers, self.events) if part is not None)
