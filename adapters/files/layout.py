"""Which column is which field: by its name, or as `--map` says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rekindle.errors import WrongUse

CONSTANT = "const:"
KINDS = ("events", "customers", "suppressions")
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


@dataclass(frozen=True)
class Layout:
    """Where the fields of one kind of row come from; all other columns keep their names."""

    kind: str
    columns: Mapping[str, str]  # field to column
    constants: Mapping[str, str]  # field to what it always is

    def split(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields that `row` fills, and what it says besides: properties, or traits."""
        fields: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        used = self.columns.values()
        for column, value in row.items():
            if column not in used:
                (fields if self._is_field(column) else rest)[column] = value
        for name, column in self.columns.items():
            if column in row:
                (fields if name in FIELDS[self.kind] else rest)[name] = row[column]
        for name, value in self.constants.items():
            (fields if name in FIELDS[self.kind] else rest)[name] = value
        return fields, rest

    def _is_field(self, column: str) -> bool:
        """Whether a column is the field of its name; not so if that is said to be elsewhere."""
        return column in FIELDS[self.kind] and column not in (*self.columns, *self.constants)


def parse_layout(maps: Iterable[str], kind: str) -> Layout:
    """Read `FIELD=COLUMN` and `FIELD=const:VALUE`. Raises WrongUse."""
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    for written in maps:
        field, equals, source = written.partition("=")
        if not equals or not field or not source:
            raise WrongUse(f"--map takes FIELD=COLUMN or FIELD=const:VALUE, not {written!r}.")
        if source.startswith(CONSTANT):
            constants[field] = source.removeprefix(CONSTANT)
        else:
            columns[field] = source
    return Layout(kind, columns, constants)


def guess_kind(columns: Iterable[str] | None, maps: Iterable[str]) -> str:
    """Customers where the header can mean nothing else; otherwise events."""
    mapped = {written.partition("=")[0] for written in maps}
    names = set(columns or ()) | mapped
    if "customer_id" not in names or names & {"event", "occurred_at", "channel", "message_id"}:
        return "events"
    speaks_of_people = any(n in SIGNS_OF_CUSTOMERS or n.startswith("consent.") for n in names)
    return "customers" if speaks_of_people else "events"


def check_columns(layout: Layout, columns: tuple[str, ...], name: str) -> None:
    """Raises WrongUse naming what is missing in the file called `name`, and what was found."""
    if absent := sorted(set(layout.columns.values()) - set(columns)):
        raise WrongUse(f"{name} has no column {_listed(absent)}. {_found(columns)}")
    filled = {*columns, *layout.columns, *layout.constants}
    missing = [group for group in REQUIRED[layout.kind] if not filled & set(group)]
    if missing:
        wanted = _listed(" or ".join(group) for group in missing)
        raise WrongUse(
            f"{name} has no column for {wanted}, which {layout.kind} need. {_found(columns)} "
            "Say which is which with --map FIELD=COLUMN or --map FIELD=const:VALUE."
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _found(columns: Iterable[str]) -> str:
    return f"Its columns: {_listed(filter(None, columns))}."
