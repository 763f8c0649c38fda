"""Whatever is wrong in a workspace is said at its place, in words, with what was probably meant."""

import sys

import pytest

from adapters import notifications
from rekindle.errors import NotFound
from rekindle.workspace.folder import read_folder

REGULARS = """\
segment: regulars
match: {event: order.completed, at_least: 2}
"""
JOURNEY = """\
journey: thanks
topic: offers
start: [{enters: regulars}]
"""
STEPS = "steps: [{send: thanks/mail}]\n"
MAIL = """\
{% extends "layouts/brand" %}
{% block subject %}Thank you{% endblock %}
{% block body %}<p>Thank you.</p>{% endblock %}
"""
SURVEY = "survey: csat\nkind: csat\n"
GOOD = {
    "rekindle.yaml": "people: {leads: ['log:']}\n",
    "segments/regulars.yaml": REGULARS,
    "journeys/thanks.yaml": JOURNEY + STEPS,
    "surveys/csat.yaml": SURVEY,
    "templates/thanks/mail.html.j2": MAIL,
}


@pytest.fixture
def told(write):
    """What `check` says of the good workspace with some files in other words."""

    def check(files, environment=None):
        folder = write({**GOOD, **files})
        _library, problems = read_folder(folder, environment or {})
        return [str(problem) for problem in problems]

    return check


def test_a_good_workspace_has_no_problems(told):
    assert told({}) == []


def test_a_folder_without_a_workspace_says_how_to_make_one(tmp_path):
    _library, [problem] = read_folder(tmp_path, {})

    assert problem.hint == "Make one with 'rekindle init DIR'."


def test_a_folder_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="there is no folder"):
        read_folder(tmp_path / "nowhere", {})


def test_a_repeated_key_hides_nothing_else_in_its_file(told):
    steps = "topic: offers\nsteps:\n  - sendd: thanks/mail\n  - wait: 1 month\n"

    found = [problem.split(": ")[0] for problem in told({"journeys/thanks.yaml": JOURNEY + steps})]

    assert found == [f"journeys/thanks.yaml:{place}" for place in ("4:1", "6:5", "7:11")]


def test_all_problems_of_all_files_are_told_at_once(told):
    found = told({
        "segments/regulars.yaml": "segment: regulars\nmatch: {drift: driftin}\n",
        "journeys/thanks.yaml": JOURNEY + "steps: [{send: thanks/mial}]\n",
        "surveys/csat.yaml": "survey: csat\nkind: cast\n",
    })  # fmt: skip

    assert [problem.split("\n")[0] for problem in found] == [
        "journeys/thanks.yaml:4:16: no template is called 'thanks/mial'. "
        "Did you mean 'thanks/mail'?",
        "segments/regulars.yaml:2:16: 'driftin' is not one of 'new', 'active', 'cooling', "
        "'drifting', 'dormant' or 'lost'. Did you mean 'drifting'?",
        "surveys/csat.yaml:2:7: 'cast' is not one of 'csat', 'nps' or 'ces'. Did you mean 'csat'?",
    ]


