"""`rekindle segment`: who is in a segment at `--now`, and why."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.cli.stamps import IN_UTC, stamp
from rekindle.errors import WrongUse
from rekindle.looking import Look, explain, history, looking
from store.freshness import Freshness, load_freshness

SAMPLE = 10
DAYS_SHOWN = 14  # of those on which anything changed


def segment(
    name: Annotated[str | None, typer.Argument(show_default=False)] = None,
    members: Annotated[bool, typer.Option("--members", help="list everybody in it")] = False,
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
    with open_here() as services, looking(services, name) as look:
        if explain_ is not None and name is not None:
            _explain(look, name, explain_)
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
    say(text or "There are no segments yet.", documents if name is None else documents[0])


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
