"""Whom `people` in `rekindle.yaml` names: which targets exist, and which may be read by anybody."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from yaml.nodes import ScalarNode

from adapters.notifications import OURS, is_usable, known_schemes, scheme_of
from rekindle.addresses import EmailAddress
from rekindle.errors import RekindleError
from rekindle.settings import Settings, find_unset_variables
from rekindle.workspace.problems import Place, Problem, did_you_mean
from rekindle.workspace.yaml import Document

PLAIN = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})  # a host and a path


def may_be_read(target: str) -> bool:
    """Return whether a target holds no secret: ours, or a plain one on this machine."""
    scheme = scheme_of(target)
    if scheme in OURS or not target.partition(":")[2].strip("/:@"):  # all else is in variables
        return True
    try:
        parts = urlsplit(target)
        host = parts.hostname or ""
    except ValueError:
        return False
    has_secret = parts.username is not None or parts.password is not None or bool(parts.query)
    return scheme in PLAIN and _is_loopback(host) and not has_secret


def check_targets(
    document: Document, settings: Settings, environment: Mapping[str, str]
) -> Iterator[Problem]:
    """Targets that nobody can be told by. What a problem quotes is never more than the scheme."""
    for group, targets in settings.people.items():
        for index, target in enumerate(targets):
            path = ("people", group, index)
            node = document.positions[path].value if path in document.positions else None
            written = node.value if isinstance(node, ScalarNode) else ""
            is_set = not find_unset_variables(written, environment)
            if target or is_set:  # a variable that is not set is told elsewhere
                yield from _check_target(document.place(path), target, is_set=is_set)


def _check_target(place: Place, target: str, *, is_set: bool) -> Iterator[Problem]:
    scheme = scheme_of(target)
    if scheme == "mailto":
        if is_set and EmailAddress.find(target) is None:
            yield Problem(place, f"{target!r} names no address.")
        return
    if scheme == "log":
        return
    try:
        known = known_schemes()
        if not scheme:
            said = "a target is 'log:', 'mailto:ADDRESS' or an address of Apprise."
            yield Problem(place, said)
        elif scheme not in known:
            said = f"no notification service is called {scheme!r}."
            yield Problem(place, said, did_you_mean(scheme, known))
        elif is_set and not is_usable(target):
            said = f"Apprise cannot make out from this {scheme}: target whom to tell."
            yield Problem(place, said, "See https://github.com/caronc/apprise/wiki.")
    except RekindleError as error:
        yield Problem(place, str(error), level="warning")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
