"""The compiler against the oracle: random rules and histories, at every instant that matters."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from segments.compile import Lexicon
from segments.conditions.acts import Acts
from segments.conditions.happening import Happening
from segments.conditions.sequence import Sequence
from segments.conditions.trend import Trend
from segments.definition import Condition, ConditionBase, Segment, parse_condition, walk
from segments.prepared import parameters, prepare, prepare_together
from segments.subjects import Sort
from store.session import Store
from store.standings import note_turns
from store.tables import ANSWERED, EPOCH, REPORTED, customers, event_kinds, events, traits
from tests.segments.history import History
from tests.segments.oracle import DAY, Report, Told, World, holds, midnight, read
from tests.segments.rules import (
    CUSTOMERS,
    NOON,
    conditions,
    counts,
    drifts,
    in_journeys,
    inside_lists,
    messages,
    nested,
    nested_worlds,
    sequences,
    tickets,
    trends,
    worlds,
)  # fmt: skip

TICK = timedelta(microseconds=1)


class Answer(NamedTuple):
    """Of one customer: whether it holds, and when that is looked at again."""

    holds: bool
    next_check_at: datetime | None


few = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
many = settings(few, max_examples=2_000)
most = settings(few, max_examples=8_000)
some = settings(few, max_examples=500)


@few
@given(world=worlds(), written=conditions(), data=st.data())
def test_members_and_next_checks_are_those_of_the_oracle(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare(store, world, parse_condition(written), data, is_exact=False)


@pytest.mark.deep
@many
@given(world=worlds(), written=conditions(), data=st.data())
def test_members_and_next_checks_are_those_of_the_oracle_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare(store, world, parse_condition(written), data, is_exact=False)


@few
@given(world=worlds(), written=counts(), data=st.data())
def test_the_check_of_a_single_count_is_the_very_instant_of_its_next_change(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare_exactly(store, world, parse_condition(written), data)


@pytest.mark.deep
@some
@given(world=worlds(), written=counts(), data=st.data())
def test_the_check_of_a_single_count_is_the_very_instant_of_its_next_change_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare_exactly(store, world, parse_condition(written), data)


@few
@given(world=worlds(of_tickets=True), written=tickets(), data=st.data())
def test_what_later_events_answer_counts_until_then(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare_exactly(store, world, parse_condition(written), data)


@pytest.mark.deep
@some
@given(world=worlds(of_tickets=True), written=tickets(), data=st.data())
def test_what_later_events_answer_counts_until_then_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare_exactly(store, world, parse_condition(written), data)


@few
@given(world=worlds(), written=st.one_of(trends(), messages(), in_journeys()), data=st.data())
def test_other_things_that_are_counted_are_looked_at_again_just_as_exactly(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare_exactly(store, world, parse_condition(written), data)


@pytest.mark.deep
@some
@given(world=worlds(), written=st.one_of(trends(), messages(), in_journeys()), data=st.data())
def test_other_things_that_are_counted_are_looked_at_again_just_as_exactly_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare_exactly(store, world, parse_condition(written), data)


@few
@given(world=worlds(), written=st.one_of(sequences(), drifts()), data=st.data())
def test_without_events_of_the_future_drift_and_sequences_are_exact_too(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare_from_noon(store, world, parse_condition(written), data)


@pytest.mark.deep
@some
@given(world=worlds(), written=st.one_of(sequences(), drifts()), data=st.data())
def test_without_events_of_the_future_drift_and_sequences_are_exact_too_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare_from_noon(store, world, parse_condition(written), data)


@few
@given(world=nested_worlds(), written=inside_lists(), data=st.data())
def test_what_is_asked_inside_of_lists_is_what_the_oracle_finds_there(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare(store, world, parse_condition(written), data, is_exact=False)


@pytest.mark.deep
@most
@given(world=nested_worlds(), written=nested(inside_lists()), data=st.data())
def test_what_is_asked_inside_of_lists_is_what_the_oracle_finds_there_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _compare(store, world, parse_condition(written), data, is_exact=False)


def _compare_exactly(store: Store, world: World, condition: Condition, data: st.DataObject) -> None:
    _compare(store, world, condition, data, is_exact=not _asks_dates(condition))


def _compare_from_noon(
    store: Store, world: World, condition: Condition, data: st.DataObject
) -> None:
    past = tuple(act for act in world.acts if max(act.occurred_at, act.known_at) <= NOON)
    _compare(store, replace(world, acts=past), condition, data, is_exact=True, after=NOON)


def _compare(
    store: Store,
    world: World,
    condition: Condition,
    data: st.DataObject,
    *,
    is_exact: bool,
    after: datetime = EPOCH,
) -> None:
    turns = [turn for turn in turning_points(world, condition) if turn >= after]
    chosen = data.draw(st.lists(st.sampled_from(turns), min_size=1, max_size=3, unique=True))
    with store.begin() as tx:
        rehearsal = tx.begin_nested()
        put(tx, world)
        lexicon = replace(lexicon_of(world), segments=segments_of(world, asked=condition))
        for at in chosen:
            found = _ask(tx, condition, lexicon, at)
            _compare_at(found, world, condition, at, turns, is_exact=is_exact)
            of_some = _ask_of_some(tx, lexicon, CUSTOMERS, at)
            of_range = _ask_of_some(tx, lexicon, range(min(CUSTOMERS), max(CUSTOMERS) + 1), at)
            assert of_some == of_range
            _compare_at(of_some, world, condition, at, turns, is_exact=is_exact)
        rehearsal.rollback()


def _ask(tx: Connection, condition: Condition, lexicon: Lexicon, at: datetime) -> dict[int, Answer]:
    """What is said of everybody."""
    statement = prepare(condition, Sort.CUSTOMER, lexicon)
    rows = tx.execute(statement, parameters(CUSTOMERS, at))
    return {row.id: Answer(row.holds, row.next_check_at) for row in rows}


def _ask_of_some(
    tx: Connection, lexicon: Lexicon, ids: Collection[int], at: datetime
) -> dict[int, Answer]:
    """The same as a refresh and a pass ask it: whoever is not in for good is left out."""
    statement = prepare_together(["asked"], lexicon, is_range=isinstance(ids, range))
    rows = {row[0]: Answer(*row[1:]) for row in tx.execute(statement, parameters(ids, at))}
    return {id_: rows.get(id_, Answer(False, None)) for id_ in ids}


def _compare_at(
    found: Mapping[int, Answer],
    world: World,
    condition: Condition,
    at: datetime,
    turns: list[datetime],
    *,
    is_exact: bool,
) -> None:
    assert set(found) == set(CUSTOMERS)
    known = world.known(at)
    for customer, row in found.items():
        now = holds(world, condition, customer, at)
        assert row.holds is now, f"customer {customer} at {at}"
        later = (turn for turn in turns if turn > at)
        change = next((t for t in later if holds(known, condition, customer, t) != now), None)
        check = row.next_check_at
        assert check is None or check > at
        if change is not None:
            assert check is not None
            assert check <= change, f"customer {customer} at {at}"
        if is_exact:
            assert check == change, f"customer {customer} at {at}"


def turning_points(world: World, condition: Condition) -> list[datetime]:
    """Every instant at which anything can begin or end to matter, and just before and after it."""
    lengths = _lengths(world, condition)
    instants = {NOON}
    instants |= {i for act in world.acts for i in (act.occurred_at, act.known_at)}
    instants |= {i for said in world.said for i in (said.occurred_at, said.known_at)}
    instants |= {i for trip in world.trips for i in (trip.started_at, trip.ended_at) if i}
    instants |= {mail.sent_at for mail in world.mails if mail.sent_at}
    instants |= {
        i
        for mail in world.mails
        for one in mail.reports
        for i in (one.occurred_at, one.known_at, one.turned_at)
        if i
    }
    instants |= set(world.publications)
    instants |= {i for told in world.answers for i in (told.answered_at, told.turned_at) if i}
    instants |= {i for rhythm in world.rhythms for i in rhythm.crossings}
    instants |= {
        instant + sign * length for instant in instants for length in lengths for sign in (-1, 1)
    }
    for text in _written_dates(world):
        if dated := read(text, world.zone):
            instant, day = dated
            near = {day, *(day.replace(year=y, day=min(day.day, 28)) for y in (2025, 2026, 2027))}
            starts = {midnight(d + n * DAY, world.zone) for d in near for n in (-1, 0, 1, 2)}
            base = {instant, *starts}
            instants |= base | {b + sign * n for b in base for n in lengths for sign in (-1, 1)}
    return sorted({instant + tick for instant in instants for tick in (-TICK, 0 * TICK, TICK)})


def _lengths(world: World, condition: ConditionBase) -> set[timedelta]:
    found: set[timedelta] = set()
    for rule in (condition, *world.segments.values()):
        for _, part in walk(rule):
            found |= {v for v in _values(part) if isinstance(v, timedelta)}
            if isinstance(part, Trend):
                found.add(2 * part.over)
            if isinstance(part, Sequence):  # of one event after the other
                own = [step.within for step in part.sequence if step.within]
                last = part.then_not.within if part.then_not else None
                found |= {length - last for length in own[:1] if last}
    return found


def _values(model: Any) -> list[Any]:
    values = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        nested = (
            value.values()
            if isinstance(value, dict)
            else value
            if isinstance(value, tuple)
            else [value]
        )
        for each in nested:
            values += _values(each) if hasattr(type(each), "model_fields") else [each]
    return values


def _written_dates(world: World) -> set[str]:
    values = [said.value for said in world.said]
    values += [value for act in world.acts for value in act.properties.values()]
    inside = [v for value in values if isinstance(value, dict) for v in value.values()]
    return {value for value in (*values, *inside) if isinstance(value, str)}


def _asks_dates(condition: Condition) -> bool:
    meant = condition.trend if isinstance(condition, Trend) else condition
    return isinstance(meant, Acts | Happening) and any(o.moves for o in meant.where.values())


def lexicon_of(world: World) -> Lexicon:
    goal = ("order.completed",)
    return Lexicon(world.own_channels, goal, world.zone, segments_of(world), "a")


def segments_of(world: World, **more: Condition) -> dict[str, Segment]:
    rules = {**world.segments, **more}
    return {name: Segment(segment=name, match=rule) for name, rule in rules.items()}


def put(tx: Connection, world: World) -> None:
    people = [{"id": c, "external_id": str(c), "known_at": EPOCH} for c in CUSTOMERS]
    tx.execute(insert(customers), people)
    kinds = {(a.name, a.channel, a.actor) for a in world.acts}
    numbers = {kind: number for number, kind in enumerate(sorted(kinds), 1)}
    if kinds:
        tx.execute(
            insert(event_kinds),
            [{"id": n, "name": k[0], "channel": k[1], "actor": k[2]} for k, n in numbers.items()],
        )
        tx.execute(
            insert(events),
            [
                {
                    "id": arrival,
                    "customer_id": act.customer,
                    "kind_id": numbers[act.name, act.channel, act.actor],
                    "occurred_at": act.occurred_at,
                    "received_at": act.known_at,
                    "known_at": act.known_at,
                    "message_id": str(arrival),
                    "source": "test",
                    "properties": act.properties,
                }
                for arrival, act in enumerate(world.acts, 1)
            ],
        )
    _store_the_rest(tx, world)
    if world.said:
        tx.execute(
            insert(traits),
            [{"id": arrival, **_row(said)} for arrival, said in enumerate(world.said, 1)],
        )


def _store_the_rest(tx: Connection, world: World) -> None:
    history = History(tx)
    for place, trip in enumerate(world.trips, 1):
        row = dict(vars(trip)) | {"key": str(place)}
        customer, at = row.pop("customer"), row.pop("started_at")
        history.enrollment(place, customer, at, **row)
    for mail in world.mails:
        number = history.message(mail.customer, mail.sent_at, template=mail.template)
        for report in mail.reports:
            _store_report(history, number, report)
    for told in world.answers:
        _store_answer(history, told)
    for at in world.publications:
        history.publish(at, lexicon_of(world))
    for rhythm in world.rhythms:
        history.rhythm(rhythm.customer, rhythm.clock, rhythm.n, rhythm.crossings, risk=rhythm.risk)


def _store_report(history: History, message_id: int, report: Report) -> None:
    row = {
        "known_at": report.known_at,
        "is_machine": report.is_machine != (report.turned_at is not None),
    }
    id_ = history.delivery(message_id, report.kind, report.occurred_at, **row)
    if report.turned_at is not None:
        note_turns(history.tx, REPORTED, {id_: report.is_machine}, report.turned_at)


def _store_answer(history: History, told: Told) -> None:
    row = {
        "survey": told.survey,
        "message_id": told.mail,
        "revision": told.revision,
        "is_counted": told.is_counted != (told.turned_at is not None),
        "is_current": False,
    }
    id_ = history.answer(told.customer, told.score, told.answered_at, **row)
    if told.turned_at is not None:
        note_turns(history.tx, ANSWERED, {id_: not told.is_counted}, told.turned_at)


def _row(said: Any) -> dict[str, Any]:
    row = dict(vars(said))
    return {"customer_id": row.pop("customer"), **row}
