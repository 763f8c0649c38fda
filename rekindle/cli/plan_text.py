"""A plan in words: tables for the terminal and for a pull request."""

from collections.abc import Iterable, Sequence

from rekindle.counting import counted
from rekindle.rehearsal.plan import JourneyPlan, Plan, SegmentPlan

Rows = Sequence[Sequence[str]]
SEGMENTS = ("segment", "change", "size", "enter", "leave")
JOURNEYS = ("journey", "change", "start", "move", "exit", "mails in 24 h")


def as_text(plan: Plan, *, allow: int = 0) -> str:
    """What would change, then whether limits let it."""
    if not plan.changes:
        return f"Nothing has changed.\n{limits_sentence(plan, allow)}"
    parts = [
        "\n".join(f"{one.change:<8} {one.path}" for one in plan.changes),
        _columns(SEGMENTS, _segment_rows(plan)),
        _columns(JOURNEYS, _journey_rows(plan)),
        "\n".join(_funnels(plan)),
        "\n".join(map(str, plan.asks)),
        limits_sentence(plan, allow),
    ]
    return "\n\n".join(part for part in parts if part)


def as_markdown(plan: Plan) -> str:
    """The same for a pull request."""
    files = "\n".join(f"- {one.change} `{one.path}`" for one in plan.changes)
    parts = [
        "### What this change does",
        files or "Nothing has changed.",
        _table(SEGMENTS, _segment_rows(plan)),
        _table(JOURNEYS, _journey_rows(plan)),
        "\n".join(f"- {line}" for line in [*_funnels(plan), *map(str, plan.asks)]),
        f"**{limits_sentence(plan, 0)}**",
    ]
    return "\n\n".join(part for part in parts if part)


def limits_sentence(plan: Plan, allow: int) -> str:
    """Mails and people against the limits, and what would let them pass."""
    share = f"{plan.share:.0%} of {counted(plan.customers, 'customer')}"
    said = (
        f"{counted(plan.mails_24h, 'mail')} in 24 hours (limit {plan.limits.mails_24h:,}), "
        f"{share} at most (limit {plan.limits.share:.0%})"
    )
    if plan.is_within(allow):
        return f"{said}: within limits."
    if any(one.is_moving for one in plan.asks):
        return f"{said}. People inside cannot be moved before each step is clear."
    needed = max(plan.people, plan.mails_24h)
    return f"{said}: past the limits. 'apply --allow {needed}' would let it pass."


def _segment_rows(plan: Plan) -> Rows:
    return [
        [one.segment, one.change, *_numbers(one.size, len(one.enter), len(one.leave))]
        for one in plan.segments
        if _says_something(one)
    ]


def _journey_rows(plan: Plan) -> Rows:
    return [
        [
            one.journey,
            one.change,
            *_numbers(len(one.start), len(one.move), len(one.exit), one.mails_24h),
        ]
        for one in plan.journeys
        if _says_something(one)
    ]


def _says_something(one: SegmentPlan | JourneyPlan) -> bool:
    return one.change != "unchanged" or (isinstance(one, JourneyPlan) and one.mails_24h > 0)


def _numbers(*numbers: int) -> list[str]:
    return [f"{number:,}" for number in numbers]


def _funnels(plan: Plan) -> Iterable[str]:
    """ "5,040 start win_back, 4,812 mailed within 24 hours, because: 228 held out."""
    for one in plan.journeys:
        because = ", ".join(f"{count:,} {reason}" for reason, count in one.excluded.items())
        if one.start or because:
            start = f"{len(one.start):,} {'starts' if len(one.start) == 1 else 'start'}"
            mailed = f"{start} {one.journey}, {one.mailed:,} mailed in 24 hours"
            yield f"{mailed}, because: {because}." if because else f"{mailed}."


def _columns(heads: Sequence[str], rows: Rows) -> str:
    if not rows:
        return ""
    lines = [heads, *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _table(heads: Sequence[str], rows: Rows) -> str:
    if not rows:
        return ""
    rule = ["---", "---", *["---:"] * (len(heads) - 2)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *rows])
