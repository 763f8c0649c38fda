"""Whatever a server says, it comes to something sensible."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.email.replies import RULES, Reply, Stage, refusal, subject_of
from rekindle.errors import ProviderDeferred, ProviderRefused, ProviderUnavailable

STAGES: tuple[Stage, ...] = ("session", "mail", "rcpt", "data", "content")
WORDS = [
    "", "user unknown", "relay access denied", "daily limit exceeded", "too many connections",
    "greylisted", "mailbox full", "DMARC policy", "spam", "try again later", "message too large",
    "authentication required", "service unavailable", "5.1.1", "ana@example.com", "\u202e\x00",
]  # fmt: skip
codes = st.integers(400, 599)
statuses = st.builds(
    "{}.{}.{}".format, st.sampled_from("245"), st.integers(0, 9), st.integers(0, 60)
)
texts = st.lists(st.sampled_from(WORDS) | statuses | st.text(max_size=20), max_size=5)


@given(codes, st.sampled_from(STAGES), st.lists(texts.map(" ".join), max_size=3).map(tuple))
def test_every_reply_means_something_that_fits_its_stage_and_class(code, stage, lines):
    error = refusal(Reply(code, lines), stage, "ana@example.com", "mail.example.com:25")

    match error:
        case ProviderUnavailable():
            assert error.fault
        case ProviderDeferred():
            assert stage != "session"
        case ProviderRefused():
            assert code >= 500
            assert stage != "session"
            assert error.is_bounce or not error.is_hard
    assert "ana@example.com" not in str(error)


@given(st.sampled_from(STAGES[2:]), st.integers(550, 554))
def test_an_unknown_mailbox_is_a_hard_bounce_wherever_it_is_told(stage, code):
    error = refusal(
        Reply(code, ("5.1.1 <ana@example.com> unknown",)), stage, "ana@example.com", "s"
    )

    assert isinstance(error, ProviderRefused)
    assert (error.is_bounce, error.is_hard, error.status) == (True, True, "5.1.1")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("5.7.1 [10.2.2.1] no",), "5.7.1"),
        (("sorry, no mailbox here (#5.1.1)",), "5.1.1"),
        (("5.2.2 full", "5.2.2 see http://example.com/5.9.9"), "5.2.2"),
        (("blocked 5.188.10.2",), ""),
        ((), ""),
    ],
)
def test_the_enhanced_status_is_found_where_servers_write_it(lines, status):
    assert Reply(550, lines).status == status


@pytest.mark.parametrize(
    ("words", "at_rcpt", "at_content"),
    [
        ("we do no relaying for you", "sender", "sender"),
        ("not allowed to relay through here", "sender", "sender"),
        ("bad reputation of the domain", "sender", "sender"),
        ("IP listed in a blocklist", "sender", "sender"),
        ("a listed URL is in the text", "recipient", "message"),
        ("too much spam", "rate", "message"),
        ("blocked by the recipient", "recipient", "message"),
        ("quota reached", "recipient", "quota"),
        ("the account limit is reached", "quota", "quota"),
        ("user has too many messages", "recipient", "recipient"),
        ("account is suspended", "recipient", "sender"),
        ("too many hops", "recipient", "recipient"),
        ("too many invalid recipients", "rate", "rate"),
        ("go away", "recipient", "message"),
    ],
)
def test_words_without_a_status_decide_by_the_stage(words, at_rcpt, at_content):
    reply = Reply(550, (words,))

    assert (subject_of(reply, "rcpt"), subject_of(reply, "content")) == (at_rcpt, at_content)


def test_a_server_that_talks_at_length_costs_no_time():
    words = ("sending messages exceed user mailbox sender rate " * 40,) * 100
    started = time.process_time()

    for stage in STAGES:
        refusal(Reply(554, words), stage, "ana@example.com", "s")

    assert time.process_time() - started < 1


def test_no_rule_is_shadowed_by_the_one_before():
    """A rule that says the same as one above it, or less, could never hold."""
    seen = [(rule.words, rule.status, rule.codes, rule.class_, rule.stages) for rule in RULES]

    assert len(set(seen)) == len(seen)
