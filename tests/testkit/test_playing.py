"""What a marketer's test can say, and what it is told when it fails."""

import pytest

from rekindle.errors import NotFound
from rekindle.testkit.playing import play_all
from rekindle.workspace.applying import NotApplied
from tests.testkit.builders import play, write_workspace

PASSING = {
    "a mail, to whom, with what, and when": """
        steps:
          - event: order.completed
          - expect: {mail: hello, to: ana@example.com, subject: Hell, contains: Dear Ana,
                     at: 2026-03-02 09:00}
        """,
    "a mail that was named once is not new again": """
        steps:
          - event: order.completed
          - expect: {mail: hello}
          - expect: no mail
        """,
    "time stops wherever something falls due": """
        begins: 2026-03-02 22:30
        steps:
          - event: order.completed
          - expect: {held: hello, because: quiet}
          - advance: 2 days
          - expect: {mail: hello, at: 2026-03-03 08:00}
        """,
    "a time of day is the next such time where the brand is": """
        begins: 2026-03-28 20:00
        steps:
          - at: 09:00
          - event: order.completed
          - expect: {mail: hello, at: 2026-03-29 09:00}
        """,
    "time passes only until something came": """
        steps:
          - event: order.completed
          - advance: 90 days
            until: {not_in: buyers}
          - event: order.completed
          - expect: {event: order.completed, times: 2}
          - advance: 1 minute
          - expect: {in: buyers}
        """,
    "chance is as the case wants it: an arm": """
        customers: {ana: {chance: {welcome: long}}}
        steps:
          - event: order.completed
          - advance: 3 days
          - expect: [{notice: leads, contains: ana reads}, {journey: welcome, ended: finished}]
        """,
    "chance is as the case wants it: held out": """
        customers: {ana: {chance: {welcome: held_out}}}
        steps:
          - event: order.completed
          - expect: [{journey: welcome, held_out: true, at: wait}, no mail, no notice]
        """,
    "an answer is a person's": """
        customers: {ana: {chance: {welcome: short}}}
        steps:
          - event: order.completed
          - advance: 3 days
          - answer: csat
            score: 2
            comment: Late.
          - expect: {event: survey.answered, with: {score: 2, comment: Late.}}
        """,
    "a click is a person's": """
        steps:
          - event: order.completed
          - click: hello
          - open: hello
          - expect: [{event: message.clicked}, {event: message.opened}]
        """,
    "what an agent does is not the customer's own activity": """
        steps:
          - event: ticket.replied
            with: {by: agent}
          - expect: {not_in: asking}
          - event: ticket.updated
            with: {by: customer}
          - expect: {in: asking}
        """,
    "whoever unsubscribes gets no more": """
        steps:
          - event: order.completed
          - unsubscribe: hello
          - expect: {mail: hello}
          - advance: 40 days
          - event: order.completed
          - expect: no mail
        """,
    "whoever said no is not mailed": """
        customers: {ana: {consents: {offers: denied}}}
        steps:
          - event: order.completed
          - expect: {refused: hello, because: said no}
        """,
    "what lies before the case starts nothing": """
        customers:
          ana: {events: [{event: order.completed, ago: 2 days, times: 2, every: 9 days}]}
        steps:
          - expect: [{in: buyers}, {journey: welcome, started: false}, no mail]
          - advance: 60 days
          - expect: {not_in: buyers}
        """,
    "traits and consents may change on the way": """
        steps:
          - set: {plan: pro, address: {city: Ulm}}
          - consent: {offers: denied}
          - expect: [{trait: plan, is: pro}, {trait: address.city, is: Ulm}, {trait: size}]
        """,
    "several customers, of whom the first is meant": """
        customers: {ben: {traits: {email: b@example.org}}}
        steps:
          - event: order.completed
            customer: ben
          - expect: no mail
          - expect: {mail: hello, customer: ben, to: b@example.org}
        """,
    "either of two arms": """
        customers: {ana: {chance: {welcome: [long, short]}}}
        steps: [{event: order.completed}, {expect: {mail: hello}}]
        """,
    "a start by hand, a yes, and what it sets off": """
        steps:
          - start: call
          - expect: {notice: leads, contains: Shall we call ana}
          - approve: call
          - expect: {webhook: "https://crm.example.com/calls", with: {stage: call}}
          - expect: {journey: call, ended: finished}
        """,
    "a no": """
        steps:
          - start: call
          - approve: call
            says: no
          - expect: {trait: called, is: never}
        """,
    "a day of the customer's own, and drift in a mail": """
        customers:
          ana:
            traits: {birthday: 1990-03-04}
            events: [{event: order.completed, times: 5, every: 20 days, ago: 6 days}]
        steps:
          - advance: 3 days
          - expect: {mail: wish, at: 2026-03-04 09:00, contains: active True}
          - advance: 365 days
          - expect: {mail: wish, at: 2027-03-04 09:00, contains: lost True}
        """,
    "a day that was over when we learned of it": """
        begins: 2026-03-01 08:00
        customers: {ana: {}, ben: {traits: {birthday: 1990-03-05}}}
        steps:
          - at: 2026-03-04 09:20
          - set: {birthday: 1990-03-04}
          - advance: 2 days
          - expect: [{journey: birthday, customer: ben}, {journey: birthday, started: false}]
        """,
    "an exit": """
        steps:
          - event: order.completed
          - event: Order Cancelled
          - expect: {journey: welcome, ended: exited, times: 1}
        """,
}
FAILING = {
    "the mail hello to ana was not sent.": "steps: [{expect: {mail: hello}}]",
    "ana is not in buyers.": "steps: [{expect: {in: buyers}}]",
    "ana never started welcome.": "steps: [{expect: {journey: welcome}}]",
    "its subject is 'Hello'": """
        steps: [{event: order.completed}, {expect: {mail: hello, subject: Bye}}]""",
    "'Dear Ben' is not in its text": """
        steps: [{event: order.completed}, {expect: {mail: hello, contains: Dear Ben}}]""",
    "it left on Mon 02 Mar 2026 09:00": """
        steps: [{event: order.completed}, {expect: {mail: hello, at: 2026-03-02 10:00}}]""",
    "it is held (quiet hours": """
        begins: 2026-03-02 23:00
        steps: [{event: order.completed}, {expect: {mail: hello}}]""",
    "welcome is not at split: ana is at wait.": """
        steps: [{event: order.completed}, {expect: {journey: welcome, at: split}}]""",
    "ana was sent hello ('Hello') on Mon 02 Mar 2026 09:00.": """
        steps: [{event: order.completed}, {expect: no mail}]""",
    "leads were not told.": "steps: [{expect: {notice: leads}}]",
    "plan of ana is not set.": "steps: [{expect: {trait: plan, is: pro}}]",
    "order.completed of ana happened once": """
        steps: [{event: order.completed}, {expect: {event: order.completed, times: 2}}]""",
    "ana has not had the mail hello so far.": "steps: [{click: hello}, {expect: no mail}]",
    "call asks nothing about ana at present.": "steps: [{approve: call}, {expect: no mail}]",
    "ana does not start welcome: welcome has no start 'api'.": """
        steps: [{start: welcome}, {expect: no mail}]""",
    "https://crm.example.com/calls was not called so.": """
        steps: [{expect: {webhook: "https://crm.example.com/calls"}}]""",
    "this lies in the past: it is Mon 02 Mar 2026 09:00 by now.": """
        steps: [{at: 2026-03-01 09:00}, {expect: no mail}]""",
    "ana is not in buyers, in all of 3 days.": """
        steps: [{advance: 3 days, until: {in: buyers}}, {expect: no mail}]""",
}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return play(tmp_path_factory.mktemp("shop"), {**PASSING, **FAILING})


