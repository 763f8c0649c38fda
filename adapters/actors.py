"""Who did it: an event of a ticket says so under `by`, whichever way it comes in."""

from collections.abc import Mapping
from typing import Any

from store.records import Actor

OF_TICKETS = "ticket."  # what else says `by: agent` is still something that the customer did


def read_actor(name: str, properties: Mapping[str, Any]) -> Actor:
    """The agent, where an event called `name` says so; else the customer."""
    is_staff = name.startswith(OF_TICKETS) and properties.get("by") == Actor.AGENT
    return Actor.AGENT if is_staff else Actor.CUSTOMER
