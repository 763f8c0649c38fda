"""A plan in words: tables for the terminal and for a pull request."""

from collections.abc import Iterable, Mapping, Sequence

from rekindle.counting import counted
from rekindle.rehearsal.consequences import JourneyPlan, Plan, SegmentPlan

Rows = Sequence[Sequence[str]]
SEGMENTS = ("segment", "change", "size", "enter", "leave")
JOURNEYS = ("journey", "change", "start", "move", "exit", "emails in 24 h")


def as_text(plan: Plan, *, allow: int = 0) -> str:
    """What would change, then whether limits let it."""
    if not plan.changes:
        return f"Nothing has changed.\n{limits_sentence(plan, allow)}".rstrip()
    parts = [
        "\n".join(f"{one.change:<8} {one.path}" for one in plan.changes),
        _columns(SEGMENTS, _segment_rows(plan)),
        _columns(JOURNEYS, _journey_rows(plan)),
        "\n".join(_sentences(plan)),
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
        "\n".join(f"- {line}" for line in _sentences(plan)),
        f"**{said}**" if (said := limits_sentence(plan, 0)) else "",
    ]
    return "\n\n".join(part for part in parts if part)


def limits_sentence(plan: Plan, allow: int) -> str:
    """Emails and people, each against its limit, and what would let them pass.

    Where nothing changes, no limit is asked.
    """
    if not plan.changes:
        leaving = counted(plan.mails_24h, "email")
        return f"{leaving} in 24 hours, of what is under way." if plan.mails_24h else ""
    said = " ".join((_mails_sentence(plan, allow), _people_sentence(plan, allow)))
    if plan.is_within(allow):
        return said
    if plan.is_unclear:
        return f"{said} People inside cannot be moved before each step is clear."
    return f"{said} 'apply --allow {plan.needed}' would let it pass."


def _mails_sentence(plan: Plan, allow: int) -> str:
    limit, mails = plan.limits.mails_24h, plan.mails_24h
    said = _against(f"limit of {limit:,}", allow, plan.is_past_mails, mails <= allow)
    return f"{counted(mails, 'email')} in 24 hours: {said}."


def _people_sentence(plan: Plan, allow: int) -> str:
    if not plan.people:
        return "It sets nobody in motion."
    one, limit = plan.largest, plan.limits.share
    said = f"within {plan.limits.floor:,} people and emails, where no share is asked"
    if plan.share <= limit or not plan.is_small:
        is_allowed = plan.people <= allow
        said = _against(f"limit of {limit:.0%}", allow, plan.is_past_share, is_allowed)
    whom = f"{_percent(plan.share, limit)} of {counted(plan.customers, 'customer')}"
    return f"The largest change concerns {whom} ({_who(one.people, one.verb)} {one.name}): {said}."


def _percent(share: float, limit: float) -> str:
    """With as many digits as tell it from its limit."""
    plain = f"{share:.0%}"
    return plain if share <= limit or plain != f"{limit:.0%}" else f"{share:.2%}"


def _who(count: int, verb: str) -> str:
    """`1 starts`, `12 start`; of `move in` the first word is the verb."""
    verb, _, rest = verb.partition(" ")
    return " ".join(filter(None, (f"{count:,}", f"{verb}s" if count == 1 else verb, rest)))


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


def _sentences(plan: Plan) -> Iterable[str]:
    """All that a table has no room for; the numbers of each sentence add up."""
    for one in plan.journeys:
        yield from _of_journey(one)
    for rewording in plan.rewordings:
        inside = counted(len(rewording.inside), "customer")
        yield f"{rewording.template} has new words, also for {inside} inside who may yet get it."
    if plan.mails_of_no_journey:
        yield f"{counted(plan.mails_of_no_journey, 'email')} in 24 hours of no journey."
    yield from map(str, plan.asks)


def _of_journey(one: JourneyPlan) -> Iterable[str]:
    """`132 start win_back: 125 emailed in 24 hours, 7 held out.`"""
    if one.start:
        parts = [f"{one.outcome.emailed:,} emailed in 24 hours", *_listed(one.outcome.reasons)]
        yield f"{_who(len(one.start), 'start')} {one.journey}: {', '.join(parts)}.{_sharing(one)}"
    if one.not_started:
        count = sum(one.not_started.values())
        do = "does" if count == 1 else "do"
        yield f"{count:,} {do} not start {one.journey}: {', '.join(_listed(one.not_started))}."
    if one.stay:
        version = "which is retired" if one.change == "retired" else "on the version before"
        yield f"{_who(len(one.stay), 'stay')} inside {one.journey}, {version}."
    emails = one.emails
    whom = {
        "to those who start now": emails.to_starting,
        "to those inside already": emails.to_inside,
        "to those who start within the day": emails.to_later,
    }
    if emails.total and emails.total != one.outcome.emailed:
        said = ", ".join(f"{count:,} {words}" for words, count in whom.items() if count)
        yield f"{counted(emails.total, 'email')} of {one.journey} in 24 hours: {said}."


def _listed(reasons: Mapping[str, int]) -> list[str]:
    return [f"{count:,} {reason}" for reason, count in reasons.items()]


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
