"""Makes before the first case what is made once a process: statements, graphs, mails."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from journeys.advance import questions
from journeys.graph import build_graph
from rekindle.testkit.acts import introduce
from rekindle.testkit.stage import EmptyStage
from rekindle.workspace.cases import Past, Person
from rekindle.workspace.library import Library
from workers.questions import reply_to
from workers.starts import Candidate, begin

STRANGER = "stranger"
A_DAY = timedelta(days=1)


def warm_up(stage: EmptyStage, begins: datetime) -> None:
    """Somebody enters every journey once; the first case would be slower than others without."""
    stage.reset(begins)
    library = stage.services.library()
    past = Past(event=library.settings.activity.goal[0], ago=A_DAY)
    numbers = introduce({STRANGER: Person(events=(past,))}, stage)
    starts = [
        Candidate(name, numbers[STRANGER], "", "warm-up", None, "event", begins)
        for name in library.journeys
    ]
    with stage.store.begin() as tx:
        begin(tx, library, starts, begins)
    stage.run()
    with stage.store.read() as connection:
        _ask_everything(connection, library, begins)


def _ask_everything(connection: Connection, library: Library, now: datetime) -> None:
    """What steps further on will ask, of nobody: it is the statements that take their time."""
    for journey in library.journeys.values():
        graph = build_graph(journey)
        for step in graph.nodes:
            reply_to(connection, library, questions(graph, step), (), now)
