"""Rows written as sets: whatever a text holds, it comes back as it was."""

from sqlalchemy import select

from store.session import Store
from store.sets import change_rows, fetch_rows, find_rows, insert_new_rows, insert_rows
from store.tables import customers, decisions, positions

AWKWARD = ['say "no"', "back\\slash", "{a, b}", "", "NULL", "it's\na\ttab", "بازگشت 💌", "%s ? :id"]
DECIDED = (
    decisions.c.enrollment_id,
    decisions.c.step,
    decisions.c.visit,
    decisions.c.decision,
    decisions.c.reason,
    decisions.c.due_at,
    decisions.c.decided_at,
)
STOOD = (
    positions.c.enrollment_id,
    positions.c.step_id,
    positions.c.visit,
    positions.c.arrived_at,
    positions.c.due_at,
)


def test_texts_come_back_as_they_were(store: Store):
    rows = [(number, "ask", 1, "said", text, 5, 6) for number, text in enumerate(AWKWARD)]
    with store.begin() as tx:
        insert_rows(tx, DECIDED, rows)

        found = fetch_rows(tx, select(*DECIDED).order_by(decisions.c.id), {})

    assert [tuple(row) for row in found] == rows


def test_only_the_rows_that_are_named_change(store: Store):
    with store.begin() as tx:
        insert_rows(tx, STOOD, [(id_, 7, 1, 10, None) for id_ in (1, 2, 3)])

        change_rows(
            tx,
            (positions.c.step_id, positions.c.due_at, positions.c.enrollment_id),
            [(8, 20, 3), (9, None, 1)],
        )

        found = fetch_rows(tx, select(*STOOD).order_by(positions.c.enrollment_id), {})
    assert [tuple(row) for row in found] == [
        (1, 9, 1, 10, None),
        (2, 7, 1, 10, None),
        (3, 8, 1, 10, 20),
    ]


def test_no_rows_are_no_statement(store: Store):
    with store.begin() as tx:
        insert_rows(tx, DECIDED, [])
        change_rows(tx, STOOD, [])

        found = fetch_rows(tx, select(*DECIDED), {})

    assert list(found) == []


NEW = (customers.c.external_id, customers.c.known_at)


def test_new_rows_are_numbered_in_their_order_and_taken_keys_are_left_alone(store: Store):
    with store.begin() as tx:
        first = insert_new_rows(tx, NEW, [("b", 1), ("a", 1)], customers.c.external_id)

        second = insert_new_rows(tx, NEW, [("c", 2), ("a", 2), ("d", 2)], customers.c.external_id)

        found = find_rows(tx, customers.c.external_id, {"a", "c", "d", "x"}, NEW)
    assert first["b"] < first["a"] < second["c"] < second["d"]
    assert second.keys() == {"c", "d"}
    assert sorted(tuple(row) for row in found) == [("a", 1), ("c", 2), ("d", 2)]


def test_rows_are_found_by_texts_of_any_kind(store: Store):
    with store.begin() as tx:
        made = insert_new_rows(tx, NEW, [(text, 1) for text in AWKWARD], customers.c.external_id)

        found = find_rows(tx, customers.c.external_id, AWKWARD, NEW)

        assert find_rows(tx, customers.c.external_id, [], NEW) == []
    assert {row[0] for row in found} == made.keys() == set(AWKWARD)
