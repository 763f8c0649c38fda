"""`/api/v1`: what programs see and do, and what they are told when they are wrong."""

from typing import Any

import pytest

from store.keys import add_key, load_keys, revoke_key
from store.suppressions import find_suppressed
from tests.api.conftest import SETTINGS, Caller


def test_a_customer_is_the_document_that_the_command_prints(caller: Caller):
    ana = caller.ask("GET", "/customers/ana")

    assert ana["traits"] == {"email": "ana@example.com", "plan": "pro"}
    assert [event["name"] for event in ana["events"]] == ["order.completed", "segment.entered"]
    assert [place["segment"] for place in ana["segments"]] == ["buyers"]


def test_a_program_tells_traits_and_consents_of_old_and_new_customers(caller: Caller):
    told = {"traits": {"plan": None, "vip": True}, "consents": {"offers": "denied"}}

    assert caller.status("PUT", "/customers/ana", told) == 200
    assert caller.status("PUT", "/customers/cy", {"traits": {"email": "cy@example.com"}}) == 201

    ana = caller.ask("GET", "/customers/ana")
    assert ana["traits"] == {"email": "ana@example.com", "vip": True}
    assert ana["consents"] == {"offers": "denied"}
    assert caller.ask("GET", "/customers/cy")["traits"] == {"email": "cy@example.com"}


def test_customers_are_merged_and_suppressed(caller: Caller):
    caller.ask("POST", "/customers/ana/merge", {"others": ["bo"]})

    suppressed = caller.ask("POST", "/customers/bo/suppress", {"reason": "asked by phone"})

    assert suppressed == {"suppressed": ["ana@example.com", "bo@example.com"]}
    with caller.shop.services.store.read() as connection:
        assert find_suppressed(connection, ["bo@example.com"], caller.shop.clock.now())


def test_segments_have_sizes_and_members_in_pages(caller: Caller):
    caller.shop.happens("order.completed", "bo", total=5)
    caller.shop.run()

    first = caller.ask("GET", "/segments/buyers/members?limit=1")
    second = caller.ask("GET", f"/segments/buyers/members?limit=1&after={first['after']}")

    assert caller.ask("GET", "/segments")["segments"][0]["size"] == 2
    assert [one["customer"] for one in first["members"] + second["members"]] == ["ana", "bo"]


def test_it_is_explained_why_somebody_is_not_in_a_segment(caller: Caller):
    explained = caller.ask("GET", "/segments/buyers/explain/bo")

    assert (explained["holds"], len(explained["conditions"])) == (False, 1)


def test_a_customer_is_started_once_however_often_it_is_asked(caller: Caller):
    wanted = {"customer": "ana", "request_id": "signup-1"}

    first = caller.ask("POST", "/journeys/welcome/start", wanted)
    again = caller.ask("POST", "/journeys/welcome/start", wanted)
    caller.shop.run()

    assert first == again
    assert caller.ask("GET", "/journeys/welcome")["active"] == 1
    (mail,) = caller.ask("GET", "/messages?customer=ana&status=sent")["messages"]
    assert (mail["template"], mail["to"]) == ("welcome", "ana@example.com")
    kinds = [e["kind"] for e in caller.ask("GET", f"/messages/{mail['id']}")["delivery_events"]]
    assert kinds == ["sent"]


def test_the_same_request_again_is_told_from_the_first_and_from_another(caller: Caller):
    path, wanted = "/api/v1/journeys/welcome/start", {"customer": "ana", "request_id": "1"}

    first = caller.client.post(path, json=wanted)
    again = caller.client.post(path, json={**wanted, "properties": {"plan": "pro"}})
    another = caller.client.post(path, json={**wanted, "request_id": "2"})

    assert (first.status_code, again.status_code, another.status_code) == (201, 200, 409)
    assert first.json() == again.json()
    assert another.json()["error"] == (
        "ana does not start in welcome: 'again' does not let this customer start now."
    )
    assert caller.ask("GET", "/journeys/welcome")["active"] == 1


