"""Notices through notification services: what Apprise knows, and one notice to one target."""

import logging
import re
import warnings
from functools import cache
from importlib import import_module
from typing import Any

from adapters.reach import Reach, guarded
from rekindle.errors import ProviderUnavailable, RekindleError

NOT_INSTALLED = "this target needs the extra 'notify': pip install 'rekindle[notify]'."
OURS = ("log", "mailto")  # what needs no service
SCHEME = re.compile(r"\s*([A-Za-z0-9+.-]*):")


def scheme_of(target: str) -> str:
    """Return what stands before the colon, in small letters; empty where there is none."""
    found = SCHEME.match(target)
    return found[1].lower() if found else ""


def known_schemes() -> frozenset[str]:
    """Return every scheme that a target may begin with. Raises RekindleError without Apprise."""
    manager = _load_apprise().NotificationManager()
    return frozenset((*OURS, *manager.schemas()))


def is_usable(target: str) -> bool:
    """Return whether Apprise can make out whom to tell. Raises RekindleError without Apprise."""
    return _load_apprise().Apprise.instantiate(target) is not None


def give_notice(target: str, text: str, reach: Reach) -> None:
    """Tell `text` to one target, and to nobody out of `reach`, wherever its service sends us on.

    Raises ProviderUnavailable, or RekindleError without Apprise.
    """
    told = _load_apprise().Apprise()
    if not told.add(target):
        raise ProviderUnavailable(f"no notification service takes a {scheme_of(target)}: target.")
    with guarded(reach) as guard:
        is_taken = told.notify(body=text)
    if guard.stopped:
        raise ProviderUnavailable(f"the notice was not sent: {guard.stopped}.")
    if not is_taken:
        raise ProviderUnavailable("the notification service did not take the notice.")


@cache
def _load_apprise() -> Any:
    try:
        with warnings.catch_warnings():
            # apprise 2.2 asks whether there is an imghdr, which Python 3.13 no longer has
            warnings.filterwarnings("ignore", message="'imghdr'", category=DeprecationWarning)
            apprise: Any = import_module("apprise")
            apprise.NotificationManager().load_modules()
    except ModuleNotFoundError as error:
        raise RekindleError(NOT_INSTALLED) from error
    # what it logs quotes targets, and tokens with them
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return apprise
