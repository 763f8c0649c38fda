"""`rekindle segment`: who is in a segment at `--now`, and why."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.cli.stamps import IN_UTC, stamp
from rekindle.cli.tables import Row, flatten
from rekindle.cli.traits import find_traits
from rekindle.errors import WrongUse
from rekindle.looking import Look, explain, history, looking
from store.exports import TRAITS_OF, with_traits
from store.freshness import Freshness, load_freshness

SAMPLE = 10
DAYS_SHOWN = 14  # of those on which anything changed


def segment(
    name: Annotated[str | None, typer.Argument(show_default=False)] = None,
    members: Annotated[bool, typer.Option("--members", help="list everybody in it")] = False,
    with_: Annotated[
        str, typer.Option("--with", metavar="TRAIT,TRAIT", help="with --members: each one's traits")
    ] = "",
    explain_: Annotated[
        str | None,
        typer.Option("--explain", metavar="CUSTOMER", help="each condition for one customer"),
    ] = None,
) -> None:
    """Size and members of one segment or of all, by evaluation at `--now`."""
    if explain_ is not None and name is None:
        raise WrongUse("--explain needs the name of a segment.")
    if explain_ is not None and members:
        raise WrongUse("--explain tells of one customer, --members of everybody; choose one.")
    if with_ and not (members and name):
        raise WrongUse("--with needs the name of a segment and --members.")
    with open_here() as services, looking(services, name) as look:
        if explain_ is not None and name is not None:
            _explain(look, name, explain_)
        elif name is not None and with_:
            _list_with(look, name, find_traits(look.connection, with_))
        elif name is None or members:
            _list(look, name, is_long=members)
        else:
            _show(look, name)


def _list(look: Look, name: str | None, *, is_long: bool) -> None:
    names = [name] if name else sorted(look.lexicon.segments)
    documents = [_document(one, look.members(one)) for one in names]
    fresh = load_freshness(look.connection, look.now)
    text = "\n".join(
        _text(look, one, fresh.get(one["segment"]), is_long=is_long) for one in documents
    )
    rows: list[Row] = [{"segment": one["segment"], "size": one["size"]} for one in documents]
    if is_long:
        rows = [row for document in documents for row in _member_rows(document)]
    say(text or "There are no segments yet.", documents if name is None else documents[0], rows)


def _list_with(look: Look, name: str, traits: Sequence[str]) -> None:
    """Everybody in one segment with what is known of them."""
    document = _document(name, look.members(name))
    told = list(with_traits(look.connection, _member_rows(document), traits, look.now))
    rows = list(flatten(told, traits, ["segment", "customer"]))
    lines = [f"{name}: {document['size']:,}"]
    lines += [f"  {row['customer']}  {_said(row[TRAITS_OF])}" for row in told]
    found = {row["customer"]: row[TRAITS_OF] for row in told}
    say("\n".join(lines), document | {"traits": found}, rows)


def _member_rows(document: Mapping[str, Any]) -> list[Row]:
    return [{"segment": document["segment"], "customer": one} for one in document["members"]]


def _said(traits: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in traits.items())


def _show(look: Look, name: str) -> None:
    """One segment: its rule in words, its members, and how it came to be so."""
    document = _document(name, look.members(name)) | history(look, name)
    fresh = load_freshness(look.connection, look.now).get(name)
    lines = [
        _text(look, document, fresh, is_long=False),
        f"  {look.lexicon.segments[name].match.sentence}",
        *([f"  (days are {look.lexicon.zone}, {IN_UTC})"] if document["history"] else []),
        *map(_day_text, document["history"][-DAYS_SHOWN:]),
        *map(_change_text, document["changes"][:SAMPLE]),
    ]
    say("\n".join(lines), document)


def _day_text(day: Mapping[str, Any]) -> str:
    return f"  {day['day']}  {day['size']:>9,}  +{day['entered']:,} -{day['left']:,}"


def _change_text(change: Mapping[str, Any]) -> str:
    who = f"{change['customer']} {change['change']} ({change['cause']})"
    return f"  {stamp(change['at'])}  {who}"


def _document(name: str, members: list[str]) -> dict[str, Any]:
    return {"segment": name, "size": len(members), "members": members}


def _text(
    look: Look, document: Mapping[str, Any], fresh: Freshness | None, *, is_long: bool
) -> str:
    """With how far behind the stored members are, on which journeys act."""
    description = look.lexicon.segments[document["segment"]].description
    head = f"{document['segment']}: {document['size']:,}"
    lines = [head, *([f"  {description}"] if description else [])]
    lines.append(f"  stored members: {fresh.in_words() if fresh else 'never evaluated'}")
    if is_long:
        return "\n".join([*lines, *(f"  {member}" for member in document["members"])])
    if sample := document["members"][:SAMPLE]:
        more = ", …" if document["size"] > SAMPLE else ""
        lines.append(f"  {', '.join(sample)}{more}")
    return "\n".join(lines)


def _explain(look: Look, name: str, external_id: str) -> None:
    document = explain(look, name, external_id)
    verdict = "is in" if document["holds"] else "is not in"
    head = f"{external_id} {verdict} {name} ({IN_UTC}):"
    say("\n".join([head, *map(explained_text, document["conditions"])]), document)


def explained_text(row: Mapping[str, Any]) -> str:
    """One condition for people, indented as deep as it stands."""
    mark = "yes" if row["holds"] else "no "
    said = [row["words"], row["told"], row["lacks"]]
    if row["next_check_at"]:
        said.append(f"by itself not before {stamp(row['next_check_at'])}")
    return f"  {mark} {'  ' * row['depth']}{'; '.join(part for part in said if part)}"