def test_a_request_whose_enrollment_is_over_starts_no_other(caller: Caller):
    wanted = {"customer": "ana", "request_id": "1"}
    first = caller.ask("POST", "/journeys/welcome/start", wanted)
    caller.ask("POST", "/journeys/welcome/exit/ana")

    again = caller.client.post("/api/v1/journeys/welcome/start", json=wanted)

    assert (again.status_code, again.json()) == (200, first)


def test_a_customer_is_taken_out_of_a_journey_and_cannot_be_twice(caller: Caller):
    caller.ask("POST", "/journeys/welcome/start", {"customer": "ana", "request_id": "1"})

    left = caller.ask("POST", "/journeys/welcome/exit/ana")

    assert left["ended"] == 1
    assert caller.status("POST", "/journeys/welcome/exit/ana") == 409
    assert caller.ask("GET", "/journeys/welcome")["exited"] == 1


def test_nobody_starts_in_a_paused_journey_until_it_is_resumed(caller: Caller):
    caller.ask("POST", "/journeys/welcome/pause", {"reason": "wrong picture"})
    wanted = {"customer": "ana", "request_id": "1"}

    refused = caller.ask("POST", "/journeys/welcome/start", wanted)
    stopped = caller.ask("GET", "/journeys/welcome")["stopped"]
    caller.ask("POST", "/journeys/welcome/resume")

    assert ("wrong picture" in refused["error"], stopped) == (True, "wrong picture")
    again = {**wanted, "request_id": "2"}
    assert caller.status("POST", "/journeys/welcome/start", again) == 201


CALL = """
journey: call
topic: service
start: [{api: true}]
steps:
  - approve: leads
    up_to: 2 days
    otherwise: [{set: {called: false}}]
  - send: welcome
"""


def asked_about(caller: Caller, *customers: str) -> list[dict[str, Any]]:
    """What is asked about customers who have come to an `approve`."""
    settings = f"{SETTINGS}people: {{leads: ['log:']}}\n"
    caller.shop.write("rekindle.yaml", settings)
    caller.shop.write("journeys/call.yaml", CALL)
    caller.shop.apply()
    for customer in customers:
        wanted = {"customer": customer, "request_id": customer}
        caller.ask("POST", "/journeys/call/start", wanted)
    caller.shop.run()
    found: list[dict[str, Any]] = caller.ask("GET", "/approvals")["approvals"]
    return found


def test_what_waits_for_a_yes_comes_in_pages_with_what_follows(caller: Caller):
    ana, bo = asked_about(caller, "ana", "bo")

    first = caller.ask("GET", "/approvals?limit=1")
    second = caller.ask("GET", f"/approvals?journey=call&after={first['after']}")

    assert (ana["customer"], ana["step"], ana["people"]) == ("ana", "approve:leads", "leads")
    assert ana["after_yes"] == ["send:welcome"]
    assert ana["after_no"] == ["approve:leads.otherwise.set:called"]
    assert (first["approvals"], second["approvals"], second["after"]) == ([ana], [bo], None)


def test_a_question_is_answered_once_in_somebodys_name(caller: Caller):
    ana, _ = asked_about(caller, "ana", "bo")
    yes = {"ids": [ana["id"]], "says": "yes", "by": "lea"}

    answers = [caller.ask("POST", "/approvals", yes) for _ in range(2)]
    caller.shop.run()

    (mail,) = caller.ask("GET", "/messages?status=sent")["messages"]
    (trip,) = caller.ask("GET", "/customers/ana")["enrollments"]
    assert answers == [{"answered": 1}, {"answered": 0}]
    assert mail["customer"] == "ana"
    assert "by lea" in [step["reason"] for step in trip["steps"]]