SEGMENTS = [
    ("evnt: a", "2:9: a condition needs one of the keys", "Did you mean 'event'?", "evnt"),
    ("event: a, trait: b", "2:8: a condition asks one thing; trait and event need an all: […].",
     "", "{event: a, trait: b}"),
    ("event: a, atleast: 2", "2:19: unknown key 'atleast'.", "Did you mean 'at_least'?", "atleast"),
    ("event: a, within: 30", "2:27: a duration needs a unit, as in '30 days'.", "", "30"),
    ("event: a, within: 1 month", "2:27: 'month' has no fixed length; write days", "", "1 month"),
    ("event: a, at_least: many", "2:29: this compares numbers, and 'many' is none.", "", "many"),
    ("event: a, where: {b: [1]}", "2:30: a list is not a value here; write {in: […]}.", "", "[1]"),
    ("event: a, sum_of: b", "2:19: sum_of needs a comparison", "", "sum_of"),
    ("trait: a", "2:8: at least one operator is needed", "", "{trait: a}"),
    ("not: []", "2:14: 'not' takes exactly one condition", "", "[]"),
    ("all: []", "2:14: this takes a list with at least one condition.", "", "[]"),
    ("segment: regular", "2:18: no segment is called 'regular'.", "", "regular"),
    ("answer: cast", "2:17: no survey is called 'cast'.", "Did you mean 'csat'?", "cast"),
    ("message: a/b", "2:18: no template is called 'a/b'.", "", "a/b"),
    ("event: Order Completed", "2:16: no event is ever called 'Order Completed'.",
     "Did you mean 'order.completed'?", "Order Completed"),
    ("event: [a, order_completed]", "2:20: no event is ever called 'order_completed'.",
     "Did you mean 'order.completed'?", "order_completed"),
    ("sequence: []", "2:19: a sequence is a list of steps such as", "", "[]"),
    ("sequence: [{event: a}, {event: Order Completed}]", "2:40: no event is ever called",
     "Did you mean 'order.completed'?", "Order Completed"),
    ("trend: {event: a}, over: 7 days, falls_by: half", "2:52: a percentage such as 50%", "",
     "half"),
    ("trait: a, at_least: 5, at_most: 2", "2:32: 'at_most' and 'at_least' leave no number", "",
     "at_most"),
    ("trait: a, is: 5, starts_with: b", "2:26: 'starts_with' and 'is' ask for values of", "",
     "starts_with"),
    ("event: a, between: [5, 2]", "2:28: nothing lies between 5 and 2", "", "[5, 2]"),
    ("event: a, at_least: 5, at_most: 2", "2:32: 'at_most' and 'at_least' leave no number", "",
     "at_most"),
    ("event: a, since: 2026-03-02, until: 2026-03-01", "2:38: 'until' lies before 'since'", "",
     "until"),
    ("answer: csat, at_least: 6", "2:33: 'csat' has scores from 1 to 5.", "", "6"),
    ("event: a, ever: true", "2:19: 'ever' does not go with 'event'.", "", "ever"),
    ("event: a, since: yesterday", "2:19: 'since: yesterday' names a step of a journey", "",
     "since"),
    ("event: a, until: 9999-12-31", "2:26: dates lie between the years 1000 and 8999.", "",
     "9999-12-31"),
    ("event: a, at_least: 9223372036854775808", "2:29: whole numbers go to", "",
     "9223372036854775808"),
    ('event: a, where: {b: {contains: "\\u0000"}}', "2:41: no text can be stored that holds", "",
     '"\\u0000"'),
    ("journey: win_bock", "2:18: no journey is called 'win_bock'.", "", "win_bock"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "said", "hint", "marked"), SEGMENTS)
def test_a_wrong_condition_is_marked(told, condition, said, hint, marked):
    [problem] = told({"segments/loyal.yaml": f"segment: loyal\nmatch: {{{condition}}}\n"})

    first, line, caret = problem.split("\n")
    assert first.startswith(f"segments/loyal.yaml:{said}")
    assert hint in first
    assert line[caret.index("^") : len(caret)] == marked


