"""The name of a value inside an event or a trait: keys, places in lists, each of a list.

`company.name` walks objects, `items.0.sku` takes the first of a list, `items[].sku` means that of
each. A key that has dots or brackets is quoted: `"company.name"`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# SQLite 3.40 finds no key that has one, since it compares keys as JSON writes them; a quote is
# written with one too: neither can be asked, rather than be missed in one of two databases
BACKSLASH = "\\"
# a quoted key, or one to which a dot belongs that ends it or stands before a blank: `No. of items`
KEY = re.compile(r'"([^"\\]+)"|((?:[^."\[\]\\]|\.(?=\s|$))+)')
EACH = "[]"
PLACE = re.compile(r"0|[1-9][0-9]{0,5}")
MOST_KEYS, MOST_LISTS, MOST_PLACES = 20, 3, 3


@dataclass(frozen=True)
class PropertyPath:
    """Keys up to each list whose elements are meant, and then the keys inside its elements.

    `orders[].items[].sku` is (("orders",), ("items",), ("sku",)), `tags[]` is (("tags",), ()).
    """

    stretches: tuple[tuple[str, ...], ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Of a path that means a single value. Raises ValueError for any other."""
        if self.means_several:
            raise ValueError("one value is meant here, not each of a list")
        return self.stretches[0]

    @property
    def means_several(self) -> bool:
        """Whether it means a value of each element of a list."""
        return len(self.stretches) > 1

    @property
    def ends_in_elements(self) -> bool:
        """Whether the elements themselves are meant, and nothing inside them."""
        return not self.stretches[-1]

    @property
    def first(self) -> str:
        """The property or trait itself."""
        return self.stretches[0][0]

    def inside(self) -> "PropertyPath":
        """The rest of the path, from the value of its first key on."""
        head, *tail = self.stretches
        return PropertyPath((head[1:], *tail))

    def below(self, keys: Sequence[str]) -> "PropertyPath":
        """The same, from further outside: the value that these keys lead to is where it began."""
        head, *tail = self.stretches
        return PropertyPath(((*keys, *head), *tail))

    def find(self, value: Any) -> list[Any]:
        """Return every value that is meant, None for those that are missing.

        What is no list has no elements.
        """
        head, *tail = self.stretches
        found = [walk_keys(value, head)]
        for keys in tail:
            elements = [e for one in found if isinstance(one, list) for e in one]
            found = [walk_keys(element, keys) for element in elements]
        return found


def walk_keys(value: Any, keys: Sequence[str]) -> Any:
    """Return what lies there inside of objects and at places of lists, or None."""
    for key in keys:
        match value:
            case Mapping():
                value = value.get(key)
            case list() if PLACE.fullmatch(key) and int(key) < len(value):
                value = value[int(key)]
            case _:
                return None
    return value


def nest(keys: Sequence[str], value: Any) -> Any:
    """Return objects in which these keys lead to the value."""
    for key in reversed(keys):
        value = {key: value}
    return value


@lru_cache(maxsize=4096)
def parse_path(written: str) -> PropertyPath:
    """Read a path. Raises ValueError in words."""
    stretches: list[tuple[str, ...]] = []
    keys: list[str] = []
    for key in _parts(written):
        if key is None:
            stretches.append(tuple(keys))
            keys = []
        else:
            keys.append(key)
    path = PropertyPath((*stretches, tuple(keys)))
    named = [key for keys in path.stretches for key in keys]
    places = sum(PLACE.fullmatch(key) is not None for key in named)
    if len(named) > MOST_KEYS or len(stretches) > MOST_LISTS or places > MOST_PLACES:
        most = f"{MOST_KEYS} keys, {MOST_LISTS} lists and {MOST_PLACES} numbers"
        raise ValueError(f"{written!r} reaches too deep: a name has at most {most}")
    return path


def _parts(written: str) -> Iterator[str | None]:
    """Each key, and None for every `[]`."""
    at = 0
    while key := KEY.match(written, at):
        yield key[1] or key[2]
        at = key.end()
        while written.startswith(EACH, at):
            yield None
            at += len(EACH)
        if at == len(written):
            return
        if written[at] != ".":
            break
        at += 1
    raise ValueError(_unreadable(written))


def _unreadable(written: str) -> str:
    said = f"'{written}' cannot be the name of a property"
    if BACKSLASH in written:
        return f"{said}; a name with a backslash cannot be asked"
    if place := re.search(r"\[(\d+)\]", written):
        return f"{said}; write the place in a list as {written.replace(place[0], '.' + place[1])!r}"
    if "[" in written or "]" in written:
        how = "[] stands right after the name of a list, as in items[].sku"
        return f"{said}; {how}, and a key that has brackets is quoted"
    return said
