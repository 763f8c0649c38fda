"""How often equal content came, over files of millions of rows in little memory."""

from array import array

SMALLEST = 512  # slots of a new table; a power of two, as all sizes
FULLEST = 0.7  # of a table's slots, before it grows
TABLES = 256  # that grow one by one, so that no growth needs twice the memory of all


class Ordinals:
    """Counts by digest. What came once takes 8 bytes in a table that is at most half empty.

    A digest is known by its first 64 bits: of ten million two are taken for equal with a chance of
    some three in a million, and then one of them has the ordinal 2 for no reason.
    """

    def __init__(self) -> None:
        self._tables: dict[int, _Table] = {}
        self._again: dict[int, int] = {}

    def next(self, digest: str) -> int:
        """Which of its equals the content with this hexadecimal digest is, from 1."""
        number = int(digest[:16], 16) or 1
        table = self._tables.get(number % TABLES)
        if table is None:
            table = self._tables[number % TABLES] = _Table()
        if table.add(number):
            return 1
        ordinal = self._again[number] = self._again.get(number, 1) + 1
        return ordinal

    @property
    def size(self) -> int:
        """Bytes of all tables."""
        return sum(table.slots.itemsize * len(table.slots) for table in self._tables.values())


class _Table:
    """A set of numbers from 1, in an array with as many slots as a power of two."""

    __slots__ = ("slots", "used")

    def __init__(self, size: int = SMALLEST) -> None:
        self.slots = array("Q", bytes(8 * size))
        self.used = 0

    def add(self, number: int) -> bool:
        """Whether it is new."""
        slots = self.slots
        mask = len(slots) - 1
        at = (number // TABLES) & mask
        while held := slots[at]:
            if held == number:
                return False
            at = (at + 1) & mask
        slots[at] = number
        self.used += 1
        if self.used > FULLEST * len(slots):
            self._grow()
        return True

    def _grow(self) -> None:
        size = 2 * len(self.slots)
        slots, mask = array("Q", bytes(8 * size)), size - 1
        for number in filter(None, self.slots):
            at = (number // TABLES) & mask
            while slots[at]:
                at = (at + 1) & mask
            slots[at] = number
        self.slots = slots
