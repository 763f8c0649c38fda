"""Random journeys: their steps in order, and the rules around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from hypothesis import strategies as st

NAME = "care"
EVERY = timedelta(hours=6)  # the turns of the calendar, from midnight in UTC
NINE = time(9)
AGAIN_AFTER = timedelta(hours=30)
# what stands inside each kind of step: mails, and the wait for an answer
PARTS = {
    "wait": "", "until": "", "send": "", "branch": "v", "split": "f", "wait_for": "co",
    "ask": "wco", "approve": "o", "set": "", "emit": "", "notify": "", "start": "",
}  # fmt: skip
# what a step that acts at once does, and how the decision calls that
ACTS: Mapping[str, tuple[dict[str, Any], str]] = {
    "set": ({"set": {"mood": "well"}}, "set"),
    "emit": ({"emit": "loyalty.reached"}, "emitted"),
    "notify": ({"notify": "leads", "message": "Look"}, "notified"),
    "start": ({"start": "side"}, "started"),
}


@dataclass(frozen=True)
class Plan:
    """A journey: each step a kind with hours. `letter` begins its steps' names: edits change it."""

    steps: tuple[tuple[str, int], ...]
    again: str = "never"
    per: bool = False
    goal: tuple[str, int] = ("none", 0)
    has_exit: bool = False
    calendar: str = ""  # every: all six hours for some; on: at nine on a day of one's own
    is_shadow: bool = False
    held_out: float = 0.0
    letter: str = "s"

    def step_id(self, index: int, part: str = "") -> str:
        return f"{self.letter}{index}{part}"

    def hour(self, index: int) -> time:
        """Until when that step waits."""
        return time((NINE.hour + self.steps[index][1]) % 24)

    def may_start(self, before: Sequence[tuple[datetime, bool]], now: datetime) -> bool:
        """Whether one may start who did at these instants, and still is on the way or not."""
        if any(is_active for _, is_active in before):
            return False
        match self.again:
            case "never":
                return not before
            case "after exit" | "always":
                return True
            case _:
                return all(now >= started_at + AGAIN_AFTER for started_at, _ in before)

    def edited(self, *, is_shadow: bool) -> "Plan":
        """Half the waits, and all names changed."""
        steps = tuple((kind, max(hours // 2, 1)) for kind, hours in self.steps)
        letter = "t" if self.letter == "s" else "s"
        return replace(self, steps=steps, letter=letter, is_shadow=is_shadow)

    def ids(self) -> list[str]:
        return [
            self.step_id(index, part)
            for index, (kind, _) in enumerate(self.steps)
            for part in ("", *PARTS[kind])
        ]

    def written(self, **more: Any) -> dict[str, Any]:
        """The journey as it stands in a file."""
        start: list[dict[str, Any]] = [{"event": "order.completed"}]
        if self.calendar == "every":
            start.append({"every": {"cron": "0 */6 * * *", "for": "vips"}})
        if self.calendar == "on":
            start.append({"on": {"trait": "day", "at": f"{NINE:%H:%M}"}})
        steps = [one for index in range(len(self.steps)) for one in self._step(index)]
        written = {"journey": NAME, "topic": "service", "start": start, "again": self.again,
                   "steps": steps, **more}  # fmt: skip
        if self.per:
            written["per"] = "ticket_id"
        if self.goal[0] != "none":
            closed = {"event": "deal.closed"}
            goal = closed if self.goal[0] == "deal" else {"not": closed}
            written["goal"] = {**goal, "within": f"{self.goal[1]} hours"}
        if self.has_exit:
            written["exit"] = [{"event": "order.cancelled"}]
        if self.held_out:
            written["holdout"] = f"{self.held_out:.0%}"
        return written

    def _step(self, index: int) -> list[dict[str, Any]]:
        kind, hours = self.steps[index]
        own, up_to = {"id": self.step_id(index)}, f"{hours} hours"
        mails = {part: [{"send": "hello", "id": self.step_id(index, part)}] for part in "cofv"}
        either = {"up_to": up_to, "came": mails["c"], "otherwise": mails["o"]}
        match kind:
            case "wait":
                return [{"wait": up_to, **own}]
            case "until":
                return [{"wait_until": f"{self.hour(index):%H:%M}", **own}]
            case "send":
                return [{"send": "hello", **own}]
            case "wait_for":
                return [{"wait_for": {"event": "mail.replied"}, **either, **own}]
            case "branch":
                arm = {"when": {"trait": "vip", "is": True}, "steps": mails["v"]}
                return [{"branch": [arm], **own}]
            case "split":
                arms = [{"name": "first", "share": "50%", "steps": mails["f"]},
                        {"name": "second", "share": "50%"}]  # fmt: skip
                return [{"split": arms, **own}]
            case "ask":
                waits = {"id": self.step_id(index, "w")}
                invitation = {"survey": "csat", "template": "ask", **own}
                return [invitation, {"wait_for": {"answer": "csat"}, **either, **waits}]
            case "set" | "emit" | "notify" | "start":
                return [{**ACTS[kind][0], **own}]
            case _:
                asked = {"approve": "leads", "up_to": up_to, "otherwise": mails["o"]}
                return [{**asked, **own}]


steps = st.tuples(st.sampled_from(sorted(PARTS)), st.sampled_from([1, 4, 30]))
goals = st.sampled_from([("none", 0), ("deal", 2), ("deal", 50), ("no deal", 20)])
agains = st.sampled_from(["never", "after exit", "always", "after 30 hours"])
shares = st.sampled_from([0.0, 0.0, 0.5])
lists = st.lists(steps, min_size=1, max_size=5).map(tuple)
plans = st.builds(
    Plan, lists, again=agains, per=st.just(True), goal=goals, has_exit=st.booleans(),
    held_out=shares,
) | st.builds(
    Plan, lists, again=agains, goal=goals, has_exit=st.booleans(),
    calendar=st.sampled_from(["", "every", "on"]), held_out=shares,
)  # fmt: skip
