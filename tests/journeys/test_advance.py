from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from journeys.advance import Outcome, QueueMessage, Said, StartJourney, Tell
from tests.journeys import strategies
from tests.journeys.builders import (
    DAY,
    HOUR,
    LAST_MAIL,
    MAIL,
    MINUTE,
    MONDAY,
    ORDER,
    a_graph,
    enrolled,
    look_at,
    said_by,
)

HELLO, LAST = "send:win_back/hello", "send:win_back/last"
WAIT = {"wait": "3 days"}
ASK = {"survey": "csat", "template": "surveys/csat"}
NOTICE = {"notify": "support_leads", "message": "Look at {{ customer.name }}!"}
ANSWER = {"wait_for": {"answer": "csat"}, "up_to": "3 days", "came": [MAIL], "otherwise": [NOTICE]}
CAME, NOT_CAME = f"wait_for.came.{HELLO}", "wait_for.otherwise.notify:support_leads"


def held_out(graph, at=None):
    return enrolled(graph, at, is_held_out=True)


# --- exits and goals, before any step -------------------------------------


def test_a_customer_who_buys_while_waiting_leaves_with_no_further_mail():
    graph = a_graph(WAIT, MAIL, goal={**ORDER, "within": "30 days"})

    decision = look_at(graph, enrolled(graph), MONDAY + 8 * DAY, true=("goal",))

    assert decision.enrollment.ended == "goal"
    assert decision.effects == ()
    assert decision.said == Said("wait", 1, "goal", "the goal was reached", MONDAY + 8 * DAY)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"leaves": "drifting_regulars"}, "left the segment drifting_regulars"),
        ({"enters": "at_risk"}, "entered the segment at_risk"),
        ({"event": "ticket.opened"}, "an exit of the journey came true"),
    ],
)
@pytest.mark.parametrize("step", [MAIL, ASK, WAIT, ANSWER, NOTICE, {"start": "nps"}, "end"])
def test_an_exit_is_taken_before_any_step(step, rule, reason):
    graph = a_graph(step, exit=[ORDER, rule])

    decision = look_at(graph, enrolled(graph), MONDAY + 9 * DAY, true=("exit 2",))

    assert decision.enrollment.ended == "exited"
    assert (said_by(decision).decision, said_by(decision).reason) == ("exited", reason)
    assert decision.effects == ()


def test_who_reaches_the_goal_by_what_is_also_an_exit_has_reached_the_goal():
    graph = a_graph(exit=[ORDER], goal={**ORDER, "within": "30 days"})

    decision = look_at(graph, enrolled(graph), true=("exit 1", "goal"))

    assert decision.enrollment.ended == "goal"


QUIET_WEEK = {"not": {"event": "ticket.opened"}, "within": "7 days"}


def test_a_goal_by_absence_is_not_reached_before_its_window_has_passed():
    graph = a_graph({"wait": "30 days"}, goal=QUIET_WEEK)

    decision = look_at(graph, enrolled(graph), MONDAY + 7 * DAY - MINUTE, true=("goal",))

    assert decision.enrollment.ended is None
    assert decision.look_again_at == MONDAY + 7 * DAY


def test_a_goal_by_absence_is_reached_the_instant_its_window_has_passed():
    graph = a_graph({"wait": "30 days"}, goal=QUIET_WEEK)

    decision = look_at(graph, enrolled(graph), MONDAY + 7 * DAY, true=("goal",))

    assert decision.enrollment.ended == "goal"


def test_a_goal_by_absence_is_missed_once_it_happened():
    graph = a_graph({"wait": "30 days"}, goal=QUIET_WEEK)

    decision = look_at(graph, enrolled(graph), MONDAY + 8 * DAY)

    assert decision.enrollment.ended is None
    assert decision.look_again_at == MONDAY + 30 * DAY


# --- send and survey ------------------------------------------------------


