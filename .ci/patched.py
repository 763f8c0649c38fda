"""Print a JSON document with a JSON Patch (RFC 6902, `replace` only) applied.

Usage: patched.py DOCUMENT PATCH
"""

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    document, patch = (json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:3])
    for change in patch:
        assert change["op"] == "replace", f"only `replace` is known here, not {change['op']}"
        _replace(document, change["path"], change["value"])
    json.dump(document, sys.stdout)


def _replace(document: Any, pointer: str, value: Any) -> None:
    *way, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    for part in way:
        document = document[part]
    assert last in document, f"nothing to replace at {pointer}"
    document[last] = value


main()
