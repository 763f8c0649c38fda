"""Which column is which field: by its name, or as `--map` or a mapping says."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import cached_property
from typing import Any

from adapters.documents import parse_json
from adapters.files.declared_types import Declared, parse_type
from adapters.files.definition import EVERY_TOPIC, Consent, Further, Import, Suppressed
from rekindle.errors import Malformed, WrongUse

CONSTANT = "const:"
NEGATED = "not:"
CONSENT = "consent."
ANY = "*"
ITEMS = "items"
FIELDS = {
    "events": ("customer_id", "event", "occurred_at", "channel", "message_id", "email"),
    "customers": ("customer_id",),
    "suppressions": ("email", "reason"),
}
# of each group one must be there
REQUIRED = {
    "events": (("customer_id", "email"), ("event",), ("occurred_at",)),
    "customers": (("customer_id",),),
    "suppressions": (("email",),),
}
SIGNS_OF_CUSTOMERS = ("email", "locale", "zone")
# an object that holds all the rest: its values stand beside the columns
REST = {"events": "properties", "customers": "traits", "suppressions": ""}
# never a number, whatever they look like
TEXTS = frozenset(("customer_id", "event", "channel", "message_id", "email", "phone", "locale",
                   "zone", "reason"))  # fmt: skip
YES = ("true", "yes", "y", "t", "1", "ja", "oui", "si", "sí")


MOST_NAMES = 10_000  # that are remembered; rows of JSON may have names without end


class Home(Enum):
    """Where the value of a column goes."""

    FIELDS = auto()
    REST = auto()  # properties of an event, traits of a customer
    NONE = auto()


class ColumnsDoNotFit(WrongUse):
    """A file has no column for what its rows need; `columns` are those that it has."""

    def __init__(self, said: str, columns: Sequence[str]) -> None:
        super().__init__(said)
        self.columns = columns


@dataclass(frozen=True)
class Layout:
    """Where the fields of one kind of row come from; all other columns keep their names."""

    kind: str
    columns: Mapping[str, str]  # field to column
    constants: Mapping[str, str]  # field to what it always is
    declared: Mapping[str, Declared] = field(default_factory=dict)  # by column
    consents: Mapping[str, Consent] = field(default_factory=dict)  # by topic
    suppressed: Suppressed | None = None
    key: tuple[str, ...] = ()
    items: Mapping[str, str] = field(default_factory=dict)
    also: tuple[Further, ...] = ()
    events: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    makes_unknown: bool = False  # customers for events with the address of none
    is_by_address: bool = False  # customers are told by their addresses alone
    optional: frozenset[str] = frozenset()  # columns that not every file of the kind has

    def split(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields that `row` fills, and what it says besides: properties, or traits."""
        fields: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        homes, known = self._homes, FIELDS[self.kind]
        of_fields, of_rest = Home.FIELDS, Home.REST  # looked up once: there are many cells
        for column, value in row.items():
            home = homes.get(column) or self._home_of(column)
            if home is of_fields:
                fields[column] = value
            elif home is of_rest:
                rest[column] = value
        for name, column in self.columns.items():
            if (value := look_up(row, column)) is None:
                continue
            if name == REST[self.kind] and (found := _as_object(value)) is not None:
                rest |= found
            else:
                (fields if name in known else rest)[name] = value
        for name, value in self.constants.items():
            (fields if name in known else rest)[name] = value
        return fields, rest

    def _home_of(self, column: str) -> "Home":
        """Where a column that keeps its name goes."""
        is_field = column in FIELDS[self.kind]
        if column in self._used:
            home = Home.NONE
        elif is_field and column not in self.columns and column not in self.constants:
            home = Home.FIELDS
        else:
            home = Home.REST if self._is_kept(column) else Home.NONE
        if len(self._homes) < MOST_NAMES:
            self._homes[column] = home
        return home

    def _is_kept(self, column: str) -> bool:
        if column == ITEMS and self.items:
            return True
        return ANY not in self.ignored and column not in self.ignored

    @cached_property
    def _homes(self) -> dict[str, "Home"]:
        """Where the columns go that were seen so far."""
        return {}

    @cached_property
    def _used(self) -> Collection[str]:
        """Columns that do not stay under their own names."""
        consented = {consent.column for consent in self.consents.values() if consent.column}
        return {*self.columns.values(), *self.items.values(), *consented}

    def column_of(self, name: str) -> str:
        """The column of a field."""
        return self.columns.get(name, name)

    def name_of(self, column: str) -> str:
        """What a column becomes; empty if it is not kept, or said elsewhere."""
        names = [name for name, mapped in self.columns.items() if mapped == column]
        names += [f"{ITEMS}.{name}" for name, mapped in self.items.items() if mapped == column]
        names += [f"{CONSENT}{t}" for t, one in self.consents.items() if one.column == column]
        names += [one.event for one in self.also if one.occurred_at == column]
        if names:
            return ", ".join(names)
        return column if self._is_kept(column) or column in FIELDS[self.kind] else ""

    @property
    def named_columns(self) -> list[str]:
        """Every column that the layout speaks of."""
        found = [*self.columns.values(), *self.key, *self.items.values()]
        found += [one.column for one in self.consents.values() if one.column]
        found += [further.occurred_at for further in self.also]
        found += [self.suppressed.column] if self.suppressed else []
        return list(dict.fromkeys(found))

    def is_text(self, column: str) -> bool:
        """Whether the cells of a column stay as they are written."""
        names = [name for name, mapped in self.columns.items() if mapped == column] or [column]
        consented = (one.column for one in self.consents.values())
        return (
            column in consented
            or any(name in TEXTS or name.startswith(CONSENT) for name in names)
            or column in self.key
        )