def test_a_send_queues_its_mail_and_stays():
    graph = a_graph(MAIL, WAIT)

    decision = look_at(graph, enrolled(graph))

    assert decision.effects == (QueueMessage("win_back/hello", "offers"),)
    assert decision.waits
    assert (decision.enrollment, decision.said) == (enrolled(graph), None)


def test_a_survey_queues_its_invitation():
    graph = a_graph(ASK, topic="service")

    decision = look_at(graph, enrolled(graph))

    assert decision.effects == (QueueMessage("surveys/csat", "service", "csat"),)


@pytest.mark.parametrize("status", ["queued", "held", "sending"])
@pytest.mark.parametrize("step", [MAIL, ASK])
def test_it_stays_while_the_mail_is_under_way(step, status):
    graph = a_graph(step, WAIT)

    decision = look_at(graph, enrolled(graph), MONDAY + DAY, mail=status)

    assert decision.waits
    assert decision.effects == ()
    assert decision.enrollment == enrolled(graph)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("sent", "sent"),
        ("delivered", "sent"),
        ("bounced", "sent"),
        ("complained", "sent"),
        ("refused", "refused"),
        ("uncertain", "uncertain"),
        ("cancelled", "cancelled"),
    ],
)
def test_it_goes_on_once_the_mail_has_left_or_never_will(status, said):
    graph = a_graph(MAIL, WAIT)

    decision = look_at(graph, enrolled(graph), mail=Outcome(status, "because"))

    assert decision.enrollment.step == "wait"
    assert (said_by(decision).decision, said_by(decision).reason) == (said, "because")
    assert decision.effects == ()


def test_the_wait_behind_a_mail_counts_from_when_the_provider_took_it():
    graph = a_graph(MAIL, WAIT)
    sent_at = MONDAY + 11 * HOUR

    decision = look_at(graph, enrolled(graph), MONDAY + DAY, mail=Outcome("sent", at=sent_at))

    assert decision.enrollment.arrived_at == said_by(decision).due_at == sent_at


def test_what_follows_a_mail_that_never_left_counts_from_when_we_learned_it():
    graph = a_graph(MAIL, WAIT)

    decision = look_at(graph, enrolled(graph), MONDAY + DAY, mail="refused")

    assert decision.enrollment.arrived_at == MONDAY + DAY


# --- wait -----------------------------------------------------------------


def test_a_wait_lasts_until_it_is_over():
    graph = a_graph(WAIT, MAIL)

    before = look_at(graph, enrolled(graph), MONDAY + 3 * DAY - MINUTE)
    after = look_at(graph, enrolled(graph), MONDAY + 3 * DAY)

    assert (before.waits, before.look_again_at) == (True, MONDAY + 3 * DAY)
    assert before.enrollment == enrolled(graph)
    assert after.enrollment == enrolled(graph, HELLO, arrived_at=MONDAY + 3 * DAY)
    assert after.said == Said("wait", 1, "waited", "", MONDAY + 3 * DAY)


def test_a_late_look_delays_nothing_that_follows():
    graph = a_graph(WAIT, WAIT, WAIT, MAIL)
    two_weeks_late = MONDAY + 23 * DAY

    one = look_at(graph, enrolled(graph), two_weeks_late).enrollment
    two = look_at(graph, one, two_weeks_late).enrollment
    three = look_at(graph, two, two_weeks_late).enrollment

    assert [e.arrived_at for e in (one, two, three)] == [MONDAY + n * DAY for n in (3, 6, 9)]
    assert three.step == HELLO


def test_a_wait_ends_in_the_hours_where_the_customer_lives():
    graph = a_graph({"wait": "1 hour", "between": "09:00-19:00", "on": ["tue"]}, MAIL)

    decision = look_at(graph, enrolled(graph), zone=ZoneInfo("America/New_York"))

    assert decision.look_again_at == MONDAY + DAY + 5 * HOUR


# --- wait_for -------------------------------------------------------------


