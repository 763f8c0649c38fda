"""`rekindle import --look`: what is in a file, how it would be read, and by which command."""

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from adapters.files.base import Line, Table
from adapters.files.definition import Import
from adapters.files.layout import (
    REQUIRED,
    SIGNS_OF_CUSTOMERS,
    Layout,
    guess_kind,
    layout_of,
    look_up,
    parse_layout,
)
from adapters.files.moments import parse_moment
from adapters.files.packing import Source
from adapters.files.types import SAMPLE_ROWS, TEXT, ColumnType, Typing, is_missing
from rekindle.addresses import EmailAddress
from rekindle.cli.importing import Wishes, open_source, typing_of
from rekindle.counting import counted
from rekindle.errors import NotAnAddress, WrongUse
from rekindle.settings import Settings

MOST_EXAMPLES = 3
LONGEST_EXAMPLE = 40
FITS = 0.5  # of a mapping's columns that a file of its kind has at least; exports differ
# what others call our fields, in small letters with single blanks; the first that is there is meant
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "customer_id": (
        "customer id", "user id", "userid", "client id", "contact id", "member id", "external id",
        "customer number", "customer no", "kundennummer", "kunden nr", "buyer user id",
        "buyer username", "customer", "id",
    ),
    "email": (
        "email", "e mail", "email address", "mail", "customer email", "user email", "contact email",
        "requester email", "e mail adresse", "correo", "courriel", "email billing", "billing email",
        "buyer email", "e mail 1 value",
    ),
    "occurred_at": (
        "occurred at", "timestamp", "event time", "ts", "datetime", "date", "time", "created at",
        "created", "order date", "ordered at", "purchase date", "sale date", "date created",
        "submit date utc", "paid at", "completed at", "datum",
        "bestelldatum", "fecha",
    ),
    "event": ("event", "event name", "event type", "action", "activity"),
    "phone": ("phone", "phone number", "mobile", "telefon", "telephone"),
}  # fmt: skip
# of an event these are its own number, and what a person is called
NO_ID_OF_EVENTS = ("customer", "id")
COMMON = frozenset((*(word for words in SYNONYMS.values() for word in words), "first name",
                    "last name", "name", "city", "country", "status"))  # fmt: skip
ORDER_WORDS = (
    "order", "orders", "total", "lineitem", "purchase", "amount", "bestellung", "bestelldatum",
    "betrag", "umsatz", "pedido", "commande",
)  # fmt: skip
OF_KINDS = {
    "events": ("customer_id", "email", "occurred_at", "event"),
    "customers": ("customer_id", "email", "phone"),
    "suppressions": ("email",),
}


@dataclass(frozen=True)
class Column:
    """One column as it would be read."""

    name: str
    becomes: str  # the field, property or trait; empty: it is not kept
    type: str
    filled: int  # of the rows that were looked at
    examples: tuple[str, ...] = ()
    problem: str = ""


@dataclass
class Look:
    """What the first rows of a file say of all of it."""

    name: str
    kind: str
    how: tuple[str, ...]
    lines: int
    rows: int
    columns: list[Column] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    command: str = ""
    mapping: str = ""  # a ready one that fits

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.name,
            "kind": self.kind,
            "read_as": list(self.how),
            "lines": self.lines,
            "rows_looked_at": self.rows,
            "columns": [
                {
                    "column": column.name,
                    "becomes": column.becomes or None,
                    "type": column.type,
                    "filled": column.filled,
                    "examples": list(column.examples),
                    "problem": column.problem or None,
                }
                for column in self.columns
            ],
            "problems": self.problems,
            "mapping": self.mapping or None,
            "command": self.command,
        }


def look_at(
    source: Source, wishes: Wishes, mappings: Mapping[str, Import], settings: Settings
) -> Look:
    """Look at a file without bringing anything in. Raises WrongUse, Malformed."""
    scan, table = open_source(source, wishes)
    lines = list(islice(table.read(), SAMPLE_ROWS))
    rows = [line.row for line in lines if line.row is not None]
    names = [name for name in table.columns or _names_in(rows) if name]
    fitting = "" if wishes.mapping or wishes.maps else find_mapping(names, mappings)
    mapping = wishes.mapping or mappings.get(fitting)
    base = layout_of(mapping, settings.topics) if mapping else None
    kind = wishes.kind or (mapping.kind if mapping else guess_kind(names, wishes.maps))
    if base is None and not wishes.kind and kind == "events":
        kind = _guess_kind(names)
    guessed = [] if mapping else guess_maps(kind, names, wishes.maps)
    layout = parse_layout((*guessed, *wishes.maps), kind, wishes.types, base)
    look = Look(source.shown, kind, table.notes, scan.lines, len(rows), mapping=fitting)
    typing = typing_of(mapping, layout, settings)
    look.columns = [_column(name, rows, table, layout, typing) for name in names]
    look.problems = [
        *_missing(layout, names, mapping),
        *_broken(lines),
        *_addresses(layout, rows),
        *_ids(layout, rows),
    ]
    look.command = _command(source, look, guessed, wishes)
    return look


