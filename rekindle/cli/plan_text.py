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
        return f"Nothing has changed.\n{limits_sentence(plan, allow)}".rstrip()
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
        f"**{said}**" if (said := limits_sentence(plan, 0)) else "",
    ]
    return "\n\n".join(part for part in parts if part)


def limits_sentence(plan: Plan, allow: int) -> str:
    """Mails and people, each against its limit, and what would let them pass.

    Where nothing changes, no limit is asked.
    """
    if not plan.changes:
        leaving = counted(plan.mails_24h, "mail")
        return f"{leaving} in 24 hours, of what is under way." if plan.mails_24h else ""
    said = " ".join((_mails_sentence(plan, allow), _people_sentence(plan, allow)))
    if plan.is_within(allow):
        return said
    if any(one.is_moving for one in plan.asks):
        return f"{said} People inside cannot be moved before each step is clear."
    needed = max(plan.people, plan.mails_24h)
    return f"{said} 'apply --allow {needed}' would let it pass."


def _mails_sentence(plan: Plan, allow: int) -> str:
    limit, mails = plan.limits.mails_24h, plan.mails_24h
    said = _against(f"limit of {limit:,}", allow, mails > limit, mails <= allow)
    return f"{counted(mails, 'mail')} in 24 hours: {said}."


def _people_sentence(plan: Plan, allow: int) -> str:
    limit = plan.limits.share
    said = _against(f"limit of {limit:.0%}", allow, plan.share > limit, plan.people <= allow)
    whom = f"{plan.share:.0%} of {counted(plan.customers, 'customer')}"
    return f"The largest change concerns {whom}: {said}."


def _against(limit: str, allow: int, is_past: bool, is_allowed: bool) -> str:
    if not is_past:
        return f"within the {limit}"
    return f"past the {limit}" + (f", allowed by --allow {allow}" if is_allowed else "")


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
            said = f"{mailed}, because: {because}." if because else f"{mailed}."
            yield said + _sharing(one)


def _sharing(one: JourneyPlan) -> str:
    """` 5 of them share 2 mailboxes.` or nothing."""
    if not one.sharing:
        return ""
    mailboxes = "one mailbox" if one.shared == 1 else f"{one.shared:,} mailboxes"
    return f" {one.sharing:,} of them share {mailboxes}."


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