def test_it_waits_for_what_may_come():
    graph = a_graph(ANSWER)

    decision = look_at(graph, enrolled(graph), MONDAY + 3 * DAY - MINUTE)

    assert (decision.waits, decision.look_again_at) == (True, MONDAY + 3 * DAY)


def test_what_came_is_taken_at_once():
    graph = a_graph(ANSWER)

    decision = look_at(graph, enrolled(graph), MONDAY + HOUR, true=("came",))

    assert decision.enrollment == enrolled(graph, CAME, arrived_at=MONDAY + HOUR)
    assert decision.said == Said("wait_for", 1, "came", "", MONDAY + HOUR)


@pytest.mark.parametrize("late", [0 * DAY, 2 * DAY])
def test_what_did_not_come_counts_from_the_end_of_the_wait_not_from_the_look(late):
    graph = a_graph(ANSWER)

    decision = look_at(graph, enrolled(graph), MONDAY + 3 * DAY + late)

    assert decision.enrollment == enrolled(graph, NOT_CAME, arrived_at=MONDAY + 3 * DAY)
    assert decision.said == Said("wait_for", 1, "did not come", "", MONDAY + 3 * DAY)


def test_what_came_in_time_has_come_even_where_the_look_is_late():
    graph = a_graph(ANSWER)

    decision = look_at(graph, enrolled(graph), MONDAY + 5 * DAY, true=("came",))

    assert decision.enrollment == enrolled(graph, CAME, arrived_at=MONDAY + 3 * DAY)


def test_nobody_waits_for_the_answer_to_an_invitation_that_never_left():
    graph = a_graph(ANSWER)

    decision = look_at(graph, enrolled(graph), refused_surveys={"csat": "no usable address"})

    assert decision.enrollment == enrolled(graph, NOT_CAME)
    reason = "the invitation to csat never left: no usable address"
    assert decision.said == Said("wait_for", 1, "did not come", reason, MONDAY)


def test_in_the_shadow_an_answer_is_waited_for_whatever_became_of_real_invitations():
    graph = a_graph(ANSWER, status="shadow")

    assert look_at(graph, enrolled(graph), refused_surveys={"csat": "moved to another step"}).waits


@pytest.mark.parametrize(
    "condition", [{"answer": "nps"}, {"answer": "csat", "ever": True}, {"event": "ticket.closed"}]
)
def test_a_refused_invitation_ends_no_wait_for_something_else(condition):
    graph = a_graph({**ANSWER, "wait_for": condition})

    decision = look_at(graph, enrolled(graph), refused_surveys={"csat": "no usable address"})

    assert decision.waits


# --- branch and split -----------------------------------------------------

BRANCH = {
    "branch": [
        {"when": ORDER, "steps": [MAIL]},
        {"when": {"event": "ticket.opened"}, "steps": [NOTICE]},
        {"otherwise": [LAST_MAIL]},
    ]
}


@pytest.mark.parametrize(
    ("true", "step", "said"),
    [
        (("when 1",), f"branch.1.{HELLO}", "took when 1"),
        (("when 2",), "branch.2.notify:support_leads", "took when 2"),
        (("when 1", "when 2"), f"branch.1.{HELLO}", "took when 1"),
        ((), f"branch.otherwise.{LAST}", "took otherwise"),
    ],
)
def test_the_first_arm_whose_condition_holds_is_taken(true, step, said):
    graph = a_graph(BRANCH)

    decision = look_at(graph, enrolled(graph), MONDAY + HOUR, true=true)

    assert decision.enrollment == enrolled(graph, step)
    assert decision.said == Said("branch", 1, said, "", MONDAY)


def test_where_no_arm_fits_and_there_is_no_otherwise_it_goes_on_behind_the_branch():
    graph = a_graph({"branch": BRANCH["branch"][:2]}, LAST_MAIL)

    decision = look_at(graph, enrolled(graph))

    assert decision.enrollment.step == LAST


