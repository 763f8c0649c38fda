from rekindle.workspace.problems import (
    Place,
    Problem,
    did_you_mean,
    has_errors,
    in_order,
    unknown_name,
)


def test_a_problem_shows_place_hint_line_and_caret():
    place = Place("journeys/win_back.yaml", 14, 13, 12, "  - survey: churn_reason")

    assert str(unknown_name(place, "survey", "churn_reason", ["churn_reasons", "nps"])) == (
        "journeys/win_back.yaml:14:13: no survey is called 'churn_reason'. "
        "Did you mean 'churn_reasons'?\n"
        "  - survey: churn_reason\n"
        "            ^^^^^^^^^^^^"
    )


def test_the_caret_stands_right_behind_tabs():
    assert Place("f", 1, 3, 2, "\ta bc").marked() == "\ta bc\n\t ^^"


def test_nothing_near_gives_no_hint():
    assert did_you_mean("send", ["wait"]) == ""


def test_problems_are_told_once_and_in_the_order_of_the_files():
    later, sooner = Problem(Place("b", 1), "x"), Problem(Place("a", 9), "y")

    assert in_order([later, sooner, later]) == (sooner, later)


def test_a_warning_says_so_and_is_no_error():
    warning = Problem(Place("f"), "odd.", level="warning")

    assert str(warning) == "f:1:1: warning: odd."
    assert not has_errors([warning])


def test_a_problem_has_the_document_of_the_json_report():
    problem = Problem(Place("f", 2, 3), "wrong.", "Do right.")

    assert problem.as_document() == {
        "file": "f",
        "line": 2,
        "column": 3,
        "message": "wrong.",
        "hint": "Do right.",
    }