STEPS_GONE_WRONG = [
    ("sned: a", "5:3: no step is called 'sned'.", "Did you mean 'send'?", "sned"),
    ("hop: a", "5:3: no step is called 'hop'; it is one of send, survey, wait", "", "hop"),
    ("wait: 3", "5:9: a duration needs a unit, as in '3 days'.", "", "3"),
    ("wait: 3 days\n  betwen: 1", "6:3: unknown key 'betwen'.", "Did you mean 'between'?",
     "betwen"),
    ("wait: 1 day\n  on: [tuesday]", "6:8: 'tuesday' is not one of", "Did you mean 'tue'?",
     "tuesday"),
    ("wait: 1 day\n  between: 9-17", "6:12: hours read like '21:00-08:00'", "", "9-17"),
    ("notify: leads", "5:3: 'message' is missing here.", "", "notify"),
    ("notify: leads\n  mesage: x", "6:3: unknown key 'mesage'.", "Did you mean 'message'?",
     "mesage"),
    ("notify: leeds\n  message: x", "5:11: no group of people is called 'leeds'.",
     "Did you mean 'leads'?", "leeds"),
    ("survey: csat", "5:3: 'template' is missing here.", "", "survey"),
    ("start: nobody", "5:10: no journey is called 'nobody'.", "", "nobody"),
    ("send: a\n  survey: b", "5:3: a step has one kind, not both 'send' and 'survey'.", "", "send"),
    ("wait_until: 9", "5:15: this must be keys and values, not 9.", "", "9"),
    ("branch:\n  - when: {step: hello, outcome: sent}\n    steps: []",
     "6:18: no step of this journey is called 'hello'.", "", "hello"),
    ("branch:\n  - when: {event: a, since: welcome}\n    steps: []",
     "6:29: no step of this journey is called 'welcome'.", "", "welcome"),
    ("split:\n  - {name: A b, share: 50%}\n  - {name: c, share: 50%}",
     "6:12: 'A b' is not a name", "Did you mean 'a_b'?", "A b"),
    ("split:\n  - {name: a, share: 50%}\n  - {name: c, share: 40%}",
     "6:3: the shares of a split add up to 100%, not 90%.", "", None),
    ("wait_for: {event: a}", "5:3: 'up_to' is missing here.", "", "wait_for"),
    ("end: done\n- send: thanks/mail", "6:3: nobody ever gets here", "", "send: thanks/mail"),
    ("send: thanks/mail\n  id: one\n- send: thanks/mail\n  id: one",
     "8:7: two steps are called 'one'.", "Give one of them another 'id'.", "one"),
    ("wait: 1 day\n  between: 09:00-09:00\n- send: thanks/mail",
     "6:12: these hours never open.", "", "09:00-09:00"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "said", "hint", "marked"), STEPS_GONE_WRONG)
def test_a_wrong_step_is_marked(told, step, said, hint, marked):
    problems = told({"journeys/thanks.yaml": f"{JOURNEY}steps:\n- {step}\n"})

    [problem] = [one for one in problems if "unknown" in one or said in one]
    first, line, caret = problem.split("\n")
    assert first.startswith(f"journeys/thanks.yaml:{said}")
    assert hint in first
    assert marked is None or line[caret.index("^") : len(caret)] == marked


KEYS_GONE_WRONG = [
    ("stpes: []\n", "4:1: unknown key 'stpes'. Did you mean 'steps'?"),
    ("", "1:1: 'steps' is missing here."),
    (STEPS + "topic: offers\n", "5:1: 'topic' is written twice; the first one is on line 2."),
    (STEPS + "again: monthly\n", "5:8: 'again' is never, always, 'after exit'"),
    (STEPS + "holdout: 10\n", "5:10: a share is a percentage from 0% to 100%, not 10."),
    (STEPS + "holdout: none\n", "1:1: 'holdout: none' needs 'because:' with the reason"),
    (STEPS + "priority: high\n", "5:11: this must be a whole number, not 'high'."),
    (STEPS + "backfill: maybe\n", "5:11: this must be true or false, not 'maybe'."),
    (STEPS + "goal: {event: a}\n", "5:1: 'within' is missing here."),
    (STEPS + "goal: {event: a, within: 3 days, vlaue: b}\n", "5:34: unknown key 'vlaue'."),
    (STEPS + "exit: {leaves: regulars}\n", "5:7: this must be a list, not keys and values."),
    (STEPS + "exit:\n", "5:1: 'exit' has no value."),
    (STEPS + "exit: [{leaves: regular}]\n", "5:17: no segment is called 'regular'."),
    (STEPS + "per: ticket_id\n", "3:9: this start has no 'ticket_id', which 'per' needs"),
]


@pytest.mark.parametrize(("rest", "said"), KEYS_GONE_WRONG)
def test_a_wrong_key_of_a_journey_is_marked(told, rest, said):
    [problem] = told({"journeys/thanks.yaml": JOURNEY + rest})

    assert problem.startswith(f"journeys/thanks.yaml:{said}")


