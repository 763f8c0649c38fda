"""`--with TRAIT,TRAIT`: traits of customers on the rows that a command tells."""

from sqlalchemy import Connection

from rekindle.errors import WrongUse
from rekindle.workspace.problems import did_you_mean
from store.knowledge import load_trait_names


def find_traits(connection: Connection, written: str) -> list[str]:
    """Return the names in `written`, each once. Raises WrongUse for a trait that nobody has."""
    names = list(dict.fromkeys(filter(None, map(str.strip, written.split(",")))))
    if not names:
        return []
    known = load_trait_names(connection)
    for name in names:
        if name not in known and name.partition(".")[0] not in known:
            hint = did_you_mean(name, known)
            raise WrongUse(f"no customer has a trait called {name!r}.{f' {hint}' if hint else ''}")
    return names
