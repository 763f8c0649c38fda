"""Addresses that lead nowhere, and addresses that no text can hold."""

from typing import Any

import pytest
import sqlalchemy

from tests.security.any_request import operations_of
from tests.security.conftest import API_KEY
from tests.web.conftest import Site
from web.sign_in import make_sign_in_link

UNREADABLE = ("%00", "a%00b", "%ff", "%c3%28", "%ed%a0%80")
NO_ROW = (str(2**63), str(2**64), "9" * 30, "9" * 5_000)
AS_PROGRAM = {"authorization": f"Bearer {API_KEY}"}


def sign_in(house: Site) -> None:
    link = make_sign_in_link(house.services)
    assert link is not None
    assert house.client.get(link).status_code == 303


def test_no_path_or_query_holds_nul_or_bytes_that_are_not_utf8(small_house: Site):
    sign_in(small_house)
    for method, path in operations_of(small_house):
        for broken in UNREADABLE:
            asked = f"{path.partition('{')[0]}{broken if '{' in path else ''}?query={broken}"
            answer = small_house.client.request(method, asked, headers=AS_PROGRAM)
            assert answer.status_code == 400, (method, asked)


def test_what_needs_escapes_is_found_all_the_same(house: Site):
    house.customer("آنا/é %")
    sign_in(house)

    page = house.client.get("/customers/%D8%A2%D9%86%D8%A7%2F%C3%A9%20%25?x=%E2%82%AC")

    assert page.status_code == 200


def test_a_number_that_no_row_has_is_not_found_on_either_database(house: Site):
    sign_in(house)
    for number in NO_ROW:
        asked = {
            f"/outbox/{number}": 404,
            f"/outbox/{number}/html": 404,
            f"/outbox?before={number}": 200,
            f"/approvals?answered={number}": 200,
            f"/customers/{number}": 404,
            f"/segments/{number}": 404,
            f"/journeys/{number}": 404,
        }
        assert {path: house.client.get(path).status_code for path in asked} == asked
        for path in (f"/api/v1/messages/{number}", f"/api/v1/messages?before={number}"):
            assert house.client.get(path, headers=AS_PROGRAM).status_code in (404, 422)
        form = {"says": "yes", "approval": number}
        assert house.client.post("/approvals", data=form).status_code == 422


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("en", "There is nothing at this address."), ("fa", "در این نشانی چیزی نیست.")],
)
@pytest.mark.parametrize("path", ["/nothing", "/a/b", "/wp-login.php", "/outbox/x"])
def test_people_get_a_page(small_house: Site, path: str, language: str, sentence: str):
    settings = (small_house.services.workspace / "rekindle.yaml").read_text()
    small_house.write("rekindle.yaml", settings.replace("language: en", f"language: {language}"))
    small_house.apply()

    answer = small_house.client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"<h1>{sentence}</h1>" in answer.text
    assert f'lang="{language}"' in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "document"),
    [
        ("GET", "/api/v1/nothing", 404, {"error": "Not Found"}),
        ("GET", "/api/v2", 404, {"error": "Not Found"}),
        ("POST", "/v1/a/b", 404, {"success": False, "message": "Not Found"}),
        ("GET", "/v1/batch", 405, {"success": False, "message": "Method Not Allowed"}),
    ],
)
def test_programs_get_what_they_can_read(
    small_house: Site, method: str, path: str, status: int, document: object
):
    answer = small_house.client.request(method, path)

    assert (answer.status_code, answer.json()) == (status, document)


def test_a_method_that_an_address_does_not_take_is_told_which_it_does(small_house: Site):
    answer = small_house.client.put("/sign-in")

    assert (answer.status_code, "POST" in answer.headers["allow"]) == (405, True)


def test_a_page_is_there_while_the_database_is_not(
    small_house: Site, monkeypatch: pytest.MonkeyPatch
):
    from rekindle.errors import StoreUnavailable

    def gone(*_: object) -> None:
        raise StoreUnavailable("as if it were away")

    monkeypatch.setattr(type(small_house.services), "library", gone)

    assert small_house.client.get("/nothing").status_code == 404


def test_a_call_that_there_is_not_is_not_found_whatever_the_method(small_house: Site):
    for path in ("/v1/zz", "/v1/zz/", "/v1/batchx", "/v1/", "/v1"):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
            assert small_house.client.request(method, path).status_code == 404, (method, path)


def test_no_address_for_events_redirects(small_house: Site):
    for path in ("batch", "track", "events", "projects/wk/settings"):
        for method in ("GET", "POST"):
            answer = small_house.client.request(method, f"/v1/{path}/")
            assert answer.status_code not in (301, 302, 307, 308), (method, path)


@pytest.mark.parametrize("path", ["/sign-in/", "/healthz/", "/dashboard/customers/", "/v1/track/"])
def test_a_slash_too_many_leads_nobody_to_a_host_of_his_own(small_house: Site, path: str):
    answer = small_house.client.get(path, headers={"host": "evil.example"}, follow_redirects=False)

    assert "evil.example" not in answer.headers.get("location", "")


def test_a_page_for_strangers_asks_the_database_once(small_house: Site):
    asked = []

    def note(*statement: Any) -> None:
        asked.append(statement[2])

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        assert small_house.client.get("/nothing").status_code == 404
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)

    assert len(asked) == 1, asked


FORMS = {
    "/sign-in": ("email", "password"),
    "/approvals": ("says", "approval", "newest", "journey", "step"),
    "/s/{csat}": ("score", "comment", "solved", "action"),
    "/u/{offers}": ("action", "topic.offers", "List-Unsubscribe"),
}


def test_no_form_holds_what_no_database_holds(house: Site):
    sign_in(house)
    ana = house.customer("ana")
    message = house.message(ana, survey="csat")
    signer = house.services.signer
    tokens = {
        "csat": signer.sign_survey(message, "csat"),
        "offers": signer.sign_unsubscribe(message, ana, "offers"),
    }
    for address, fields in FORMS.items():
        for odd in ("%00", "a%00b", "%ff", "%ed%a0%80", "%F4%90%80%80"):
            for form in ("&".join(f"{field}={odd}" for field in fields), f"{odd}={odd}"):
                answer = house.client.post(
                    address.format(**tokens),
                    content=form,
                    headers={"content-type": "application/x-www-form-urlencoded"},
                )
                assert answer.status_code < 500, (address, form)
