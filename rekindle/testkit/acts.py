"""Carries out the steps of a case: time passes, people act, and the engine answers."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta

from adapters.actors import read_actor
from adapters.tracking.names import canonical_name
from journeys.graph import build_graph
from journeys.permission import Refused
from journeys.timing import next_open
from rekindle import acting
from rekindle.durations import write_duration
from rekindle.errors import RekindleError
from rekindle.settings import QuietHours
from rekindle.testkit.chance import find_number
from rekindle.testkit.expecting import find_failure
from rekindle.testkit.stage import EmptyStage
from rekindle.testkit.world import World, moment_of, show
from rekindle.workspace.cases import (
    TIME_OF_DAY,
    Advance,
    Answers,
    Approves,
    Clicks,
    Consents,
    Does,
    Expect,
    Learns,
    Opens,
    Past,
    Person,
    Starts,
    Step,
    Unsubscribes,
    Until,
)
from store.approvals import answer_approvals, list_open_approvals
from store.consents import save_choices
from store.customers import make_numbered
from store.intake import record_customers, record_events
from store.records import CustomerId, Identity, IncomingCustomer, IncomingEvent
from store.tables import EPOCH, MICROSECOND
from workers.starts import Wanted, start_by_hand

A_MINUTE = timedelta(minutes=1)  # between a mail and what its reader does: sooner is a machine
CLICK_LINK = re.compile(r"/c/[\w.~-]+")
IDENTIFIED = "customer.identified"


def introduce(people: Mapping[str, Person], stage: EmptyStage) -> dict[str, CustomerId]:
    """Make the customers of a case with all that is given of them; then the engine looks."""
    numbers, begins = _numbers(people, stage), stage.clock.at
    history = [event for name, one in people.items() for event in _history(name, one, begins)]
    with stage.services.store.begin() as tx:
        for name, number in numbers.items():
            make_numbered(tx, number, name, EPOCH)
        rows = [
            IncomingCustomer(name, {"email": f"{name}@example.com", **one.traits}, one.consents)
            for name, one in people.items()
        ]
        record_customers(tx, rows, now=begins)
        record_events(tx, history, now=begins, settings=stage.services.settings)
    stage.run()
    return numbers


def _numbers(people: Mapping[str, Person], stage: EmptyStage) -> dict[str, CustomerId]:
    graphs = [build_graph(one) for one in stage.services.library().journeys.values()]
    numbers: dict[str, CustomerId] = {}
    for name, person in people.items():
        numbers[name] = find_number(graphs, person.chance, numbers.values())
    return numbers


def _history(name: str, person: Person, begins: datetime) -> Iterator[IncomingEvent]:
    """Oldest first, as they came."""
    past = [(begins - ago, one) for one in person.events for ago in _agos(one)]
    for number, (at, one) in enumerate(sorted(past, key=lambda pair: pair[0])):
        yield _event(name, one.event, at, f"past-{name}-{number}", one.channel, one.with_,
                     is_history=True)  # fmt: skip


def _agos(past: Past) -> Iterator[timedelta]:
    for number in range(past.times):
        yield past.ago + number * (past.every or timedelta())


def _event(
    customer: str,
    name: str,
    at: datetime,
    message_id: str,
    channel: str | None,
    properties: Mapping[str, object],
    *,
    is_history: bool = False,
) -> IncomingEvent:
    canonical = canonical_name(name)
    return IncomingEvent(
        name=canonical,
        occurred_at=at,
        message_id=message_id,
        identities=(Identity("external", customer),),
        channel=channel,
        properties=properties,
        actor=read_actor(canonical, properties),
        original_name=name,
        is_known_since_occurred=is_history,
    )


def do(step: Step, world: World) -> None:
    """Let one step happen. Raises RekindleError if it cannot."""
    customer = world.whose(step.customer)
    world.stage.clock.move(MICROSECOND)  # so that of two things one is always the later
    match step:
        case Advance():
            _advance(step, world)
        case Until(at=written):
            _wait_until(written, world)
        case Does() | Learns():
            _receive(step, customer, world)
        case Consents(consent=choices):
            _choose(choices, customer, world)
        case Opens() | Clicks() | Answers() | Unsubscribes():
            _react(step, customer, world)
        case Starts():
            _start(step, customer, world)
        case Approves():
            _approve(step, customer, world)
        case Expect():
            raise TypeError("an expectation is not something that happens")


def _pass_time(world: World, until: datetime, is_over: Callable[[], bool] | None = None) -> bool:
    """Work off whatever falls due up to `until`; True once `is_over`, and no further."""
    for _ in world.stage.jumps(until, world.now):
        if is_over is not None and is_over():
            return True
    world.stage.run_at(until)
    return is_over is not None and is_over()


def _advance(step: Advance, world: World) -> None:
    over_at = world.now + step.advance
    if (hoped := step.until) is None:
        _pass_time(world, over_at)
        return
    whose = world.whose(hoped.customer or step.customer)

    def has_come() -> bool:
        return find_failure(hoped, whose, world) is None

    if not has_come() and not _pass_time(world, over_at, has_come):
        failure = find_failure(hoped, whose, world) or ""
        raise RekindleError(f"{failure.rstrip('.')}, in all of {write_duration(step.advance)}.")


def _wait_until(written: str, world: World) -> None:
    if TIME_OF_DAY.match(written):
        hour, minute = map(int, written.split(":"))
        shown = QuietHours(begins=time(hour, minute), ends=time(hour, minute, 59))
        until = next_open(world.now + A_MINUTE, shown, (), world.zone)
    else:
        until = moment_of(written, world.zone).astimezone(UTC)
    if until < world.now:
        raise RekindleError(f"this lies in the past: it is {show(world.now, world.zone)} by now.")
    _pass_time(world, until)


def _receive(step: Does | Learns, customer: str, world: World) -> None:
    message_id = f"now-{next(world.numbers)}"
    if isinstance(step, Does):
        event = _event(customer, step.event, world.now, message_id, step.channel, step.with_)
    else:
        event = IncomingEvent(
            IDENTIFIED, world.now, message_id, (Identity("external", customer),), traits=step.set_
        )
    services = world.stage.services
    with services.store.begin() as tx:
        record_events(tx, [event], now=world.now, settings=services.settings)
    world.stage.run()


def _choose(choices: Mapping[str, str], customer: str, world: World) -> None:
    with world.stage.services.store.begin() as tx:
        save_choices(tx, world.people[customer], choices, "test", world.now)
    world.stage.run()


def _start(step: Starts, customer: str, world: World) -> None:
    services = world.stage.services
    wanted = Wanted(
        step.start, world.people[customer], f"now-{next(world.numbers)}", properties=step.with_
    )
    with services.store.begin() as tx:
        begun = start_by_hand(tx, services.library(), wanted, world.now)
    if isinstance(begun, Refused):
        raise RekindleError(f"{customer} does not start {step.start}: {begun.reason}.")
    world.stage.run()


def _approve(step: Approves, customer: str, world: World) -> None:
    with world.stage.services.store.begin() as tx:
        asked = list_open_approvals(tx, step.approve, now=world.now)
        ids = [one.id for one in asked if one.customer_id == world.people[customer]]
        is_yes = step.says == "yes"
        if not answer_approvals(tx, ids, is_granted=is_yes, by="test", now=world.now):
            raise RekindleError(f"{step.approve} asks nothing about {customer} at present.")
    world.stage.run()


def _react(step: Opens | Clicks | Answers | Unsubscribes, customer: str, world: World) -> None:
    """The engine's time is the one at which the request comes in: of an answer, its form."""
    pause = A_MINUTE + (acting.FILLING_IN if isinstance(step, Answers) else timedelta())
    _pass_time(world, world.now + pause)
    acting.act(world.stage.services, customer, _reaction(step, customer, world))
    world.stage.run()


def _reaction(
    step: Opens | Clicks | Answers | Unsubscribes, customer: str, world: World
) -> acting.Act:
    now = world.now
    match step:
        case Opens(open=template):
            return acting.Opens(now, world.latest(customer, template=template))
        case Clicks(click=template):
            mail = world.latest(customer, template=template)
            if not CLICK_LINK.search(world.stage.recorded.mails[mail.message_id].html):
                raise RekindleError(f"the mail {template} has no link that could be followed.")
            return acting.Clicks(now, mail)
        case Answers(answer=survey, score=score, comment=comment, solved=solved):
            mail = world.latest(customer, survey=survey)
            return acting.Answers(now - acting.FILLING_IN, mail, score, comment, solved)
        case Unsubscribes(unsubscribe=template):
            return acting.Unsubscribes(now, world.latest(customer, template=template))
