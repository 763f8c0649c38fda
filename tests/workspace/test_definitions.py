from datetime import timedelta

from store.definitions import (
    load_current,
    load_latest,
    load_versions,
    newest_definition,
    save_definitions,
)

DAY = timedelta(days=1)
SEGMENT = ("segment", "regulars")
JOURNEY = ("journey", "win_back")


def test_only_what_changed_becomes_a_new_version(store, now):
    with store.begin() as tx:
        save_definitions(tx, {SEGMENT: "one", JOURNEY: "same"}, now)

        changed = save_definitions(tx, {SEGMENT: "two", JOURNEY: "same"}, now + DAY)

        assert changed == (SEGMENT,)
        assert load_latest(tx)[SEGMENT].version == 2
        assert load_latest(tx)[JOURNEY].version == 1


def test_a_look_back_sees_the_version_that_was_in_force(store, now):
    with store.begin() as tx:
        save_definitions(tx, {SEGMENT: "one"}, now)
        save_definitions(tx, {SEGMENT: "two"}, now + 2 * DAY)

        found = [load_current(tx, now + n * DAY)[0].body for n in (1, 2, 3)]

        assert found == ["one", "two", "two"]


def test_before_the_first_apply_the_first_version_holds(store, now):
    with store.begin() as tx:
        save_definitions(tx, {SEGMENT: "one"}, now)
        save_definitions(tx, {SEGMENT: "two"}, now + DAY)

        assert [one.body for one in load_current(tx, now - DAY)] == ["one"]


def test_a_retired_definition_is_gone_but_its_versions_stay(store, now):
    with store.begin() as tx:
        save_definitions(tx, {JOURNEY: "one"}, now)
        assert save_definitions(tx, {JOURNEY: None, SEGMENT: None}, now + DAY) == (JOURNEY,)

        assert load_current(tx, now + DAY) == []
        assert [one.body for one in load_versions(tx)] == ["one"]


def test_a_retired_definition_can_come_back(store, now):
    with store.begin() as tx:
        save_definitions(tx, {JOURNEY: "one"}, now)
        save_definitions(tx, {JOURNEY: None}, now + DAY)
        save_definitions(tx, {JOURNEY: "one"}, now + 2 * DAY)

        assert [one.version for one in load_current(tx, now + 2 * DAY)] == [3]


def test_versions_can_be_loaded_by_id(store, now):
    with store.begin() as tx:
        assert newest_definition(tx) is None
        save_definitions(tx, {SEGMENT: "one"}, now)
        newest = newest_definition(tx)

        assert newest is not None
        assert [one.body for one in load_versions(tx, [newest])] == ["one"]