def look_up(row: Mapping[str, Any], path: str) -> Any:
    """The value of a column; where there is none, that inside nested objects by dots."""
    if path in row:
        return row[path]
    found: Any = row
    rest = path
    while isinstance(found, Mapping) and rest:
        if rest in found:
            return found[rest]
        name, _, rest = rest.partition(".")
        found = found.get(name)
    return None


def _as_object(value: Any) -> Mapping[str, Any] | None:
    """An object, or a cell that holds one as JSON; None for anything else."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = parse_json(value.encode())
        except Malformed:
            return None
    return value if isinstance(value, Mapping) else None


def layout_of(mapping: Import, topics: Iterable[str] = ()) -> Layout:
    """The layout that a mapping describes; `all` consents are those of all `topics`."""
    fields = mapping.fields
    declared = {name: parse_type(written) for name, written in mapping.types.items()}
    columns = {name: one.column for name, one in fields.items() if one.column}
    declared |= {
        one.column: parse_type(one.type) for one in fields.values() if one.column and one.type
    }
    consents = dict(mapping.consents)
    if (every := consents.pop(EVERY_TOPIC, None)) is not None:
        consents = dict.fromkeys(topics, every) | consents
    return Layout(
        mapping.kind,
        columns,
        {name: one.value for name, one in fields.items() if one.value is not None},
        declared,
        consents,
        mapping.suppressed,
        mapping.key,
        mapping.items,
        mapping.also,
        mapping.events,
        frozenset(mapping.ignore),
        mapping.unknown == "make",
        mapping.kind == "customers" and "customer_id" not in fields,
        frozenset((*columns.values(), *mapping.types, *mapping.items.values())),
    )


def parse_layout(
    maps: Iterable[str], kind: str, types: Iterable[str] = (), base: Layout | None = None
) -> Layout:
    """Read `FIELD=COLUMN`, `FIELD=const:VALUE` and `NAME=TYPE`, on top of `base`.

    Raises WrongUse.
    """
    layout = base or Layout(kind, {}, {})
    columns, constants = dict(layout.columns), dict(layout.constants)
    consents = dict(layout.consents)
    for written in maps:
        name, equals, source = written.partition("=")
        if not equals or not name or not source:
            raise WrongUse(f"--map takes FIELD=COLUMN or FIELD=const:VALUE, not {written!r}.")
        columns.pop(name, None)
        constants.pop(name, None)
        if source.startswith(CONSTANT):
            constants[name] = source.removeprefix(CONSTANT)
        elif source.startswith(NEGATED) and name.startswith(CONSENT):
            column = source.removeprefix(NEGATED)
            topic = name.removeprefix(CONSENT)
            consents[topic] = Consent.model_validate({"column": column, "denied": YES})
        else:
            columns[name] = source
    layout = replace(layout, kind=kind, columns=columns, constants=constants, consents=consents)
    return replace(layout, declared={**layout.declared, **_declared(types, layout)})


def _declared(types: Iterable[str], layout: Layout) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for written in types:
        name, equals, type_ = written.rpartition("=")
        if not equals or not name or not type_:
            raise WrongUse(f"--type takes NAME=TYPE, not {written!r}.")
        try:
            found[layout.column_of(name)] = parse_type(type_)
        except ValueError as error:
            raise WrongUse(f"--type {name}: {error}.") from error
    return found


def guess_kind(columns: Iterable[str] | None, maps: Iterable[str]) -> str:
    """Customers where the header can mean nothing else; otherwise events."""
    mapped = {written.partition("=")[0] for written in maps}
    names = set(columns or ()) | mapped
    if "customer_id" not in names or names & {"event", "occurred_at", "channel", "message_id"}:
        return "events"
    speaks_of_people = any(n in SIGNS_OF_CUSTOMERS or n.startswith(CONSENT) for n in names)
    return "customers" if speaks_of_people else "events"


def check_columns(layout: Layout, columns: Sequence[str], name: str) -> None:
    """Raises WrongUse naming what is missing in the file called `name`, and what was found."""
    needed = {*layout.columns.values(), *layout.declared, *layout.key}
    if absent := sorted(needed - set(columns) - layout.optional):
        raise WrongUse(f"{name} has no column {_listed(absent)}. {_found(columns)}")
    mapped = (field for field, column in layout.columns.items() if column in columns)
    filled = {*columns, *mapped, *layout.constants}
    required = (("email",),) if layout.is_by_address else REQUIRED[layout.kind]
    missing = [group for group in required if not filled & set(group)]
    if missing:
        wanted = _listed(" or ".join(group) for group in missing)
        raise ColumnsDoNotFit(
            f"{name} has no column for {wanted}, which {layout.kind} need. {_found(columns)} "
            "Say which is which with --map FIELD=COLUMN or --map FIELD=const:VALUE.",
            columns,
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _found(columns: Iterable[str]) -> str:
    return f"Its columns: {_listed(filter(None, columns))}."
