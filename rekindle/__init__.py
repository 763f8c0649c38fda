"""Rekindle: customer journeys you keep in git.

The engine's folders (`journeys`, `segments`, …) are imported by their own names. In a checkout they
stand beside this package; in a wheel they travel inside it, so that such common names never reach
anyone's site-packages.
"""

import sys
from pathlib import Path

_here = Path(__file__).parent
_bundle = _here / "_bundle"
ENGINE_ROOT = _bundle if _bundle.is_dir() else _here.parent
if str(ENGINE_ROOT) != sys.path[0]:
    sys.path.insert(0, str(ENGINE_ROOT))

__version__ = "0.1.0"