def test_a_wrong_start_is_marked(told):
    wrong = JOURNEY.replace("enters", "entrs")
    [problem] = told({"journeys/thanks.yaml": wrong + STEPS})

    assert problem.startswith("journeys/thanks.yaml:3:10: no start is called 'entrs'. Did you mean")


def test_an_unknown_topic_is_marked(told):
    wrong = JOURNEY.replace("offers", "ofers")
    [problem] = told({"journeys/thanks.yaml": wrong + STEPS})

    assert problem.startswith(
        "journeys/thanks.yaml:2:8: no topic is called 'ofers'. Did you mean 'offers'?"
    )


def test_segments_that_ask_for_each_other_are_told_once(told):
    [problem] = told({
        "segments/a.yaml": "segment: a\nmatch: {not: {segment: b}}\n",
        "segments/b.yaml": "segment: b\nmatch: {segment: a}\n",
    })  # fmt: skip

    assert problem.startswith("segments/a.yaml:2:24: segments run in a circle: a → b → a.")


def test_the_name_in_a_file_is_the_name_of_the_file(told):
    [problem] = told({"segments/loyal.yaml": REGULARS})

    assert problem.startswith("segments/loyal.yaml:1:10: the segment is called 'regulars' and its")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("segments/Big Spenders.yaml", "names of files have small letters, digits and '_' only. "
         "Did you mean 'big_spenders'?"),
        ("segments/big.yml", "nothing reads this file: names in segments/ end in .yaml."),
        ("segments/old/big.yaml", "nothing reads this file: segments/ has no folders inside."),
        ("templates/mail.txt", "nothing reads this file: names in templates/ end in .html.j2."),
        ("templates/mail.html", "nothing reads this file: names in templates/ end in .html.j2."),
        ("templates/Mail.html.j2", "a template is called like"),
        ("journys/thanks.yaml", "warning: nothing reads this folder. Did you mean 'journeys'?"),
    ],
)  # fmt: skip
def test_a_file_that_nothing_would_read_is_told(told, path, said):
    [problem] = told({path: "x"})

    assert said in problem


def test_an_empty_file_is_told(told):
    [problem] = told({"segments/loyal.yaml": "# to do\n"})

    assert problem.startswith("segments/loyal.yaml:1:1: this file is empty")


def test_a_file_that_is_not_utf_8_is_told(told, write):
    folder = write(GOOD)
    (folder / "segments" / "loyal.yaml").write_bytes(b"segment: caf\xe9\n")

    _library, [problem] = read_folder(folder, {})

    assert str(problem).startswith("segments/loyal.yaml:1:13: this byte (0xe9) is not UTF-8 text.")


def test_tables_with_uneven_lines_are_told(told):
    [problem] = told({"data/offers.csv": "name,price\nmug,8\nlamp\n"})

    assert problem == "data/offers.csv:3:1: this line has 1 cell and the header 2."


def test_two_tables_of_one_name_are_told(told):
    [problem] = told({"data/offers.csv": "name\n", "data/offers.yaml": "[]\n"})

    assert "templates read this as data.offers" in problem


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            "brand: {zone: Asia/Riyad}",
            "1:15: no time zone is called 'Asia/Riyad'. Did you mean 'Asia/Riyadh'?",
        ),
        ("provider: smpt", "1:11: no provider is called 'smpt'. Did you mean 'smtp'?"),
        ("smtp: {port: x}", "1:14: this must be a whole number, not 'x'."),
        ("smtp: {tls: start}", "1:13: 'start' is not one of 'none', 'starttls' or 'tls'."),
        ("caps: {all: 4}", "1:13: a cap reads like '4 per 7 days', not 4."),
        ("caps: {all: 4 per 0 days}", "1:13: '4 per 0 days' says so many in no time;"),
        ("brand: {language: klingon}", "1:19: no language is called 'klingon'"),
        ("caps: {ofers: 4 per 7 days}", "1:8: no topic is called 'ofers'. Did you mean 'offers'?"),
        ("quiet_hours: 21:00-21:00", "1:14: these quiet hours never open"),
        ("quiet_hours: 9pm", "1:14: hours read like '21:00-08:00', not '9pm'."),
        ("survey_rest: 30", "1:14: a duration needs a unit, as in '30 days'."),
        ("sender: {from: nobody}", "1:16: 'nobody' is not an address such as"),
        ("base_url: localhost", "1:11: 'localhost' is not a web address"),
        ("limits: {share: 20}", "1:17: a share is a percentage from 0% to 100%, not 20."),
        ("brnd: {}", "1:1: unknown key 'brnd'. Did you mean 'brand'?"),
        ("brand:", "1:1: 'brand' has no value."),
        ("people: {leads: ['mailto:']}", "1:18: 'mailto:' names no address."),
    ],
)
def test_a_wrong_setting_is_marked(told, settings, said):
    [problem] = told({"rekindle.yaml": settings + "\n"})

    assert problem.startswith(f"rekindle.yaml:{said}")


