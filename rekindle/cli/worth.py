"""What a journey is worth, as `rekindle report journey` shows it to people."""

from collections.abc import Iterator
from typing import Any


def as_lines(document: dict[str, Any]) -> Iterator[str]:
    """The same for people, indented to stand in a report."""
    yield f"  {document['verdict']}"
    if document["standing"] in ("no_goal", "no_holdout"):
        return
    for name, word in (("mailed", "journey"), ("held_out", "held out")):
        one = document[name]
        yield (
            f"    {word:<9} {one['customers']:,} with their full time, {one['reached']:,} reached"
            f" the goal ({one['share']:.1%}), worth {one['value']:,.2f}"
        )
    if (money := document["money"]) is not None:
        yield (
            f"    money     {money['value']:+,.2f} in all"
            f" ({money['low']:+,.2f} to {money['high']:+,.2f})"
        )
    split = document["split"]
    sound = "as it should be" if split["is_sound"] else "not as it should be"
    yield (
        f"    split     {split['held_out']:,} of {split['customers']:,} held out,"
        f" {split['expected']:.0%} expected: {sound}"
    )
    yield f"    certainty {1 - document['alpha']:.0%}; {document['method']}"