def test_a_split_takes_the_customers_arm():
    graph = a_graph(strategies.a_split([MAIL], [LAST_MAIL]))
    steps = {"gift": f"split.gift.{HELLO}", "story": f"split.story.{LAST}"}

    taken = [look_at(graph, enrolled(graph, customer_id=id_)) for id_ in range(50)]

    assert {decision.enrollment.step for decision in taken} == {*steps.values()}
    for decision in taken:
        assert said_by(decision).reason == "by a stable hash"
        assert decision.enrollment.step == steps[said_by(decision).decision.removeprefix("took ")]


# --- what is done at once -------------------------------------------------


def test_our_people_are_told():
    graph = a_graph(NOTICE, MAIL)

    decision = look_at(graph, enrolled(graph), MONDAY + HOUR)

    assert decision.effects == (Tell("support_leads", "Look at {{ customer.name }}!"),)
    assert decision.enrollment == enrolled(graph, HELLO)
    assert decision.said == Said("notify:support_leads", 1, "notified", "support_leads", MONDAY)


def test_another_journey_is_started():
    graph = a_graph({"start": "service_recovery"}, MAIL)

    decision = look_at(graph, enrolled(graph))

    assert decision.effects == (StartJourney("service_recovery"),)
    assert decision.enrollment == enrolled(graph, HELLO)
    assert (said_by(decision).decision, said_by(decision).reason) == ("started", "service_recovery")


@pytest.mark.parametrize(("step", "word"), [("end", ""), ({"end": "enough"}, "enough")])
def test_an_end_finishes_the_enrollment_with_its_word(step, word):
    graph = a_graph(step)

    decision = look_at(graph, enrolled(graph))

    assert decision.enrollment.ended == "finished"
    assert decision.said == Said("end", 1, "ended", word, MONDAY)


def test_who_has_done_the_last_step_has_finished():
    graph = a_graph(MAIL)

    decision = look_at(graph, enrolled(graph), mail="sent")

    assert decision.enrollment.ended == "finished"
    assert said_by(decision).decision == "sent"


# --- only_if --------------------------------------------------------------


@pytest.mark.parametrize("step", [MAIL, ASK, NOTICE, {"start": "nps"}, BRANCH, {"end": "enough"}])
def test_a_step_whose_only_if_does_not_hold_is_skipped(step):
    graph = a_graph({**step, "only_if": {"segment": "regulars"}}, LAST_MAIL)

    decision = look_at(graph, enrolled(graph), MONDAY + HOUR)

    assert decision.enrollment == enrolled(graph, LAST)
    assert decision.effects == ()
    assert decision.said == Said(graph.first, 1, "skipped", "only_if does not hold", MONDAY)


def test_a_step_whose_only_if_holds_is_done():
    graph = a_graph({**MAIL, "only_if": {"segment": "regulars"}})

    decision = look_at(graph, enrolled(graph), true=("only_if",))

    assert decision.effects == (QueueMessage("win_back/hello", "offers"),)


def test_a_mail_that_left_before_its_only_if_changed_has_left():
    graph = a_graph({**MAIL, "only_if": {"segment": "regulars"}}, WAIT)

    decision = look_at(graph, enrolled(graph), mail="sent")

    assert (decision.enrollment.step, said_by(decision).decision) == ("wait", "sent")


@pytest.mark.parametrize("step", [WAIT, ANSWER])
def test_a_wait_whose_only_if_ceases_to_hold_is_cut_short(step):
    graph = a_graph({**step, "only_if": {"segment": "regulars"}}, LAST_MAIL)

    before = look_at(graph, enrolled(graph), MONDAY + HOUR, true=("only_if",))
    after = look_at(graph, enrolled(graph), MONDAY + DAY)

    assert before.waits
    assert after.enrollment == enrolled(graph, LAST, arrived_at=MONDAY + DAY)