def test_what_wrong_settings_name_is_there_all_the_same(told):
    steps = "steps: [{notify: leads, message: Hello}, {send: thanks/mail}]\n"
    settings = "quiet_hours: 25:00-08:00\npeople: {leads: ['log:']}\ntopics: {cars: {}}\n"

    [problem] = told({
        "rekindle.yaml": settings,
        "journeys/thanks.yaml": JOURNEY.replace("offers", "cars") + steps,
    })  # fmt: skip

    assert problem.startswith("rekindle.yaml:1:14: a day goes from 00:00 to 24:00;")


def test_what_settings_name_that_nobody_can_read_is_not_said_to_be_missing(told):
    steps = "steps: [{notify: leads, message: Hello}, {send: thanks/mail}]\n"

    [problem] = told({
        "rekindle.yaml": "people: {leads: ['log:']\n",
        "journeys/thanks.yaml": JOURNEY.replace("offers", "cars") + steps,
    })  # fmt: skip

    assert problem.startswith("rekindle.yaml:1:")


def test_a_variable_that_is_not_set_is_a_warning(told):
    text = "smtp: {user: '${SMTP_USER}', password: '${SMTP_PASSWORD:-}'}\n"

    assert told({"rekindle.yaml": text}, {"SMTP_USER": "me"}) == []
    [problem] = told({"rekindle.yaml": text})
    assert problem.startswith(
        "rekindle.yaml:1:14: warning: ${SMTP_USER} is not set in the environment."
    )


def test_a_secret_in_the_open_is_a_warning_that_does_not_repeat_it(told):
    [problem] = told({"rekindle.yaml": "smtp:\n  password: ${SMTP_PASSWORD:-hunter2}\n"})

    assert problem.startswith("rekindle.yaml:2:13: warning: a secret is written here")


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("sjlack://token", "no notification service is called 'sjlack'. Did you mean 'slack'?"),
        ("slack://tokenA", "Apprise cannot make out from this slack: target whom to tell."),
        ("leads", "a target is 'log:', 'mailto:ADDRESS' or an address of Apprise."),
        ("mailto:leads", "'mailto:leads' names no address."),
        ("pigeon://${COOP}", "no notification service is called 'pigeon'."),
    ],
)
def test_a_target_that_nobody_can_be_told_by_is_told_at_its_line(told, target, problem):
    pytest.importorskip("apprise")
    environment = {"TARGET": target.replace("${COOP}", "loft"), "COOP": "loft"}

    found = [
        told({"rekindle.yaml": f"people:\n  leads:\n    - 'log:'\n    - {written}\n"}, environment)
        for written in (f"'{target}'", "${TARGET}")
    ]

    for problems in found:
        [line] = [one for one in problems if "warning" not in one]
        assert line.startswith(f"rekindle.yaml:4:7: {problem}")
        assert "token" not in line.split("\n")[0]


def test_a_target_whose_variable_is_not_set_is_told_only_by_its_variable(told):
    [problem] = told({"rekindle.yaml": "people: {leads: ['log:', 'slack://${SLACK_TOKEN}']}\n"})

    assert "${SLACK_TOKEN} is not set" in problem


