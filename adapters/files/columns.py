"""Tables of texts: a header that names the columns, and rows of cells below it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from adapters.documents import require_whole, storable_text
from adapters.files.base import Line
from adapters.files.dialects import Cells
from adapters.files.encodings import is_readable, shown_encoding
from rekindle.counting import counted
from rekindle.errors import Malformed

BLANKS = " \t\r\n\v\f\x85\xa0\u2007\u202f\u200b\u200c\u200d\u2060\ufeff\u3000"
# as Excel writes what must stay a text: ="0123", and an apostrophe before what looks like a
# formula; of several one is taken off, as exports have doubled what was there
FORMULA = re.compile(r'="(.*)"', re.DOTALL)
APOSTROPHE = re.compile(r"'+[-+=@0-9\t\r\n＝＋－＠]")


def name_columns(cells: Sequence[str], place: str) -> tuple[str, ...]:
    """The names in a header; a name that comes again gets a number. Raises Malformed."""
    if not any(map(str.strip, cells)):
        raise Malformed(f"{place} is empty: the first line names the columns.")
    names: list[str] = []
    seen: Counter[str] = Counter()
    for cell in cells:
        name = storable_text(clean_cell(cell))
        require_whole(name)
        if name:
            seen[name] += 1
            name = f"{name} ({seen[name]})" if seen[name] > 1 else name
        names.append(name)
    return tuple(names)


def rows_of(records: Iterable[Cells], columns: tuple[str, ...], encoding: str) -> Iterator[Line]:
    """Records as rows by column; empty cells are left out, and records that have no other."""
    width, are_named = len(columns), all(columns)
    for record in records:
        if record.problem:
            yield Line(record.number, None, record.problem, storable_text(record.text))
            continue
        if record.is_clean and len(record.cells) <= width:
            filled = zip(columns, record.cells, strict=False)
            if are_named and "" not in record.cells:
                yield Line(record.number, dict(filled))
            elif row := {name: cell for name, cell in filled if cell and name}:
                yield Line(record.number, row)
            continue
        if not all(map(is_readable, record.cells)):
            problem = f"the row is not {shown_encoding(encoding)}"
            yield Line(record.number, None, problem)
            continue
        cells = [clean_cell(cell) if cell else cell for cell in record.cells]
        if not any(cells):
            continue
        if len(cells) > width and any(cells[width:]):
            used = len(cells) - next(at for at, cell in enumerate(reversed(cells)) if cell)
            problem = f"{counted(used, 'cell')}, but only {counted(width, 'column')}"
            yield Line(record.number, None, problem, storable_text(" | ".join(cells)))
            continue
        filled = zip(columns, cells, strict=False)
        yield Line(record.number, {name: cell for name, cell in filled if name and cell})


def clean_cell(cell: str) -> str:
    """A cell without what stands around it."""
    text = cell.strip(BLANKS)
    if text.startswith('="') and (formula := FORMULA.fullmatch(text)):
        text = formula[1]
    elif text.startswith("'") and APOSTROPHE.match(text):
        text = text[1:]
    return text if text.isprintable() else storable_text(text)
