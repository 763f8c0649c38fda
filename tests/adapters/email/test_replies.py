"""Whatever a server says, it comes to something sensible."""

import re
import time
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.email.replies import RULES, Reply, Stage, refusal, subject_of
from adapters.inbound import failures
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


def told(reply: str, stage: Stage, recipient: str, subject: str = "") -> tuple[object, ...]:
    """What `reply` comes to, without its words."""
    code, _, words = reply.partition(" ")
    error = refusal(Reply(int(code), (words,)), stage, recipient, "s", subject=subject)
    match error:
        case ProviderUnavailable():
            return "unavailable", error.fault, error.retry_after
        case ProviderRefused():
            return "refused", error.status, error.is_bounce, error.is_hard
        case _:
            return ("deferred",)


def words_of(*patterns: re.Pattern[str] | None) -> set[str]:
    """The words that patterns look for."""
    sources = " ".join(found.pattern for found in patterns if found is not None)
    return set(re.findall(r"[a-z]{3,}", re.sub(r"\\.", " ", sources)))


HOSTILE = sorted(
    words_of(*(rule.words for rule in RULES), failures.TEMPORARY, failures.UNKNOWN,
             failures.ABOUT_SENDER, failures.LISTED)
    | {"daily-limit", "rate-limit", "spf.dkim", "starttls", "greylist", "over-quota", "5.7.1",
       "too.many", "too-many-messages", "try.again", "ip-blocked", "mail-loop", "user", "mailbox"}
)  # fmt: skip
RECIPIENT_REFUSALS = [  # what servers say of a recipient, with the address where they repeat it
    ("550 5.1.1 <{to}>: User unknown", "rcpt"),
    ("550 <{to}> User unknown", "rcpt"),
    ("550 {to}... User unknown", "rcpt"),
    ("550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table", "rcpt"),
    ("550 5.1.1 The email account that you tried to reach does not exist. {to}", "rcpt"),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {to} not found by SMTP address lookup",
     "rcpt"),
    ("550 No such user - {to}", "rcpt"),
    ("550 No Such User Here ({local})", "rcpt"),
    ("550 User {local} unknown", "rcpt"),
    ("550 '{to}' is not a registered user at mx.{domain}", "rcpt"),
    ("550 sorry, no mailbox here by that name <{to}> (#5.1.1)", "rcpt"),
    ("550 mx1.{domain} said: unrouteable address {to}", "rcpt"),
    ("550 Requested action not taken: mailbox unavailable {to}", "rcpt"),
    ("551 5.1.6 <{to}> has moved", "rcpt"),
    ("552 5.2.2 <{to}>: Mailbox full", "rcpt"),
    ("452 4.2.2 {to}: over quota", "rcpt"),
    ("450 4.2.0 <{to}>: Recipient address rejected: Greylisted", "rcpt"),
    ("450 4.1.2 <{to}>: Recipient address rejected: Domain not found", "rcpt"),
    ("550 5.7.1 <{to}>: Recipient address rejected: policy", "rcpt"),
    ("550 5.4.1 Recipient address rejected: Access denied. {to} [mx.{domain}]", "rcpt"),
    ("550 5.1.1 <{to}>: User unknown", "content"),
    ("554 <{to}> refuses this", "content"),
    ("451 4.6.0 <{to}> not now", "content"),
]  # fmt: skip
words = st.sampled_from(HOSTILE)
locals_ = st.lists(words, min_size=1, max_size=3).map(".".join) | st.builds(
    "{} {}".format, words, words
).map('"{}"'.format)
domains = st.builds("{}.{}.{}".format, words, words, st.sampled_from(("com", "limit", "IO")))


@pytest.mark.parametrize(("template", "stage"), RECIPIENT_REFUSALS)
@given(locals_, domains)
@example("daily-limit", "contoso.com")
@example("ann", "throttle.io")
@example("hello", "blacklist.com")
@example("starttls", "x.com")
@example("x", "rate.limit-it.com")
@example("dkim", "x.org")
@example("unknown", "5.7.1.5.7.1.com")
def test_what_an_address_is_made_of_does_not_matter(template, stage, local, domain):
    def told_of(local: str, domain: str) -> tuple[object, ...]:
        to = f"{local}@{domain}"
        return told(template.format(to=to, local=local, domain=domain), stage, to)

    assert told_of(local, domain) == told_of("ann", "example.com")


@pytest.mark.parametrize(
    ("template", "stage", "fault"),
    [
        ("554 5.7.1 <{to}>: Relay access denied", "rcpt", "sender"),
        ("450 4.7.1 <{to}>: Transmit rate limit exceeded", "rcpt", "rate"),
        ("451 4.3.0 <{to}>: Temporary lookup failure", "rcpt", "server"),
        ("550 5.4.5 Daily sending limit exceeded {to}", "content", "quota"),
        ("550 5.7.1 blocked using zen.spamhaus.org, see {domain}", "content", "sender"),
        ("554 5.7.1 rejected, see https://www.spamhaus.org/query", "content", "sender"),
    ],
)
@given(locals_, domains)
@example("user.unknown", "mailbox.com")
def test_a_refusal_of_us_stays_so_whoever_is_written_to(template, stage, fault, local, domain):
    to = f"{local}@{domain}"

    assert told(template.format(to=to, domain=domain), stage, to)[:2] == ("unavailable", fault)


@pytest.mark.parametrize(
    ("reply", "stage"),
    [
        ("550 Invalid hostname in recipient", "rcpt"),
        ("452 4.2.1 too many messages in mailbox", "rcpt"),
        ("450 4.1.1 unverified address: too many errors", "rcpt"),
        ("554 5.6.0 Too many MIME parts", "content"),
        ("550 5.7.1 Message contains too many suspicious elements", "content"),
        ("550 5.7.1 [CS] Message blocked due to spam content", "content"),
    ],
)
def test_what_is_wrong_with_one_message_keeps_nobody_else(reply, stage):
    assert told(reply, stage, "ann@example.com")[0] != "unavailable"


def test_a_subject_that_is_repeated_says_nothing():
    reply = "554 rejected: Only 3 per hour, slow down!"

    assert told(reply, "content", "ann@example.com", "Only 3 per hour, slow down!")[0] == "refused"


@pytest.mark.parametrize(
    ("reply", "fault", "wait"),
    [
        ("550 exceeded 100 messages in 24 hours", "quota", None),
        ("550 5.4.5 Daily limit of 500 messages in 24 hours exceeded", "quota", None),
        ("421 4.7.0 too many messages (100) in 60 minutes", "rate", None),
        ("421 4.7.0 too many messages in 60 minutes, try again in 5 minutes", "rate", 300),
        ("450 4.7.1 rate limit exceeded, retry after 90 seconds", "rate", 90),
        ("450 4.7.1 rate limit exceeded. Please wait 2 hours", "rate", 7200),
        ("450 4.7.1 too fast: blocked for 10 minutes", "rate", 600),
    ],
)
def test_a_window_is_not_a_wait(reply, fault, wait):
    seconds = None if wait is None else timedelta(seconds=wait)

    assert told(reply, "content", "ann@example.com") == ("unavailable", fault, seconds)


@given(st.text(max_size=40), st.text(max_size=40))
@example("a\rb", "c\nInjected: line")
def test_what_a_server_says_is_told_on_one_line(first, second):
    error = refusal(Reply(550, (first, second)), "content", "ann@example.com", "s")

    assert not re.search(r"[\x00-\x1f\x7f]", str(error))
