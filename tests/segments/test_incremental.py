"""Refreshes against the oracle: what was kept step by step is what is true, at every instant."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segments.definition import Condition, parse_condition, walk
from store.session import Store
from tests.segments.judging import Judge
from tests.segments.oracle import World
from tests.segments.rules import conditions, inside_lists, nested, nested_worlds, worlds
from tests.segments.test_oracle import TICK, few, many, turning_points
from tests.segments.walking import Walk

RULE = "rule"


@few
@given(world=worlds(), written=conditions(), data=st.data())
def test_what_refreshes_keep_is_what_the_oracle_says(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _walk(store, world, written, data)


@pytest.mark.deep
@settings(many, max_examples=1_500)
@given(world=worlds(), written=conditions(), data=st.data())
def test_what_refreshes_keep_is_what_the_oracle_says_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _walk(store, world, written, data)


@settings(few, max_examples=10)
@given(world=nested_worlds(), written=inside_lists(), data=st.data())
def test_what_refreshes_keep_of_what_lies_inside_lists_is_what_the_oracle_says(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _walk(store, world, written, data)


@pytest.mark.deep
@settings(many, max_examples=1_500)
@given(world=nested_worlds(), written=nested(inside_lists()), data=st.data())
def test_what_refreshes_keep_of_what_lies_inside_lists_is_what_the_oracle_says_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _walk(store, world, written, data)


def _walk(store: Store, world: World, written: dict[str, Any], data: st.DataObject) -> None:
    """To every instant at which anything arrives, to some others, and to some next checks."""
    world = _in_order_of_arrival(replace(world, rhythms=(), publications=()))
    rules = {**world.segments, RULE: parse_condition(written)}
    if data.draw(st.integers(0, 3)):
        world = about(world, rules.values())
    turns = turning_points(world, rules[RULE])
    looks = data.draw(st.lists(st.sampled_from(turns), max_size=3))
    merged_at = data.draw(st.one_of(st.none(), st.sampled_from(turns)))
    ahead = {*looks, *_arrivals(world), *([merged_at] if merged_at else [])}
    with store.begin() as tx:
        rehearsal = tx.begin_nested()
        kept = Walk.begin(tx, world, rules, turns[0])
        judge = Judge(kept, rules)
        judge.compare(turns[0])
        follows = data.draw(st.integers(0, 3))
        while ahead:
            at = min(ahead)
            ahead.remove(at)
            if at <= kept.clock.at:
                continue
            kept.receive(at)
            if at == merged_at:
                kept.merge(at)
                judge.forget()
            kept.work(at)
            judge.compare(at, is_afresh=at in looks or not ahead)
            check = kept.next_check()
            if follows and check and data.draw(st.booleans()):
                follows -= 1
                judge.compare_checks(at)
                ahead |= {check - TICK, check}
        judge.look_back(data.draw(st.sampled_from(sorted(judge.members))))
        rehearsal.rollback()


def about(world: World, rules: Collection[Condition]) -> World:
    """Without what no rule asks about, since every instant of it takes its time."""
    asked = [part for rule in rules for _, part in walk(rule)]
    kinds = {part.kind for part in asked}
    names = [name for part in asked for name in part.named_events]
    return replace(
        world,
        trips=world.trips if "journey" in kinds else (),
        mails=world.mails if "message" in kinds or "message.*" in names else (),
        answers=world.answers if "answer" in kinds else (),
        said=world.said if "trait" in kinds else (),
    )


def _in_order_of_arrival(world: World) -> World:
    return replace(
        world,
        acts=tuple(sorted(world.acts, key=lambda act: act.known_at)),
        said=tuple(sorted(world.said, key=lambda said: said.known_at)),
    )


def _arrivals(world: World) -> set[datetime]:
    reports = [report for mail in world.mails for report in mail.reports]
    instants = {act.known_at for act in world.acts} | {said.known_at for said in world.said}
    instants |= {i for mail in world.mails for i in [mail.sent_at] if i}
    instants |= {i for report in reports for i in (report.known_at, report.turned_at) if i}
    instants |= {i for told in world.answers for i in (told.answered_at, told.turned_at) if i}
    instants |= {i for trip in world.trips for i in (trip.started_at, trip.ended_at) if i}
    return instants