def test_without_apprise_its_targets_are_a_warning(told, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setattr(notifications, "_load_apprise", notifications._load_apprise.__wrapped__)

    settings = "webhook: {allow: [localhost]}\npeople: {leads: ['json://localhost:9000/leads']}\n"
    [problem] = told({"rekindle.yaml": settings})

    assert "warning: this target needs the extra 'notify'" in problem


@pytest.mark.parametrize(
    ("target", "is_secret"),
    [
        ("json://127.0.0.1:9000/leads", False),
        ("JSON://localhost/leads", False),
        ("xml://[::1]:9000/leads", False),
        ("json://shop.example.com/leads", True),
        ("json://lea:word@127.0.0.1:9000/leads", True),
        ("json://127.0.0.1:9000/leads?+X-Token=abc", True),
        ("json://127.0.0.1.example.com/leads", True),
        ("slack://TokenA000/TokenB0000/abcdefghijklmnopqrstuvwx/", True),
    ],
)
def test_a_plain_target_on_this_machine_is_no_secret(told, target, is_secret):
    problems = told({"rekindle.yaml": f"people: {{leads: ['{target}']}}\n"})

    assert any("a secret is written here" in problem for problem in problems) == is_secret


@pytest.mark.parametrize(
    ("path", "place", "hint"),
    [
        ("sources/chatwoot.yaml", "sources", "rekindle.yaml, under 'sources'"),
        ("locales/fa.yaml", "locales", "lies beside it, as in 'gift.fa.html.j2'"),
        ("layouts/brand.html.j2", "layouts", "Did you mean 'templates/layouts'?"),
        ("Segments/big.yaml", "Segments", "Did you mean 'segments'?"),
        ("template/mail.html.j2", "template", "Did you mean 'templates'?"),
        ("campaigns/spring.yaml", "campaigns", ""),
        ("rekindle.yml", "rekindle.yml", "Did you mean 'rekindle.yaml'?"),
        ("thanks.yaml", "thanks.yaml", "Did you mean 'journeys/thanks.yaml'?"),
        ("gift.html.j2", "gift.html.j2", "Did you mean 'templates/gift.html.j2'?"),
        ("notes.yaml", "notes.yaml", ""),
        ("strategy.docx", "strategy.docx", ""),
    ],
)
def test_what_nothing_reads_is_a_warning(told, path, place, hint):
    text = "# thanks\njourney: thanks\n" if path == "thanks.yaml" else "a: 1\n"

    [problem] = told({path: text})

    noun = "file" if place == path else "folder"
    assert problem.startswith(f"{place}:1:1: warning: nothing reads this {noun}.")
    assert hint in problem
    assert ("Did you mean" in problem) == ("Did you mean" in hint)


HARMLESS = [
    ".git/config", ".github/workflows/ci.yml", ".env", ".gitignore", ".DS_Store", ".idea/a.xml",
    "README", "README.md", "LICENSE", "CHANGELOG.md", "notes.txt", "Makefile", "Dockerfile",
    "compose.yaml", "docker-compose.yml", "docs/guide.md", "images/logo.png", "logo.svg",
    "customers.csv", "events.jsonl.gz", "outbox/1.eml", "rekindle.db", "rekindle.db-wal",
    "~$plan.xlsx", "#thanks.yaml#", "Thumbs.db", "segments/README.md", "templates/thanks/logo.png",
    "templates/thanks/mail.html.j2~", "segments/.regulars.yaml.swp", "journeys/thanks.yaml.orig",
    "journeys/.gitkeep", "tests/README.md",
]  # fmt: skip


@pytest.mark.parametrize("path", HARMLESS)
def test_what_is_there_for_somebody_else_disturbs_nobody(told, path):
    assert told({path: "a"}) == []


def test_values_come_from_the_environment(write):
    folder = write({**GOOD, "rekindle.yaml": "smtp: {port: '${PORT:-25}'}\nbase_url: ${URL}\n"})

    library, problems = read_folder(folder, {"PORT": "2525", "URL": "https://a.example"})

    assert problems == ()
    assert (library.settings.smtp.port, library.settings.base_url) == (2525, "https://a.example")


WARNINGS = [
    ("goal: {event: a, within: 1 day}\nsteps: [{wait: 3 days}, {send: thanks/mail}]\n",
     "4:26: warning: the goal is watched for 1 day, but the last step may come after 3 days."),
    ("steps: [{send: thanks/mail}, {wait: 3 days}]\n", "4:37: warning: a dead end"),
    ("steps: [{wait_for: {answer: csat}, up_to: 1 day, came: [{send: thanks/mail}]}]\n",
     "4:29: warning: this journey never asks 'csat' in time, so this never holds."),
    ("steps: [{branch: [{when: {message: thanks/mail, opened: true}, steps: [end]}]}, "
     "{send: thanks/mail}]\n",
     "4:36: warning: this journey never sends 'thanks/mail' in time, so this never holds."),
    ("steps: [{send: thanks/mail, only_if: {step: later, outcome: sent}}, "
     "{send: thanks/mail, id: later}]\n",
     "4:45: warning: nobody has been at 'later' by now, so this never holds."),
    ("steps: [{send: thanks/mail}, {branch: [{when: {event: a}, steps: [{wait: 1 day}]}]}]\n",
     "4:74: warning: a dead end: after this wait nothing happens."),
    ("steps: [{send: thanks/mail}, {wait_until: mon}, {wait_for: {event: a}, up_to: 1 day}]\n",
     "4:43: warning: a dead end: after this wait nothing happens."),
    ("exit: [{event: a}]\nsteps: [{set: {a: 1}}, {notify: leads, message: Hello}]\n",
     "4:1: warning: these exits never act: everybody is through all steps in one instant."),
    ("steps: [{start: thanks}]\n", "4:17: warning: journeys run in a circle: thanks → thanks."),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "said"), WARNINGS)