def find_mapping(names: Iterable[str], mappings: Mapping[str, Import]) -> str:
    """The mapping whose columns a file has, not only common ones; empty if there is none."""
    found = set(names)
    scores: list[tuple[int, str]] = []
    for name, mapping in mappings.items():
        wanted = layout_of(mapping, ("all",)).named_columns
        had = [column for column in wanted if column.partition(".")[0] in found or column in found]
        fields = (mapping.fields.get(name) for name in ("occurred_at", "customer_id", "email"))
        needed = [*[one.column for one in fields if one and one.column][:1], *mapping.key]
        has_needed = all(c in found or c.partition(".")[0] in found for c in needed)
        is_its_own = any(_plain(column) not in COMMON for column in had)
        if wanted and has_needed and is_its_own and len(had) >= max(2, FITS * len(wanted)):
            scores.append((len(had), name))
    best = max(scores, default=(0, ""))
    return best[1]


def guess_maps(kind: str, names: Sequence[str], maps: Sequence[str]) -> list[str]:
    """`--map` for fields that have other names in a file."""
    mapped = {written.partition("=")[0] for written in maps}
    by_plain = {_plain(name): name for name in reversed(names)}
    guessed: list[str] = []
    for field_ in OF_KINDS[kind]:
        if field_ in names or field_ in mapped:
            continue
        words = [word for word in SYNONYMS[field_] if word in by_plain]
        if kind == "events" and field_ == "customer_id":
            words = [word for word in words if word not in NO_ID_OF_EVENTS]
        found = by_plain[words[0]] if words else None
        if found is not None and found not in (one.partition("=")[2] for one in guessed):
            guessed.append(f"{field_}={found}")
    if kind == "customers":
        guessed += _guess_ids(names, mapped, guessed)
    if (
        kind == "events"
        and not {"event"} & (mapped | set(names))
        and not any(written.startswith("event=") for written in guessed)
    ):
        name = "order.completed" if _speaks_of_orders(names) else "…"
        guessed.append(f"event=const:{name}")
    return guessed


def _guess_ids(names: Sequence[str], mapped: set[str], guessed: Sequence[str]) -> list[str]:
    """Where nothing else is an id, people are told by their addresses."""
    found = dict(written.split("=", 1) for written in guessed)
    if "customer_id" in {*names, *mapped, *found}:
        return []
    column = found.get("email") or ("email" if "email" in names and "email" not in mapped else "")
    if not column:
        return []
    email = [] if "email" in found else [f"email={column}"]
    return [f"customer_id={column}", *email]


def _guess_kind(names: Sequence[str]) -> str:
    plain = {_plain(name) for name in names}
    has_time = not plain.isdisjoint(SYNONYMS["occurred_at"])
    has_event = "event" in plain or _speaks_of_orders(names) or "event name" in plain
    is_of_people = not plain.isdisjoint((*SYNONYMS["email"], *SIGNS_OF_CUSTOMERS))
    return "events" if has_event or (has_time and not is_of_people) else "customers"


def _speaks_of_orders(names: Iterable[str]) -> bool:
    words = {word for name in names for word in _plain(name).split()}
    return not words.isdisjoint(ORDER_WORDS)


def _plain(name: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in name).lower().split())