# --- holdout --------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "would_have"),
    [
        (MAIL, "would have got win_back/hello"),
        (NOTICE, "would have notified support_leads"),
        ({"start": "service_recovery"}, "would have started service_recovery"),
    ],
)
def test_the_held_out_walk_on_without_effects_and_say_what_they_would_have_got(step, would_have):
    graph = a_graph(step, LAST_MAIL)

    decision = look_at(graph, held_out(graph), MONDAY + HOUR)

    assert decision.enrollment == held_out(graph, LAST)
    assert decision.effects == ()
    assert (said_by(decision).decision, said_by(decision).reason) == ("held_out", would_have)


def test_the_held_out_wait_and_branch_like_everybody():
    graph = a_graph(WAIT, BRANCH)

    waiting = look_at(graph, held_out(graph), MONDAY + DAY)
    branching = look_at(graph, held_out(graph, "branch"), true=("when 1",))

    assert waiting.look_again_at == MONDAY + 3 * DAY
    assert branching.enrollment.step == f"branch.1.{HELLO}"


def test_the_default_holdout_withholds_no_survey():
    graph = a_graph(ASK)

    decision = look_at(graph, held_out(graph))

    assert decision.effects == (QueueMessage("surveys/csat", "offers", "csat"),)


def test_a_holdout_that_the_file_names_withholds_surveys_too():
    graph = a_graph(ASK, LAST_MAIL, holdout="10%")

    decision = look_at(graph, held_out(graph))

    assert decision.effects == ()
    assert said_by(decision).reason == "would have got surveys/csat"


def test_the_held_out_would_not_have_got_what_only_if_forbids():
    graph = a_graph({**MAIL, "only_if": {"segment": "regulars"}}, LAST_MAIL)

    decision = look_at(graph, held_out(graph))

    assert said_by(decision).decision == "skipped"


# --- when to look again ---------------------------------------------------

EARLY, LATE = MONDAY + timedelta(hours=5), MONDAY + 50 * DAY


@pytest.mark.parametrize("earliest", ["exit 1", "exit 2", "goal", "came"])
def test_a_waiting_enrollment_is_looked_at_when_time_first_changes_any_answer(earliest):
    exits = [ORDER, {"leaves": "regulars"}]
    graph = a_graph(ANSWER, exit=exits, goal={**ORDER, "within": "9 days"})
    changes = {**dict.fromkeys(("exit 1", "exit 2", "goal", "came"), LATE), earliest: EARLY}

    decision = look_at(graph, enrolled(graph), changes=changes)

    assert decision.look_again_at == EARLY


def test_the_end_of_the_step_itself_may_be_the_earliest():
    graph = a_graph(WAIT, exit=[ORDER], goal=QUIET_WEEK)

    decision = look_at(graph, enrolled(graph), changes={"exit 1": LATE, "goal": LATE})

    assert decision.look_again_at == MONDAY + 3 * DAY


def test_instants_that_have_passed_call_for_no_look():
    graph = a_graph(WAIT, exit=[ORDER], goal=QUIET_WEEK)
    now = MONDAY + 2 * DAY

    decision = look_at(graph, enrolled(graph), now, changes={"exit 1": now, "goal": EARLY})

    assert decision.look_again_at == MONDAY + 3 * DAY


def test_while_a_mail_is_under_way_exits_and_goals_are_watched_all_the_same():
    graph = a_graph(MAIL, exit=[ORDER], goal=QUIET_WEEK)

    decision = look_at(graph, enrolled(graph), mail="held", changes={"exit 1": LATE})

    assert decision.look_again_at == MONDAY + 7 * DAY


def test_what_only_an_event_can_change_needs_no_look():
    graph = a_graph(MAIL, exit=[ORDER])

    assert look_at(graph, enrolled(graph), mail="queued").look_again_at is None


def test_a_second_visit_is_kept_as_such():
    graph = a_graph(WAIT, MAIL)
    again = enrolled(graph)._replace(visit=2)

    decision = look_at(graph, again, MONDAY + 3 * DAY)

    assert (said_by(decision).visit, decision.enrollment.visit) == (2, 2)
