"""What the database of a workspace has met so far, for its checks."""

from collections.abc import Sequence
from contextlib import closing

from sqlalchemy.exc import DBAPIError

from rekindle.errors import StoreUnavailable
from rekindle.workspace.fact_checks import events_of_starts
from rekindle.workspace.library import Library, Reading
from rekindle.workspace.seen import Seen, comparisons_in
from store.events import load_latest_properties
from store.kinds import load_event_names
from store.knowledge import load_latest_values, load_trait_names
from store.session import Store


def look_into(url: str, readings: Sequence[Reading], library: Library) -> Seen | None:
    """Return None if it cannot be asked."""
    try:
        with closing(Store(url)) as store, store.read() as connection:
            names = load_event_names(connection)
            starting = events_of_starts(library, sorted(names))
            latest = {name: load_latest_properties(connection, name) for name in starting}
            compared = {one.trait for one in comparisons_in(readings)}
            values = {name: load_latest_values(connection, name) for name in compared}
            return Seen(names, load_trait_names(connection), latest, values)
    except (StoreUnavailable, DBAPIError):  # `db check` tells of those; here only names are asked
        return None
