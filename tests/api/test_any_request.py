"""Whatever a program sends, it is answered with a status that the OpenAPI document names."""

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Caller

WORDS = st.sampled_from(
    ["ana", "welcome", "buyers", "a/b", "é", "😀", "\x00", "%", "", "-1", "1" * 30, "x" * 600]
)
KEYS = WORDS | st.sampled_from(
    ["traits", "consents", "offers", "others", "customer", "request_id", "properties", "key"]
)
NUMBERS = st.sampled_from([0, -1, 2**63, 2**70, 1.5, 1e308])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
BODIES = VALUES | st.builds(lambda value: {"traits": {"a": value}}, VALUES)
QUERIES = st.dictionaries(
    st.sampled_from(["limit", "after", "before", "status", "template", "customer"]), WORDS
)
ROUTING = {404, 405}  # of an address that the words have made another one


@settings(
    max_examples=80,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data(), BODIES, QUERIES)
def test_no_request_is_answered_otherwise_than_documented(
    caller: Caller, data: st.DataObject, body: Any, query: dict[str, str]
):
    paths = caller.client.get("/api/v1/openapi.json").json()["paths"]
    known = [(m, p) for p, ops in paths.items() for m in ops if p != "/plan"]
    method, path = data.draw(st.sampled_from(known))
    filled = path
    for place in ("{external_id}", "{name}", "{message_id}"):
        filled = filled.replace(place, quote(data.draw(WORDS), safe=""))
    asked = "&".join(f"{name}={quote(value)}" for name, value in query.items())

    answer = caller.client.request(
        method,
        f"/api/v1{filled}?{asked}",
        content=json.dumps(body),
        headers={"content-type": "application/json"},
    )

    documented = {int(status) for status in paths[path][method]["responses"]}
    assert answer.status_code in documented | ROUTING
