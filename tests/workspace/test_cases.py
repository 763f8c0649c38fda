"""`check` reads the tests of a workspace like everything else in it."""

import pytest

from rekindle.workspace.folder import load_workspace

HEAD = "test: story\ncustomers: {ana: {}}\ncases:\n- case: it\n"
FILES = {
    "surveys/csat.yaml": "survey: csat\nkind: csat\n",
    "segments/buyers.yaml": "segment: buyers\nmatch: {event: order.completed}\n",
    "journeys/hello.yaml": (
        "journey: hello\ntopic: service\nstart: [{enters: buyers}]\n"
        "steps: [{wait: 1 day}, {end: bye}]\n"
    ),
}
WRONG = {
    "steps: [{advence: 1 day}]": "no step is called 'advence'. Did you mean 'advance'?",
    "steps: [{expect: {male: x}}]": "no expectation is called 'male'. Did you mean 'mail'?",
    "steps: [{advance: 3}]": "a duration needs a unit",
    "steps: [{at: noon}]": "a moment reads like '2026-03-02 09:00'",
    "steps: [{advance: 1 day}]": "this case expects nothing",
    "steps: [{expect: {mail: helo}}]": "no template is called 'helo'",
    "steps: [{expect: [no mail, {in: byers}]}]": "no segment is called 'byers'. Did you mean",
    "steps: [{advance: 1 day, until: {in: byers}}, {expect: no mail}]": "no segment is called",
    "steps: [{expect: {journey: hallo}}]": "no journey is called 'hallo'",
    "steps: [{expect: {journey: hello, at: weit}}]": "no step of hello is called 'weit'",
    "steps: [{expect: {in: buyers, customer: ben}}]": "no customer of this case is called 'ben'",
    "steps: [{answer: csat, score: 9}, {expect: no mail}]": "answered with 1 to 5, not 9",
    "customers: {ana: {consents: {ofers: denied}}}\n  steps: [{expect: no mail}]": (
        "no topic is called 'ofers'. Did you mean 'offers'?"
    ),
    "only: [hallo]\n  steps: [{expect: no mail}]": "no journey is called 'hallo'. Did you mean",
    "only: []\n  steps: [{expect: {journey: hello, started: false}}]": (
        "this case plays no journey, so hello never starts in it. Add it to 'only'."
    ),
    "only: []\n  steps: [{advance: 1 day, until: {journey: hello}}, {expect: no mail}]": (
        "so hello never starts in it."
    ),
    "only: []\n  steps: [{start: hello}, {expect: no mail}]": "so hello never starts in it.",
    "customers: {ana: {chance: {hello: left}}}\n  steps: [{expect: no mail}]": (
        "no arm of hello is called 'left'"
    ),
}


@pytest.mark.parametrize("steps", WRONG)
def test_a_slip_in_a_test_is_found(write, steps):
    folder = write({**FILES, "tests/story.yaml": f"{HEAD}  {steps}\n"})

    found = load_workspace(folder, {}).problems

    assert [one.place.file for one in found] == ["tests/story.yaml"]
    assert WRONG[steps] in str(found[0])


def test_a_test_without_slips_has_no_problems(write):
    steps = "steps: [{event: order.completed}, {expect: {journey: hello, at: wait}}]"

    folder = write({**FILES, "tests/story.yaml": f"{HEAD}  {steps}\n"})

    assert [str(problem) for problem in load_workspace(folder, {}).problems] == []
