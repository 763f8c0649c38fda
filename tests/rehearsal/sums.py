"""What must add up in any plan, in its numbers and in its words."""

import re

from rekindle.cli.plan_text import as_markdown, as_text
from rekindle.rehearsal.consequences import Plan, as_document

STARTS = re.compile(r"^([\d,]+) starts? (\w+): (.+?)\.(?: [\d,]+ of them share .*)?$", re.MULTILINE)
EMAILS = re.compile(r"^([\d,]+) emails? of (\w+) in 24 hours: (.+)\.$", re.MULTILINE)
PARTS = re.compile(r"(?:^|, )([\d,]+) ")


def number(written: str) -> int:
    return int(written.replace(",", ""))


def check_sums(plan: Plan) -> None:
    """Every sum of the document, of the sentences and of the table is what its parts add up to."""
    document, text = as_document(plan), as_text(plan)
    for one in document["journeys"]:
        assert one["start"] == one["emailed"] + sum(one["not_emailed"].values())
        assert one["mails_24h"] == sum(one["mails_to"].values())
        assert one["emailed"] <= one["mails_to"]["starting"]
        assert sum(one["excluded"].values()) == sum(
            (*one["not_emailed"].values(), *one["not_started"].values())
        )
    of_journeys = sum(one["mails_24h"] for one in document["journeys"])
    assert document["mails_24h"] == of_journeys + document["mails_of_no_journey"]
    if plan.changes:
        check_words(plan, text)
    check_limits(plan)


def check_words(plan: Plan, text: str) -> None:
    """Each sentence by itself, and beside the numbers of the table."""
    by_name = {one.journey: one for one in plan.journeys}
    for pattern, total_of in (
        (STARTS, lambda one: len(one.start)),
        (EMAILS, lambda one: one.mails_24h),
    ):
        for total, journey, parts in pattern.findall(text):
            assert (
                number(total)
                == sum(map(number, PARTS.findall(parts)))
                == total_of(by_name[journey])
            )
    told = {journey for _, journey, _ in STARTS.findall(text)}
    assert told == {name for name, one in by_name.items() if one.start}
    table = as_markdown(plan)
    for name, one in by_name.items():
        numbers = (len(one.start), len(one.move), len(one.exit), one.mails_24h)
        row = f"| {name} | {one.change} | {' | '.join(f'{count:,}' for count in numbers)} |"
        assert (row in table) is (one.change != "unchanged" or one.mails_24h > 0)


def check_limits(plan: Plan) -> None:
    """`needed` is the least that lifts the limits, and the number that the text names."""
    if plan.is_unclear:
        return
    assert plan.is_within(plan.needed)
    assert plan.needed == 0 or not plan.is_within(plan.needed - 1)
    assert plan.is_within() is (plan.needed == 0)
    assert (f"'apply --allow {plan.needed}'" in as_text(plan)) is (plan.needed > 0)
    concerned = [(one.start, one.move, one.exit) for one in plan.journeys]
    assert plan.people >= max((len(whom) for three in concerned for whom in three), default=0)
