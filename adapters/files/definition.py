"""`imports/NAME.yaml`: how files of one kind become events, customers or suppressions."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from adapters.files.declared_types import parse_type, parse_zone
from adapters.files.encodings import parse_encoding
from adapters.tracking.names import canonical_name
from rekindle.errors import WrongUse

Kind = Literal["events", "customers", "suppressions"]
EVERY_TOPIC = "all"


def _as_texts(written: Any) -> Any:
    """YAML reads `yes` and `2` as what they are not in a file."""
    if isinstance(written, list | tuple):
        return [_as_text(item) for item in written]
    return [_as_text(written)]


def _as_text(written: Any) -> Any:
    if isinstance(written, bool):
        return "true" if written else "false"
    return str(written) if isinstance(written, int | float) else written


Words = Annotated[tuple[str, ...], BeforeValidator(_as_texts)]
Name = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class FieldSource(_Model):
    """Where one field comes from: a column, or the same value in every row."""

    column: Name | None = Field(None, description="the column, or a path such as person.email")
    value: Annotated[str, BeforeValidator(_as_text)] | None = None
    type: str | None = Field(None, description="text, number 1.234,56, instant DD/MM/YYYY, …")

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("a field has a column or a value: one of the two")
        return self

    @field_validator("type")
    @classmethod
    def _is_type(cls, written: str | None) -> str | None:
        if written is not None:
            parse_type(written)
        return written


class Consent(_Model):
    """What a column says of a topic. Words that are not listed say nothing."""

    column: Name | None = None
    value: Literal["granted", "denied", "unknown"] | None = Field(None, description="of every row")
    granted: Words = ()
    denied: Words = ()
    unknown: Words = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError("a consent has a column or a value: one of the two")
        return self

    def status(self, cell: str) -> str | None:
        """What a cell says; None where it says nothing. A yes needs its word to be listed."""
        word = cell.strip().lower()
        for status in ("denied", "granted", "unknown"):
            if word in (listed.lower() for listed in getattr(self, status)):
                return status
        return None


class Suppressed(_Model):
    """Words in a column that stop a row's address for good."""

    column: Name
    words: Words


class Further(_Model):
    """One more event of the same row, where the column of its instant is filled."""

    event: Name
    occurred_at: Name


def _as_field(written: Any) -> Any:
    return {"column": written} if isinstance(written, str) else written


class Import(_Model):
    """One kind of file. All but `import` and `kind` may be left out."""

    name: str = Field(alias="import")
    describe: str = Field("", description="whose files these are and where to find them")
    kind: Kind
    source: str = Field("", description="where the events say they are from")
    encoding: str = ""
    separator: str = Field("", max_length=1)
    quote: str | None = Field(None, max_length=1)
    escape: str = Field("", max_length=1)
    sheet: str = Field("", description="of a workbook")
    zone: str = Field("", description="of times that name none")
    fields: Mapping[str, Annotated[FieldSource, BeforeValidator(_as_field)]] = Field(
        default_factory=dict, alias="map"
    )
    types: Mapping[str, str] = Field(default_factory=dict, description="of columns")
    events: Mapping[str, str] = Field(
        default_factory=dict, description="what events are called here, by their names in the file"
    )
    also: tuple[Further, ...] = ()
    key: Words = Field((), description="columns that tell one event from another")
    items: Mapping[str, Name] = Field(
        default_factory=dict, description="of an event in several rows: name in `items` to column"
    )
    consents: Mapping[str, Consent] = Field(
        default_factory=dict, description="by topic; `all` is every topic"
    )
    suppressed: Suppressed | None = None
    unknown: Literal["park", "make"] = Field(
        "park", description="what becomes of an event whose address no customer has"
    )
    ignore: Words = Field((), description="columns that are not kept; '*' is all not named here")

    @field_validator("types")
    @classmethod
    def _are_types(cls, written: Mapping[str, str]) -> Mapping[str, str]:
        for type_ in written.values():
            parse_type(type_)
        return written

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, written: str) -> str:
        if written:
            parse_zone(written)
        return written

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, written: str) -> str:
        try:
            return parse_encoding(written) if written else ""
        except WrongUse as error:
            raise ValueError(str(error)) from error

    @field_validator("events")
    @classmethod
    def _are_names(cls, written: Mapping[str, str]) -> Mapping[str, str]:
        for name in written.values():
            if canonical_name(name) != name:
                raise ValueError(f"{name!r} is stored as {canonical_name(name)!r}")
        return written

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.items and not self.key:
            raise ValueError("'items' needs 'key': the columns by which rows belong together")
        of_events = (self.items, self.key, self.also, self.events)
        if self.kind != "events" and any(of_events):
            raise ValueError("'key', 'items', 'also' and 'events' are for events")
        if self.kind != "customers" and (self.consents or self.suppressed):
            raise ValueError("'consents' and 'suppressed' are for customers")
        return self
