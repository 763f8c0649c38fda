"""How the dashboard writes instants, counts and steps for the people who run the shop."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from journeys.definition import (
    Approve,
    Branch,
    End,
    Set,
    Split,
    Step,
    Survey,
    Until,
    Wait,
    WaitFor,
    WaitUntil,
)
from rekindle.counting import counted
from rekindle.durations import write_duration
from rekindle.settings import QuietHours

MINUTE, HOUR, DAY = 60, 3_600, 86_400
SHORT_NAMES = ("ces", "csat", "nps")


def write_instant(instant: datetime | None, zone: ZoneInfo) -> str:
    """`2 Mar 2026, 09:14` on the brand's clock; a dash for what never was."""
    if instant is None:
        return "–"
    local = instant.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M}"


def write_age(instant: datetime | None, now: datetime) -> str:
    """`3 days ago`, `in 2 hours`, `just now`."""
    if instant is None:
        return "never"
    seconds = (now - instant).total_seconds()
    size = abs(seconds)
    if size < MINUTE:
        return "just now"
    unit, length = next(
        (name, length)
        for name, length in (("day", DAY), ("hour", HOUR), ("minute", MINUTE))
        if size >= length
    )
    count = int(size // length)
    words = counted(count, unit)
    return f"{words} ago" if seconds > 0 else f"in {words}"


def write_count(count: int) -> str:
    """`12,345`."""
    return f"{count:,}"


def write_share(part: int, whole: int) -> str:
    """`12 %`; `<1 %` where rounding would say nothing."""
    if not whole:
        return "–"
    share = 100 * part / whole
    return "<1 %" if 0 < share < 1 else f"{share:.0f} %"


def write_name(name: str) -> str:
    """A snake_case name as a heading: `Win back`, `NPS`."""
    return name.upper() if name in SHORT_NAMES else name.replace("_", " ").capitalize()


TITLES = {
    "send": "Send", "survey": "Ask", "wait_until": "Wait until", "branch": "Branch",
    "split": "Split", "set": "Set", "emit": "Emit", "start": "Start journey", "notify": "Notify",
    "webhook": "Call", "end": "End",
}  # fmt: skip


def title_of(step: Step) -> str:
    """What a step does, in a word or two."""
    match step:
        case Wait():
            return f"Wait {write_duration(step.wait)}"
        case WaitFor():
            return f"Wait up to {write_duration(step.up_to)}"
        case Approve():
            return f"Ask for a yes, up to {write_duration(step.up_to)}"
        case _:
            return TITLES[step.kind]


def detail_of(step: Step) -> str:
    """What it does it with: the template, the condition, the hours."""
    match step:
        case Survey():
            return f"{step.survey} · {step.template}"
        case Wait():
            return " · ".join(filter(None, (_hours(step.between), ", ".join(step.on))))
        case WaitUntil():
            return _until(step.wait_until)
        case WaitFor():
            return write_condition(step.wait_for)
        case Branch():
            return "the first that holds"
        case Split():
            return " / ".join(f"{arm.name} {arm.share:.0%}" for arm in step.split)
        case Set():
            return _inline(dict(step.set))
        case End():
            return step.end or ""
        case _:
            return step.target


def _until(until: Until) -> str:
    dumped = until.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return _inline(dumped)


def write_condition(condition: Any) -> str:
    """A condition on one line, as its author would write it: its kind first."""
    dumped = condition.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return _inline({condition.kind: dumped.get(condition.kind), **dumped})


def _inline(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name}: {_inline(inner)}" for name, inner in value.items())
        case list():
            return " + ".join(_inline(inner) for inner in value)
        case True:
            return "yes"
        case False:
            return "no"
        case _:
            return str(value)


def _hours(hours: QuietHours | None) -> str:
    return f"{hours.begins:%H:%M}–{hours.ends:%H:%M}" if hours else ""
