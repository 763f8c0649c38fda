"""A journey as a picture: from top to bottom, the arms of a branch side by side.

A journey is nested and has no loops, so its own structure is the layout: nothing can overlap, and
the same journey always looks the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from journeys.definition import Approve, Branch, End, Split, Step, WaitFor, When
from journeys.graph import Graph
from web.dashboard.words import detail_of, title_of, write_condition

BOX_WIDTH, BOX_HEIGHT = 216, 60
END_WIDTH, END_HEIGHT = 104, 34
GAP_ACROSS, GAP_DOWN = 28, 44
ARM_DOWN = 76  # from a branch to its arms: there is a label between
LABEL_UP = 26  # of an arm's label above its first box
LINE_ENDS, LINE_GOES_ON = 40, 18  # above and below the label
MARGIN = 20


@dataclass(frozen=True)
class Box:
    """One step on the picture; x is its middle, y its upper edge."""

    kind: str  # the step's kind, or `start`, `finish`
    title: str
    detail: str
    x: float
    y: float
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT
    people: int = 0  # standing here now
    sent: int = 0  # mails this step has sent


@dataclass(frozen=True)
class Way:
    """A line, as the path of an SVG; it has a tip where it meets a box."""

    path: str
    has_tip: bool = True


@dataclass(frozen=True)
class Label:
    """What is written on a way out of a branch."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Picture:
    width: float
    height: float
    shapes: tuple[Box | Way | Label, ...]


@dataclass(frozen=True)
class _Loose:
    """The end of a line that has not met its box yet: its path so far, and where it stands."""

    path: str
    x: float
    y: float


@dataclass(frozen=True)
class _Arm:
    label: str
    steps: Sequence[Step]
    is_last: bool = False  # what follows the step is not for those who go this way


def draw_journey(
    graph: Graph, people: Mapping[str, int], sent: Mapping[str, int], starts: str
) -> Picture:
    """The whole journey; `people` and `sent` are by step id, `starts` says what begins it."""
    steps = graph.journey.steps
    middle = MARGIN + _width(steps) / 2
    drawing = _Drawing(iter(graph.nodes), people, sent)
    drawing.shapes.append(Box("start", "Starts", starts, middle, MARGIN))
    below = MARGIN + BOX_HEIGHT
    loose = drawing.place(
        steps, middle, below + GAP_DOWN, [_Loose(_at(middle, below), middle, below)]
    )
    if loose:
        lowest = max(end.y for end in loose) + GAP_DOWN
        drawing.meet(loose, middle, lowest)
        finish = Box("finish", "Finished", "", middle, lowest, END_WIDTH, END_HEIGHT)
        drawing.shapes.append(finish)
    height = max(shape.y + shape.height for shape in drawing.shapes if isinstance(shape, Box))
    return Picture(2 * middle, height + MARGIN, tuple(drawing.shapes))


class _Drawing:
    """Collects shapes; steps take their ids in the order in which the graph was laid."""

    def __init__(
        self, ids: Iterator[str], people: Mapping[str, int], sent: Mapping[str, int]
    ) -> None:
        self.shapes: list[Box | Way | Label] = []
        self._ids, self._people, self._sent = ids, people, sent

    def place(self, steps: Sequence[Step], x: float, y: float, loose: list[_Loose]) -> list[_Loose]:
        """Stack `steps` around `x` from `y` down; the ends that lead out of the last."""
        for step in steps:
            self.meet(loose, x, y)
            loose = self._place_step(step, x, y)
            y = max((end.y for end in loose), default=y) + GAP_DOWN
        return loose

    def meet(self, loose: Sequence[_Loose], x: float, y: float) -> None:
        """Lead every loose end into the box at (x, y): straight down, then aside."""
        for end in loose:
            turn = y - GAP_DOWN
            aside = _bend(end.x, turn, x, y).removeprefix(_at(end.x, turn))
            self.shapes.append(Way(end.path + (f"V{y:g}" if end.x == x else f"V{turn:g}{aside}")))

    def _place_step(self, step: Step, x: float, y: float) -> list[_Loose]:
        id_ = next(self._ids)
        people, sent = self._people.get(id_, 0), self._sent.get(id_, 0)
        box = Box(step.kind, title_of(step), detail_of(step), x, y, people=people, sent=sent)
        self.shapes.append(box)
        below = y + BOX_HEIGHT
        if isinstance(step, End):
            return []
        if arms := _arms(step):
            return self._place_arms(arms, x, below)
        return [_Loose(_at(x, below), x, below)]

    def _place_arms(self, arms: Sequence[_Arm], x: float, below: float) -> list[_Loose]:
        widths = [_width(arm.steps) for arm in arms]
        left = x - (sum(widths) + GAP_ACROSS * (len(arms) - 1)) / 2
        loose: list[_Loose] = []
        for arm, width in zip(arms, widths, strict=True):
            middle, top = left + width / 2, below + ARM_DOWN
            self.shapes.append(Way(_bend(x, below, middle, top - LINE_ENDS), has_tip=False))
            self.shapes.append(Label(arm.label, middle, top - LABEL_UP))
            start = _Loose(_at(middle, top - LINE_GOES_ON), middle, top - LINE_GOES_ON)
            ends = self.place(arm.steps, middle, top, [start])
            loose += [] if arm.is_last else ends
            left += width + GAP_ACROSS
        return loose


def _arms(step: Step) -> list[_Arm]:
    """The ways out of a step, as they stand side by side; none where there is only one."""
    match step:
        case Branch():
            arms = [
                _Arm(write_condition(arm.when), arm.steps)
                if isinstance(arm, When)
                else _Arm("otherwise", arm.otherwise)
                for arm in step.branch
            ]
            has_rest = not isinstance(step.branch[-1], When)
            return arms if has_rest else [*arms, _Arm("otherwise", ())]
        case WaitFor():
            return [_Arm("came", step.came), _Arm("did not", step.otherwise)]
        case Approve():
            return [_Arm("yes", ()), _Arm("no", step.otherwise, is_last=True)]
        case Split():
            return [_Arm(f"{arm.name} · {arm.share:.0%}", arm.steps) for arm in step.split]
        case _:
            return []


def _width(steps: Sequence[Step]) -> float:
    """How much room a sequence needs from side to side."""
    return max((_step_width(step) for step in steps), default=BOX_WIDTH)


def _step_width(step: Step) -> float:
    arms = _arms(step)
    across = sum(_width(arm.steps) for arm in arms) + GAP_ACROSS * (len(arms) - 1)
    return max(BOX_WIDTH, across)


def _bend(x: float, y: float, to_x: float, to_y: float) -> str:
    """A curve that leaves (x, y) downwards and arrives downwards."""
    return f"{_at(x, y)}C{x:g} {to_y:g} {to_x:g} {y:g} {to_x:g} {to_y:g}"


def _at(x: float, y: float) -> str:
    return f"M{x:g} {y:g}"