def test_what_is_only_odd_is_a_warning(told, rest, said):
    [problem] = told({"journeys/thanks.yaml": JOURNEY + rest})

    assert problem.startswith(f"journeys/thanks.yaml:{said}")


@pytest.mark.parametrize("heard", ["order.echoed", "'order.*'", "[a.b, 'Order.E*']"])
def test_journeys_that_start_each_other_without_a_wait_are_refused(told, heard):
    start = f"topic: service\nstart: [{{event: {heard}}}]\nagain: always\n"

    [problem] = told({
        "journeys/echo.yaml": f"journey: echo\n{start}steps: [{{emit: order.echoed}}]\n",
    })  # fmt: skip

    assert problem.startswith(
        "journeys/echo.yaml:5:16: journeys start each other without end: echo → echo."
    )


def test_a_wait_that_opens_only_in_quiet_hours_is_a_warning(told):
    steps = "steps: [{wait: 1 day, between: 22:00-23:00}, {send: thanks/mail}]\n"
    found = told({
        "rekindle.yaml": "quiet_hours: 21:00-08:00\n",
        "journeys/thanks.yaml": JOURNEY + steps,
    })  # fmt: skip

    assert [one.split("\n")[0] for one in found] == [
        "journeys/thanks.yaml:4:32: warning: these hours lie within the quiet hours: "
        "mails behind them would be held."
    ]


def test_a_mail_that_asks_a_survey_counts_as_asking(told):
    asking = MAIL.replace("Thank you.<", "{{ survey('csat') }}<")
    steps = "steps: [{send: thanks/mail}, {wait_for: {answer: csat}, up_to: 1 day}]\n"

    found = told({"templates/thanks/mail.html.j2": asking, "journeys/thanks.yaml": JOURNEY + steps})

    assert [one for one in found if "never asks" in one] == []


MAILS = [
    ("{{ cutomer.name }}", "Did you mean 'customer'?", "cutomer"),
    ("{{ brand.nmae }}", "Did you mean 'name'?", "nmae"),
    ("{{ data.ofers }}", "", "ofers"),
    ("{{ customer.name | shout }}", "", "shout"),
    ("{{ survey('cast') }}", "", "cast"),
    ("{% for x in y %}", "", ""),
    ("{{ customer.name }", "", ""),
    ("<a href='/new'>new</a>", "", "/new"),
]