def _names_in(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns of rows that name their own; of nested objects, their paths."""
    found: dict[str, None] = {}
    for row in islice(rows, 200):
        for name, value in row.items():
            inner = [f"{name}.{key}" for key in value] if isinstance(value, Mapping) else [name]
            found |= dict.fromkeys(inner)
    return list(found)


def _column(
    name: str, rows: Sequence[Mapping[str, Any]], table: Table, layout: Layout, typing: Typing
) -> Column:
    values = [value for row in rows if (value := look_up(row, name)) not in (None, "")]
    becomes = layout.name_of(name)
    cells = [value for value in values if isinstance(value, str)]
    type_, problem = TEXT, ""
    try:
        if name == layout.column_of("occurred_at") and layout.kind == "events":
            type_ = typing.moments_of(name, cells)
        elif name in layout.declared or (table.is_text and not layout.is_text(name)):
            type_ = typing.type_of(name, cells)
    except WrongUse as error:
        problem = str(error)
    shown = type_.shown
    if not table.is_text and type_ is TEXT and values and not isinstance(values[0], str):
        shown = {bool: "yes/no", int: "number", float: "number", list: "list"}.get(
            type(values[0]), "json"
        )
    examples, unread = _examples(values, type_)
    return Column(name, becomes, shown, len(values), examples, problem or unread)


def _examples(values: Sequence[Any], type_: ColumnType) -> tuple[tuple[str, ...], str]:
    """Some values with what each becomes, the ways in which instants are written among them."""
    shown: dict[str, str] = {}
    kinds: dict[str, None] = {}
    unread: list[str] = []
    for value in dict.fromkeys(str(value) for value in values):
        if type_ is TEXT or is_missing(value):
            shown.setdefault(value, _cut(value))
            continue
        try:
            read = type_.read(value)
            if type_.moments is not None:
                moment = parse_moment(value, type_.moments.order)
                read = type_.moments.read(value).isoformat().replace("+00:00", "Z")
                is_new = moment.kind not in kinds
                kinds.setdefault(moment.kind)
                if not is_new and len(shown) >= MOST_EXAMPLES:
                    continue
        except ValueError:
            unread.append(value)
            continue
        same = str(read) == value
        shown.setdefault(value, _cut(value) if same else f"{_cut(value)} → {_cut(str(read))}")
    wanted = max(MOST_EXAMPLES, len(kinds))
    problems = []
    if len(kinds) > 1:
        problems.append(f"mixes {', '.join(kinds)}")
    if unread:
        listed = ", ".join(repr(_cut(value)) for value in unread[:MOST_EXAMPLES])
        problems.append(f"{len(unread):,} values cannot be read: {listed}")
    return tuple(islice(shown.values(), wanted)), "; ".join(problems)


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_EXAMPLE else f"{flat[: LONGEST_EXAMPLE - 1]}…"


def _missing(layout: Layout, names: Sequence[str], mapping: Import | None) -> Iterator[str]:
    filled = {*names, *layout.columns, *layout.constants}
    required = (("email",),) if layout.is_by_address else REQUIRED[layout.kind]
    for group in required:
        if not filled & set(group):
            yield f"no column looks like {' or '.join(group)}, which {layout.kind} need"


def _broken(lines: Sequence[Line]) -> Iterator[str]:
    broken = [line for line in lines if line.row is None]
    for reason, count in Counter(line.problem for line in broken).most_common(MOST_EXAMPLES):
        first = next(line.number for line in broken if line.problem == reason)
        yield f"{count:,} × {reason} (first in line {first:,})"


def _addresses(layout: Layout, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Addresses nobody can be reached by, and those of several customers."""
    column, of_id = layout.column_of("email"), layout.column_of("customer_id")
    unusable: dict[str, str] = {}
    owners: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if (written := look_up(row, column)) in (None, ""):
            continue
        try:
            address = EmailAddress.parse(str(written)).canonical
        except NotAnAddress as error:
            unusable.setdefault(str(written), error.reason)
            continue
        if (id_ := look_up(row, of_id)) is not None:
            owners[address].add(str(id_))
    if unusable:
        listed = ", ".join(f"{_cut(text)!r} ({why})" for text, why in islice(unusable.items(), 3))
        yield f"cannot be used as addresses ({len(unusable):,}): {listed}"
    shared = {address: ids for address, ids in owners.items() if len(ids) > 1}
    if shared:
        address, ids = next(iter(shared.items()))
        listed = ", ".join(sorted(ids)[:MOST_EXAMPLES])
        yield f"shared by several customers ({len(shared):,}): {address} by {listed}"


def _ids(layout: Layout, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Ids that are two customers although only their case differs."""
    column = layout.column_of("customer_id")
    spelled: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if (id_ := look_up(row, column)) not in (None, ""):
            spelled[str(id_).casefold()].add(str(id_))
    alike = [sorted(ids) for ids in spelled.values() if len(ids) > 1]
    if alike:
        yield f"ids that differ only in case ({len(alike):,}): {', '.join(alike[0])}"


def _command(source: Source, look: Look, guessed: Sequence[str], wishes: Wishes) -> str:
    name = "-" if source.name else str(source.path)
    words = ["rekindle", "import"]
    if wishes.mapping or look.mapping:
        words += ["--as", wishes.mapping.name if wishes.mapping else look.mapping]
    words.append(name)
    if not (wishes.mapping or look.mapping) and (guessed or look.kind != "events"):
        words += ["--kind", look.kind]
    words += [word for written in (*guessed, *wishes.maps) for word in ("--map", written)]
    words += [word for written in wishes.types for word in ("--type", written)]
    for column in look.columns:
        if "may have the day" in column.problem:
            words += ["--type", f"{column.name}=DD/MM/YYYY"]
        elif "decimal comma or" in column.problem:
            words += ["--type", f"{column.name}=number 1.234,56"]
    if wishes.encoding:
        words += ["--encoding", wishes.encoding]
    return shlex.join(words)


def print_look(look: Look, width: int) -> Iterator[str]:
    """The lines to show; at most `width` signs each."""
    how = "; ".join(look.how) or "as it is"
    yield f"{look.name}: {look.kind}, read {how}; {counted(look.rows, 'row')} looked at."
    names = [column.name for column in look.columns]
    wide = min(max(map(len, names), default=0), 28)
    for column in look.columns:
        arrow = "" if column.becomes == column.name else f" → {column.becomes or 'not kept'}"
        examples = " · ".join(column.examples)
        line = f"  {column.name[:wide]:<{wide}}{arrow}  [{column.type}]  {examples}"
        yield line if len(line) <= width else f"{line[: width - 1]}…"
        if column.problem:
            yield f"  {'':<{wide}}  ! {column.problem}"
    for problem in look.problems:
        yield f"  ! {problem}."
    if look.mapping:
        yield f"It looks like files of imports/{look.mapping}.yaml."
    yield "Nothing was imported. To import it:"
    yield f"  {look.command}"
