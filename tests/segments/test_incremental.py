"""Refreshes against the oracle: what was kept step by step is what is true, at every instant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from rekindle.settings import Settings
from rekindle.workspace.library import Library
from segments.compile import Subjects, compile_condition
from segments.definition import Segment, parse_condition
from store.customers import ids_of
from store.intake import merge_people, record_customers, record_events
from store.memberships import claim_due_checks, load_memberships
from store.pending import claim_changes, drop_changes, load_fresh
from store.records import Actor, CustomerId, Identity, IncomingCustomer, IncomingEvent
from store.session import Store
from tests.segments.oracle import World, holds
from tests.segments.rules import CUSTOMERS, conditions_over_facts, worlds
from tests.segments.test_oracle import few, many, turning_points
from workers.evaluate import evaluate_segments
from workers.hearing import concerned, heard_by, news_in

RULE = "rule"


@few
@given(world=worlds(), written=conditions_over_facts(), data=st.data())
def test_what_refreshes_keep_is_what_the_oracle_says(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _walk(store, world, written, data)


@pytest.mark.deep
@settings(many, max_examples=1_000)
@given(world=worlds(), written=conditions_over_facts(), data=st.data())
def test_what_refreshes_keep_is_what_the_oracle_says_many_times(
    store: Store, world: World, written: dict[str, Any], data: st.DataObject
):
    _walk(store, world, written, data)


def _walk(store: Store, world: World, written: dict[str, Any], data: st.DataObject) -> None:
    world = _in_order_of_arrival(world)
    turns = turning_points(world, parse_condition(written))
    looks = data.draw(st.lists(st.sampled_from(turns), min_size=1, max_size=6))
    merged_at = data.draw(st.one_of(st.none(), st.sampled_from(turns)))
    arrivals = {act.known_at for act in world.acts} | {said.known_at for said in world.said}
    with store.begin() as tx:
        rehearsal = tx.begin_nested()
        walk = Walk.begin(tx, world, written, min(turns))
        for at in sorted({*looks, *arrivals, *([merged_at] if merged_at else [])}):
            walk.receive(at)
            if at == merged_at:
                walk.merge(at)
            walk.refresh(at)
            walk.compare(at)
        rehearsal.rollback()


def _in_order_of_arrival(world: World) -> World:
    return replace(
        world,
        acts=tuple(sorted(world.acts, key=lambda act: act.known_at)),
        said=tuple(sorted(world.said, key=lambda said: said.known_at)),
    )


@dataclass
class Walk:
    """One segment kept through time: events arrive, people merge, refreshes follow."""

    tx: Connection
    world: World
    library: Library
    ids: dict[int, CustomerId]
    arrived: datetime

    @classmethod
    def begin(cls, tx: Connection, world: World, written: dict[str, Any], at: datetime) -> "Walk":
        record_customers(tx, [IncomingCustomer(str(c)) for c in CUSTOMERS], now=at)
        found = ids_of(tx, map(str, CUSTOMERS))
        rules = {**world.segments, RULE: parse_condition(written)}
        segments = {name: Segment(segment=name, match=rule) for name, rule in rules.items()}
        applied = Settings.model_validate(
            {"brand": {"zone": world.zone.key}, "activity": {"any": sorted(world.own_channels)}}
        )
        walk = cls(tx, world, Library(applied, segments), {c: found[str(c)] for c in CUSTOMERS}, at)
        walk._evaluate(sorted(walk.ids.values()), at)
        return walk

    def receive(self, at: datetime) -> None:
        """What comes to be known, each twice: the second time changes nothing."""
        fresh = [
            (f"act {number}", act)
            for number, act in enumerate(self.world.acts)
            if self.arrived < act.known_at <= at or (self.arrived == act.known_at == at)
        ]
        events = [
            IncomingEvent(
                name=act.name,
                occurred_at=act.occurred_at,
                message_id=message_id,
                identities=(Identity("external", str(act.customer)),),
                channel=act.channel,
                actor=Actor(act.actor),
                properties=act.properties,
            )
            for message_id, act in fresh
        ]
        self.arrived = at
        again = [replace(event, name="cart.updated", properties={}) for event in events]
        self._record([*events, *again, *self._told(at)], at)

    def _told(self, at: datetime) -> list[IncomingEvent]:
        return [
            IncomingEvent(
                name="customer.identified",
                occurred_at=said.occurred_at,
                message_id=f"said {number}",
                identities=(Identity("external", str(said.customer)),),
                traits={said.name: said.value},
            )
            for number, said in enumerate(self.world.said)
            if said.known_at == at
        ]

    def _record(self, events: Sequence[IncomingEvent], at: datetime) -> None:
        record_events(self.tx, events, now=at, settings=self.library.settings)

    def merge(self, at: datetime) -> None:
        """The second customer turns out to be the first."""
        merge_people(self.tx, {self.ids[2]: self.ids[1]}, at)
        self.world = replace(
            self.world,
            acts=tuple(replace(act, customer=1) for act in self.world.acts),
            said=tuple(replace(said, customer=1) for said in self.world.said),
        )
        del self.ids[2]

    def refresh(self, at: datetime) -> None:
        """As the engine does: whom the news concerns, and whose check has come."""
        changes = claim_changes(self.tx, 1_000)
        news = news_in(changes, load_fresh(self.tx, changes))
        due = {check.customer_id for check in claim_due_checks(self.tx, at, 1_000)}
        asked = {*concerned(news, heard_by(self.library, RULE)), *due}
        if asked:
            self._evaluate(sorted(asked), at)
        drop_changes(self.tx, changes)

    def _evaluate(self, ids: list[CustomerId], at: datetime) -> None:
        evaluate_segments(self.tx, self.library, {RULE: None}, ids, at)

    def compare(self, at: datetime) -> None:
        rule = self.library.segments[RULE].match
        true = {id_ for c, id_ in self.ids.items() if holds(self.world, rule, c, at)}
        stored = load_memberships(self.tx, RULE, range(1, max(self.ids.values()) + 10))
        everybody = Subjects.customers_in(list(self.ids.values()), at)
        afresh = self.tx.execute(compile_condition(rule, everybody, self.library.lexicon))
        assert {id_ for id_, one in stored.items() if one.is_member} == true, f"kept, at {at}"
        assert {row.id for row in afresh if row.holds} == true, f"afresh, at {at}"
        checks = [one.next_check_at for one in stored.values() if one.next_check_at]
        assert all(check > at for check in checks), "a wake-up that changed nothing moves it on"