@pytest.mark.parametrize(("words", "hint", "marked"), MAILS)
def test_a_wrong_word_in_a_mail_is_marked(told, words, hint, marked):
    [problem] = told({"templates/thanks/mail.html.j2": MAIL.replace("<p>Thank you.", words)})

    first, line, caret = problem.split("\n")
    assert first.startswith("templates/thanks/mail.html.j2:3:")
    assert hint in first
    assert not marked or line[caret.index("^") : len(caret)] == marked


def test_a_wrong_word_in_a_notice_is_marked(told):
    steps = "steps: [{notify: leads, message: 'Call {{ custmer.name }}'}]\n"
    [problem] = told({"journeys/thanks.yaml": JOURNEY + steps})

    assert problem.startswith("journeys/thanks.yaml:4:34: ")
    assert "Did you mean 'customer'?" in problem


def test_a_marketing_mail_needs_a_way_to_unsubscribe(told):
    bare = "{% block subject %}Thank you{% endblock %}<p>Thank you.</p>"
    [problem] = told({"templates/thanks/mail.html.j2": bare})

    assert problem.startswith("templates/thanks/mail.html.j2:1:1: ")
    assert "unsubscribe_url" in problem


def test_a_mail_that_shows_what_no_way_to_it_has_set_is_a_warning(told):
    steps = "steps: [{send: thanks/mail}, {survey: csat, template: thanks/ask}]\n"
    [problem] = told({
        "templates/thanks/mail.html.j2": MAIL.replace("Thank you.<", "{{ answer.csat.score }}<"),
        "templates/thanks/ask.html.j2": MAIL.replace("Thank you.<", "{{ survey('csat') }}<"),
        "journeys/thanks.yaml": JOURNEY + steps,
    })  # fmt: skip

    said = "this shows the answer to 'csat', which nobody was asked by now."
    assert problem.startswith(f"journeys/thanks.yaml:4:16: warning: {said}")


def test_a_notice_that_shows_what_no_way_to_it_has_set_is_a_warning(told):
    steps = "steps: [{notify: leads, message: '{{ answer.csat.score }}'}]\n"
    [problem] = told({"journeys/thanks.yaml": JOURNEY + steps})

    assert problem.startswith("journeys/thanks.yaml:4:34: warning: this shows the answer to 'csat'")


def test_what_an_event_another_journey_or_an_answer_before_brings_may_be_shown(told):
    showing = MAIL.replace("Thank you.<", "{{ event.order_id }} {{ answer.csat.score }}<")
    asking = MAIL.replace("Thank you.<", "{{ survey('csat') }}<")
    steps = "steps: [{survey: csat, template: thanks/ask}, {send: thanks/mail}]\n"
    other = "journey: order\ntopic: offers\nstart: [{event: order.completed}]\n"

    assert told({
        "templates/thanks/mail.html.j2": showing,
        "templates/thanks/ask.html.j2": asking,
        "journeys/thanks.yaml": JOURNEY.replace("enters: regulars", "event: cart.left") + steps,
        "journeys/order.yaml": other + "steps: [{start: thanks}]\n",
    }) == []  # fmt: skip


def test_a_mail_that_needs_a_code_says_that_there_are_none_yet(told):
    [problem] = told({"templates/thanks/mail.html.j2": MAIL.replace("Thank you.<", "{{ code }}<")})

    assert problem.startswith("journeys/thanks.yaml:4:16: this mail needs a code")


def test_a_mail_in_one_foreign_language_alone_is_told(told):
    [problem] = told({"templates/thanks/card.fa.html.j2": MAIL})

    assert "this mail has no version for other readers: thanks/card.html.j2 is missing." in problem


def test_a_rule_that_asks_about_too_many_things_is_refused(told):
    asked = ", ".join(f"{{event: thing{n}.done}}" for n in range(41))
    wide = f"segment: wide\nmatch: {{any: [{asked}]}}\n"

    [problem] = told({"segments/wide.yaml": wide})

    assert problem.startswith("segments/wide.yaml:2:8: this rule asks about 41 different things")
    assert "Name several events in one condition" in problem
