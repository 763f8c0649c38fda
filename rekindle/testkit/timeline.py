"""What happened to one customer since a case began, a line each, for a reader who wonders why."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rekindle.testkit.world import World
from store.records import StoredEvent

Line = tuple[datetime, str]


def timeline_of(customer: str, world: World) -> tuple[str, ...]:
    """Events, segments, decisions and mails in order of time."""
    lines = [*_events(customer, world), *_decisions(customer, world)]
    lines.sort(key=lambda line: line[0])
    if not lines:
        return ("nothing happened.",)
    return tuple(f"{when.astimezone(world.zone):%a %d %b %H:%M}  {what}" for when, what in lines)


def _events(customer: str, world: World) -> Iterator[Line]:
    for one in world.events_of(customer):
        if words := _words(one):
            yield one.occurred_at, words


def _words(event: StoredEvent) -> str:
    told = event.properties
    match event.name:
        case "segment.entered":
            return f"entered the segment {told.get('segment')}"
        case "segment.left":
            return f"left the segment {told.get('segment')}"
        case "enrollment.started":
            held = ", held out" if told.get("held_out") else ""
            return f"started {told.get('journey')}{_key(told)}{held}"
        case "enrollment.ended":
            return f"ended {told.get('journey')}{_key(told)}: {told.get('ended')}"
        case name if name.startswith("message."):
            return f"mail {told.get('template')} {name.removeprefix('message.')}"
        case name:
            shown = ", ".join(f"{key}: {value}" for key, value in told.items())
            return f"{name} {{{shown}}}" if shown else name


def _key(told: Mapping[str, Any]) -> str:
    return f" ({told['key']})" if told.get("key") else ""


def _decisions(customer: str, world: World) -> Iterator[Line]:
    for trip in reversed(world.trips_of(customer)):
        for line in trip.decisions:
            why = f" ({line.reason})" if line.reason else ""
            yield line.decided_at, f"{trip.journey} at {line.step}: {line.decision}{why}"