def test_the_plan_is_that_of_the_command_and_names_problems(caller: Caller):
    caller.shop.write("segments/all.yaml", "segment: all\nmatch: {not: {event: nothing.happened}}")
    planned = caller.ask("GET", "/plan")
    caller.shop.write("segments/all.yaml", "segment: all\nmatch: {evnt: x}")

    sizes = {one["segment"]: one["size"] for one in planned["segments"]}
    assert sizes["all"] == 2
    assert caller.status("GET", "/plan") == 409
    assert "segments/all.yaml" in caller.ask("GET", "/plan")["error"]


GOOD: dict[tuple[str, str], tuple[str, Any]] = {
    ("get", "/customers/{external_id}"): ("/customers/ana", None),
    ("put", "/customers/{external_id}"): ("/customers/ana", {"traits": {"a": [1, {"b": None}]}}),
    ("delete", "/customers/{external_id}"): ("/customers/di", None),
    ("get", "/customers/{external_id}/export"): ("/customers/ana/export", None),
    ("post", "/customers/{external_id}/merge"): ("/customers/ana/merge", {"others": ["bo"]}),
    ("post", "/customers/{external_id}/suppress"): ("/customers/ana/suppress", None),
    ("post", "/customers/{external_id}/unsuppress"): (
        "/customers/ana/unsuppress",
        {"reason": "asked by phone"},
    ),
    ("get", "/segments"): ("/segments", None),
    ("get", "/segments/{name}/members"): ("/segments/buyers/members", None),
    ("get", "/segments/{name}/explain/{external_id}"): ("/segments/buyers/explain/ana", None),
    ("get", "/journeys"): ("/journeys", None),
    ("get", "/journeys/{name}"): ("/journeys/welcome", None),
    ("post", "/journeys/{name}/pause"): ("/journeys/welcome/pause", None),
    ("post", "/journeys/{name}/resume"): ("/journeys/welcome/resume", None),
    ("post", "/journeys/{name}/start"): (
        "/journeys/welcome/start",
        {"customer": "cy", "request_id": "9"},
    ),
    ("post", "/journeys/{name}/exit/{external_id}"): ("/journeys/welcome/exit/ana", None),
    ("get", "/approvals"): ("/approvals?journey=welcome", None),
    ("post", "/approvals"): ("/approvals", {"ids": [1], "says": "no", "by": "lea"}),
    ("get", "/messages"): ("/messages?status=sent&template=welcome&limit=500", None),
    ("get", "/messages/{message_id}"): ("/messages/1", None),
    ("get", "/surveys"): ("/surveys", None),
    ("get", "/surveys/{name}"): ("/surveys/csat", None),
    ("get", "/plan"): ("/plan", None),
}


