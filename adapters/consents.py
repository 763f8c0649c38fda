"""What a source says about topics: `consent.offers`, or an object called `consent`."""

from collections.abc import Mapping
from typing import Any

CONSENT = "consent"
PREFIX = f"{CONSENT}."
STATUSES = {
    "granted": "granted", "yes": "granted", "true": "granted", "1": "granted",
    "denied": "denied", "no": "denied", "false": "denied", "0": "denied",
    "unknown": "unknown",
}  # fmt: skip


def split_consents(traits: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Traits without consents, and the consents among them by topic.

    Raises ValueError for a status that nobody can be held to.
    """
    rest: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    for name, value in traits.items():
        if name == CONSENT and isinstance(value, Mapping):
            asked |= value
        elif name.startswith(PREFIX):
            asked[name.removeprefix(PREFIX)] = value
        else:
            rest[name] = value
    return rest, {topic: _status(topic, value) for topic, value in asked.items()}


def _status(topic: str, value: Any) -> str:
    status = STATUSES.get(str(value).strip().lower())
    if status is None:
        raise ValueError(f"{PREFIX}{topic} is granted, denied or unknown, not {str(value)[:40]!r}")
    return status