@pytest.mark.parametrize("case", PASSING)
def test_a_case_can_expect(played, case):
    assert str(played[case].problem or "") == ""


@pytest.mark.parametrize("said", FAILING)
def test_a_failed_case_says_what_came_instead(played, said):
    assert said in played[said].problem.message


def test_a_failure_is_shown_at_its_line_with_what_happened_to_the_customer(tmp_path):
    steps = "steps: [{event: order.completed}, {expect: {mail: hello, subject: Bye}}]"

    (one,) = play(tmp_path, {"it": steps}).values()

    assert one.problem is not None
    assert one.timelines is not None
    assert str(one.problem.place) == "tests/story.yaml:5:46"
    assert one.timelines["ana"][:3] == (
        "Mon 02 Mar 09:00  order.completed",
        "Mon 02 Mar 09:00  entered the segment buyers",
        "Mon 02 Mar 09:00  started welcome",
    )


def test_a_broken_workspace_is_not_tested(tmp_path):
    folder = write_workspace(tmp_path, {"it": "steps: [{expect: no mail}]"})
    (folder / "segments" / "buyers.yaml").write_text("segment: buyers\n")

    with pytest.raises(NotApplied, match="'match' is missing"):
        list(play_all(folder, {}, ()))


def test_a_name_that_no_test_has_is_not_found(tmp_path):
    folder = write_workspace(tmp_path, {"it": "steps: [{expect: no mail}]"})

    with pytest.raises(NotFound, match=r"no test is called 'storey'\. Did you mean 'story'"):
        list(play_all(folder, {}, ("storey",)))


def test_a_story_plays_in_the_world_it_names(tmp_path):
    story = "steps: [{event: order.completed}, {advance: 5 days}, {expect: %s}]"

    played = play(
        tmp_path,
        {
            "alone": "only: [call]\n" + story % "[{in: buyers}, no mail]",
            "all": story % "[{in: buyers}, {mail: hello}]",
            "none": "only: []\n" + story % "[{in: buyers}, no mail]",
            "one": "only: [welcome]\n" + story % "[{mail: hello}, {journey: welcome}]",
        },
    )

    assert [str(one.problem) for one in played.values() if one.problem] == []


def test_a_case_may_widen_the_world_of_its_file(tmp_path):
    steps = "steps: [{event: order.completed}, {expect: %s}]"
    folder = write_workspace(tmp_path, {"narrow": steps % "no mail", "wide": (
        "only: [welcome]\n" + steps % "{mail: hello}")})  # fmt: skip
    file = folder / "tests" / "story.yaml"
    file.write_text("only: [call]\n" + file.read_text())

    played = list(play_all(folder, {}, ()))

    assert [str(one.problem) for one in played if one.problem] == []