def test_every_operation_answers_as_it_is_documented(caller: Caller):
    paths = caller.client.get("/api/v1/openapi.json", headers={"authorization": ""}).json()["paths"]
    operations = {(method, path): op for path, ops in paths.items() for method, op in ops.items()}
    assert operations.keys() == GOOD.keys()
    caller.shop.customer("cy")
    caller.shop.customer("di")
    caller.ask("POST", "/journeys/welcome/start", {"customer": "ana", "request_id": "1"})
    caller.shop.run()

    for (method, path), operation in operations.items():
        good, body = GOOD[method, path]
        documented = {int(status) for status in operation["responses"]}
        stranger = caller.client.request(
            method, f"/api/v1{good}", json=body, headers={"authorization": "Bearer nobody"}
        )
        nowhere = path.replace("{message_id}", "999999").replace("{", "").replace("}", "")
        answers = [
            caller.status(method, good, body),
            caller.status(method, nowhere, body),
            caller.status(method, good, ["not", "an", "object"]),
        ]
        assert {*answers, 401} <= documented, (method, path, answers)
        assert answers[0] < 300, (method, path, answers)
        assert stranger.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/customers/nobody", None, 404, "no customer has the id 'nobody'"),
        ("GET", "/nothing", None, 404, "Not Found"),
        ("PATCH", "/customers/ana", None, 405, "Method Not Allowed"),
        ("PUT", "/customers/ana", {"trait": {}}, 422, "body.trait"),
        ("PUT", "/customers/ana", {"consents": {"cars": "granted"}}, 422, "no topic"),
        ("PUT", "/customers/ana", {"consents": {"offers": "maybe"}}, 422, "consents.offers"),
        ("PUT", "/customers/ana", {"traits": {"a": "\x00"}}, 422, "NUL"),
        ("PUT", "/customers/a%00", {}, 400, "NUL"),
        ("PUT", "/customers/ana", {"traits": {"a": "x" * 70_000}}, 413, "too large"),
        ("GET", "/segments/buyers/members?limit=501", None, 422, "query.limit"),
        ("POST", "/approvals", {"ids": [], "says": "yes", "by": "lea"}, 422, "body.ids"),
        ("POST", "/approvals", {"ids": [1], "says": "maybe", "by": "lea"}, 422, "body.says"),
        ("GET", "/messages?status=lost", None, 422, "query.status"),
        ("GET", "/messages/99999999999999999999", None, 422, "path.message_id"),
        ("POST", "/journeys/x/start", {"customer": "ana", "request_id": "1"}, 404, "no journey"),
    ],
)
def test_what_is_wrong_is_said(
    caller: Caller, method: str, path: str, body: Any, status: int, said: str
):
    assert caller.status(method, path, body) == status
    assert said in caller.ask(method, path, body)["error"]


def test_no_key_and_a_key_that_is_not_let_in_are_told_apart(caller: Caller):
    with caller.shop.services.store.begin() as tx:
        now = caller.shop.clock.now()
        add_key(tx, "wk_shop", now)
        add_key(tx, "ak_old", now, kind="api")
        revoke_key(tx, load_keys(tx)[-1].id, now)

    said = {
        header: caller.client.get("/api/v1/segments", headers={"authorization": header}).json()
        for header in ("", "Bearer ", "Basic ak_program", "Bearer x", "Bearer wk_shop",
                       "Bearer ak_old")
    }  # fmt: skip

    missing, *others = [one["error"] for one in said.values()]
    assert "Authorization: Bearer KEY" in missing
    assert others == [missing] * 2 + ["This API key is not known, or was revoked."] * 3


@pytest.mark.parametrize("body", [b"{", b'{"traits": {"a": 1e999}}', b'{"traits": {"\\ud800": 1}}'])
def test_a_body_that_no_database_could_keep_is_refused(caller: Caller, body: bytes):
    answer = caller.client.put(
        "/api/v1/customers/ana", content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code in (400, 422)
    assert answer.json()["error"]


@pytest.mark.parametrize("label", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_json_is_read_however_it_is_labelled(caller: Caller, label: str | None):
    headers = {"content-type": label} if label else {}

    told = caller.client.put(
        "/api/v1/customers/ana", content=b'{"traits": {"a": 1}}', headers=headers
    )

    assert told.status_code == 200
    assert caller.ask("GET", "/customers/ana")["traits"]["a"] == 1


SEND = "Send one JSON object in UTF-8."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"traits": {\n  "a": 1 "b": 2}}',
            f"the body is no JSON, at line 2, column 10: a comma or an end is expected. {SEND}",
        ),
        (b"a=1", f"the body is no JSON, at line 1, column 1: a value is expected. {SEND}"),
        (b"", f"the body is empty. {SEND}"),
        (b'["a"]', f"the body is no JSON object. {SEND}"),
        (
            b'{"traits": "\xff"}',
            f"the body cannot be read: it is no text, or nested too deeply. {SEND}",
        ),
    ],
)
def test_of_a_body_that_is_no_json_it_is_said_where_and_what_to_send(
    caller: Caller, body: bytes, said: str
):
    answer = caller.client.put("/api/v1/customers/ana", content=body)

    assert answer.status_code in (400, 422)
    assert answer.json() == {"error": said}
