"""What a mail server's refusal is about: us, the provider, the recipient or this one message.

Three digits alone do not tell: `550` is said of a dead mailbox, of a used-up daily quota and of a
blocked IP. One table reads stage, code, enhanced status (RFC 3463) and words together.

Sources, read 2026-11: RFC 5321 (codes, 4.2.2 and 4.2.3), RFC 3463 and IANA's registry of enhanced
status codes, RFC 4954 (AUTH), RFC 3207 (STARTTLS), RFC 6647 (greylisting); support.google.com/a/
answer/3726730 (Gmail); learn.microsoft.com, "Non-delivery reports in Exchange Online";
senders.yahooinc.com/smtp-error-codes; docs.aws.amazon.com/ses, "SMTP response codes" and "Errors
related to the sending quotas"; SendGrid's "SMTP errors and troubleshooting"; the texts of Postfix,
Exim, qmail and rspamd.
"""

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from re import IGNORECASE, Match, Pattern, escape
from re import compile as pattern
from typing import Literal, assert_never

from adapters.http import wait_of
from adapters.inbound.failures import STATUS, judge
from rekindle.errors import (
    ProviderDeferred,
    ProviderFault,
    ProviderRefused,
    ProviderUnavailable,
)

# where in the dialogue: greeting to AUTH, MAIL, RCPT, DATA, and the answer to the content
Stage = Literal["session", "mail", "rcpt", "data", "content"]
Subject = ProviderFault | Literal["recipient", "message", "try later"]

ADDRESS = pattern(r"[^\s<>\[\]()\"',;:=]+@[^\s<>\[\]()\"',;:=]+")
QUOTED_ADDRESS = pattern(r"<[^<>]{0,320}@[^<>]{0,320}>|\"[^\"]{1,64}\"@[^\s<>\"',;]{1,255}")
# `RESOLVER.ADR.RecipientNotFound` is no name: those end in capitals or in small letters only
NAME = pattern(
    r"(?<![\w.@-])[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}\.(?:[a-z]{2,24}|[A-Z]{2,24})(?![\w-]|\.\w)"
)
# of servers that list senders: their names say what the reply is about
LIST_NAME = pattern(
    r"spamhaus|spamcop|sorbs|barracudacentral|surbl|uribl|rbl|dnsbl|bl(o|a)ck-?list", IGNORECASE
)
CONTROLS = pattern(r"[\x00-\x1f\x7f]+")
THE_RECIPIENT = "x@x.example"  # what stands for it, whoever it is
LONGEST_TOLD = 300
SHORTEST_SUBJECT = 8  # characters; a shorter one may be the server's words
MOST_READ = 2_000  # characters of a reply; real ones have some hundred
MOST_LINES_READ = 20
# "100 messages in 60 minutes" asks for nothing
WAIT = pattern(
    r"(?:\b(?:(?:re)?try|resend|reconnect|come back)\b[\w ,:-]{0,40}?\b(?:in|after)"
    r"|\bwait(?: for)?|\b(?:block|lock|paus|suspend|delay)ed for)"
    r"\s+(?:about |at least )?(\d{1,5})\s*(s|m|h)(?:\b|ec|in|our)",
    IGNORECASE,
)
WAIT_BY_CLOCK = pattern(r"\bin (\d\d):(\d\d):(\d\d)\b")  # postgrey
SECONDS = {"s": 1, "m": 60, "h": 3600}


def without_addresses(words: str) -> str:
    """Return `words` of a provider as they may stand in logs and reports: on a single line."""
    plain = CONTROLS.sub(" ", words)
    return ADDRESS.sub("(address)", QUOTED_ADDRESS.sub("<(address)>", plain))


def own_words(said: str, recipient: str, subject: str = "") -> str:
    """Return what a server says itself, without what it repeats of the message.

    Addresses, domain names and subjects may be made of any words, `daily-limit@throttle.example`.
    """
    plain = CONTROLS.sub(" ", said)
    if len(subject) >= SHORTEST_SUBJECT:
        plain = _replace(subject, "(subject)", plain)
    local, _, domain = recipient.rpartition("@")
    if domain:
        plain = _replace(recipient, THE_RECIPIENT, plain)
        plain = pattern(rf"(?<![\w.@-])([\w.-]{{0,255}}\.)?{escape(domain)}(?![\w-]|\.\w)",
                        IGNORECASE).sub("(name)", plain)  # fmt: skip
        # a bare word is told from the server's only where it stands as a name does; `User unknown`
        # is said of anybody
        bare = rf"((?:user|account|recipient|mailbox|address)[ :=]+|[<'\"(\[]){escape(local)}"
        ends = r"(?=\s+unknown)" if local.casefold() == "unknown" else r"(?![\w.-])"
        plain = pattern(rf"{bare}{ends}", IGNORECASE).sub(r"\1(recipient)", plain)
    plain = QUOTED_ADDRESS.sub(_keep_recipient, plain)
    plain = ADDRESS.sub(_keep_recipient, plain)
    return NAME.sub(lambda found: found[0] if LIST_NAME.search(found[0]) else "(name)", plain)


def _replace(known: str, by: str, words: str) -> str:
    return pattern(escape(known), IGNORECASE).sub(by, words)


def _keep_recipient(found: Match[str]) -> str:
    return found[0] if found[0].strip("<>") == THE_RECIPIENT else "(address)"


@dataclass(frozen=True)
class Reply:
    """What a server said: three digits and its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def status(self) -> str:
        """Return the enhanced status, empty where there is none."""
        spoken = [found[0] for line in self.lines for found in STATUS.finditer(line)]
        leading = [status for status in spoken if self.lines[0].startswith(status)]
        return (leading or spoken[-1:] or [""])[0]

    @property
    def words(self) -> str:
        """Return what is said, as much of it as is worth reading."""
        return " ".join(self.lines)[:MOST_READ]

    def without_repeated(self, recipient: str, subject: str) -> "Reply":
        """Return the reply in the server's own words."""
        lines = (line[:MOST_READ] for line in self.lines[:MOST_LINES_READ])
        return Reply(self.code, tuple(own_words(line, recipient, subject) for line in lines))

    def __str__(self) -> str:
        """Return the reply without the addresses in it: it goes into logs and reports."""
        words = without_addresses(self.words)
        return f"{self.code} {words}".strip()[:LONGEST_TOLD]


@dataclass(frozen=True)
class Rule:
    """What a reply is about that fits everything which is given here."""

    about: Subject
    _: KW_ONLY
    words: Pattern[str] | None = None
    status: Pattern[str] | None = None  # of the last two numbers of the enhanced status
    codes: tuple[int, ...] = ()
    class_: int | None = None  # 4 or 5
    stages: tuple[Stage, ...] = ()

    def fits(self, reply: Reply, stage: Stage) -> bool:
        """Return whether `reply`, given at `stage`, has all that this rule asks for."""
        return (
            (not self.stages or stage in self.stages)
            and (not self.codes or reply.code in self.codes)
            and (self.class_ is None or reply.code // 100 == self.class_)
            and (self.status is None or bool(self.status.fullmatch(reply.status[2:])))
            and (self.words is None or bool(self.words.search(reply.words)))
        )


def _words(*alternatives: str) -> Pattern[str]:
    return pattern("|".join(alternatives), IGNORECASE)


def _status(*alternatives: str) -> Pattern[str]:
    return pattern("|".join(one.replace(".", r"\.") for one in alternatives))


BEFORE_RECIPIENT: tuple[Stage, ...] = ("session", "mail")
ABOUT_CONTENT: tuple[Stage, ...] = ("data", "content")

RELAYING = (
    r"relay(ing)?\b.{0,20}(den|not|prohib|refus|disallow)|no relaying|relaying mail to",
    r"open relay|insecure mail relay|as a relay|allowed rcpthost",
    r"(not|unable|allowed|configured|permitted) to relay",
)
OUR_ADDRESS = (
    r"sender\b.{0,30}(reject|den|block|not|unknown|invalid|verif)|invalid sender|from address",
    r"sender identit|(is|are) not verified|unauthenticated sender|send as\b|sender verif",
)

# The first rule that fits holds. What is said in so many words comes before the enhanced status,
# that before the code, and the stage is asked last.
RULES = (
    # -- the recipient, where it was just named: whatever else is said is said of it
    Rule("sender", words=_words(*RELAYING, *OUR_ADDRESS), stages=("rcpt",)),
    Rule("recipient", status=_status("1.([1-6]|10)", "2.[0-4]"), stages=("rcpt",)),
    Rule("recipient", words=_words(
        r"no such (user|mailbox|recipient)|unknown (user|mailbox|recipient)(?!s)",
        r"(user|mailbox|recipient|addressee)( \S+)? (is |was )?(unknown|not found"
        r"|does(n't| not) exist)",
        r"(?<!many )invalid (user|mailbox|recipient)|invalid [\w ]{1,30} in recipient",
    ), stages=("rcpt",)),
    # -- the message or its recipient, in words that further down would mean something else
    Rule("message", words=_words(
        r"(message|mail|content|data|header|line)s?[ -](size|length)", r"too (big|large|long)\b",
        r"max\w* (message )?size", r"exceeds? (the |a |our )?(max\w*|fixed|allowed|size)\b",
        r"banned content|line limit",
    )),
    Rule("message", status=_status("3.4", "2.3")),
    Rule("message", status=_status("6.\\d+"), stages=ABOUT_CONTENT),
    Rule("message", words=_words(
        r"too many (\w+ )?(attach|links|urls|mime|parts|headers|images|lines|suspicious)",
        r"(message|mail)\b.{0,40}(block|reject)ed.{0,30}(spam content|content|virus|malware)",
    ), stages=ABOUT_CONTENT),
    Rule("recipient", words=_words(
        r"too many (hops|received)|mail(er)? loop|loop detected",
        r"you are trying to (contact|reach)|recipient thread limit|you tried to reach",
        r"(user|recipient) (is receiving|has exceeded)|to this recipient",
        r"recipient address rejected|mailbox has been blocked",
        r"mailbox (is |has )?(over|full)",
        r"(mailbox|inbox|storage)[\w ]{0,20}(quota|full|exceed|alloc)",
        r"user has too many messages|too much mail data",
        r"over ?quota|(user|recipient)('s)? [\w ]{0,20}(is )?(full|over)\b",
    )),
    Rule("quota", words=_words("submissionquota|submission quota")),
    Rule("recipient", status=_status("2.2", "2.12[12]")),
    Rule("message", words=_words(
        r"(url|uri|link|hyperlink)s?\b.{0,40}(list|block|reput)|listed (url|uri|link)",
        r"domain present in|surbl|uribl|too much spam",
    ), stages=ABOUT_CONTENT),
    Rule("try later", words=_words(r"gr[ae]y-?\s?list")),
    # -- how much we send
    Rule("quota", words=_words(
        r"(daily|monthly|per[- ](day|month)|24[- ]?hours?)\b.{0,60}(limit|quota|exceed|allowance)",
        r"(limit|quota|allowance)\b.{0,40}(for (the|this) (day|month)|daily|monthly|to-?day)",
        r"exceed.{0,60}\b(24[- ]?hours?|days?|months?)\b",
    )),
    Rule("rate", words=_words(
        r"concurren|simultaneous|too (much|fast|quick|frequent)|frequency|excessive|mail flood",
        r"too many (?!hops|received|attach|links|urls)|max\w* messages? per connection",
        r"(rate|speed)\b.{0,40}(exceed|limit|reach|high)",
        r"(rate|connection|session|volume)s?[- ]limit",
        r"exceed.{0,40}\brate\b|unusual rate|unexpected volume|throttl|slow(ing)? down",
        r"(per|an|each|this|last) (second|minute|hour)\b|hourly|peak smtp relay limit",
        r"(connections?|sessions?) (has |have )?exceed|server (is )?busy",
    )),
    Rule("quota", words=_words(
        r"maximum credits|(out of|insufficient|no more|not enough) credits?|credit limit",
        r"(sending|send|relay|messag\w+|plan|tenant|outbound|outgoing|queue)s?"
        r"\b[\w ]{0,30}(limit|quota|threshold)\w*\b|(e?mail|account) (sending )?limit",
        r"limit on the number|exceeded (your|its|the) [\w ]{0,40}(limit|quota)",
    )),
    Rule("quota", words=_words(
        r"(limit|quota) (is |has been |was |have been )?(exceeded|reached)|exceeding \w+ quota",
    ), stages=(*BEFORE_RECIPIENT, *ABOUT_CONTENT)),
    Rule("rate", status=_status("7.28", "7.508")),
    Rule("quota", status=_status("1.90", "7.23[23]", "7.705")),
    # -- who we are
    Rule("tls", words=_words(
        r"starttls|(must|requires?|need\w*) .{0,20}(tls|ssl|encrypt)",
        r"(tls|encryption) (is )?(required|needed)",
    )),
    Rule("tls", status=_status("7.1[01]")),
    Rule("sender", status=_status(
        "1.[78]", "2.252", "7.2[0-7]", "7.(29|30|31|32|40)", "7.6[04]", "7.367",
    )),
    Rule("sender", status=_status("7.5(0[1-9]|1[0-5])", "7.6[0-4]\\d", "7.7(08|50)"), class_=5),
    Rule("credentials", status=_status("7.(3|8|13|14|57|139)")),
    Rule("credentials", status=_status("7.9"), stages=("session",)),
    Rule("server", words=_words("temporar"), codes=(454,), stages=("session",)),
    Rule("credentials", codes=(530, 534, 535, 538)),
    Rule("sender", words=_words(
        *RELAYING,
        *OUR_ADDRESS,
        # our domain
        r"\bspf\b|sender policy framework|\bdkim\b|\bdmarc\b|reputation",
        # our machine
        r"client host|\bhelo\b|\behlo\b|your (host|ip)\b|bad (sender )?ip\b|dynamic ip|open proxy",
        r"reverse dns|\bptr\b|hostname|name lookup failed|nameserver|(not|are) allowed to connect",
        r"\b(ip|host|server|network|client) (address )?.{0,60}(block|denied|listed)|\bips? blocked",
        r"block ?list|black ?list|deny ?list|\brbl\b|dnsbl|spamhaus|banned|\bip[- ]based",
        r"blocked (using|due|by (?!spam|policy|our filter|the recipient|content))",
        # our account
        r"sending (is |has been )?(suspended|paused|disabled|denied)|mail sending denied",
        r"subscribed to ses",
    )),
    Rule("credentials", words=_words(
        r"authenticat\w* (credentials )?(is )?(required|needed|fail|unsuccessful|invalid|first)",
        r"not authenticated|requires authentication",
        r"not authori[sz]ed to perform|(log|sign) ?in first",
        r"bad username|invalid (login|credential)",
    )),
    # -- an address that is no good (judge() says how bad)
    Rule("recipient", status=_status("1.([1-6]|10)", "2.[0-4]", "4.[136]", "7.703", "7.13\\d")),
    Rule("recipient", words=_words(
        r"no such (user|mailbox|recipient|address)|unknown (user|mailbox|recipient|address)",
        r"(user|mailbox|recipient|addressee|address|account) (is |was )?(unknown|unavailable"
        r"|inactive|disabled|not found|no longer|does(n't| not)|cannot be|is not|rejected|refused)",
        r"invalid (user|mailbox|recipient)",
        r"mailbox\b.{0,60}(disabled|blocked|unavailable|not found)",
        r"doesn't have an? \S+ account|no longer valid|recipient (is )?(rejected|blocked|refuses)",
    )),
    Rule("sender", words=_words(
        r"account.{0,30}(suspend|disabl|lock|block|terminat|review)|suspended",
        r"not (accepted|permitted|allowed) to send",
    ), stages=(*BEFORE_RECIPIENT, *ABOUT_CONTENT)),
    # -- the server itself
    Rule("server", words=_words(
        r"service (is )?(currently |temporarily )?(un|not )available|server (is )?(error|down)",
        r"(local|internal|system|server|lookup|configuration|temporary service)\w*( \w+)? "
        r"(problem|error|failure)|shutting down|maintenance|system full",
        r"resources? .{0,20}(un|not )?available",
    ), class_=4),
    Rule("server", status=_status("3.[0125]"), class_=4),
    Rule("server", status=_status("3.[25]"), class_=5),
    Rule("server", codes=(421, 432, 500, 502, 503, 504)),
    Rule("rate", status=_status("5.3"), class_=4),
    # rspamd's greylisting says no more than this
    Rule("try later", words=_words("try (again )?later"), status=_status("7.1"), class_=4),
    Rule("rate", status=_status("7.\\d+"), class_=4),
    Rule("server", stages=("session",)),
    Rule("server", class_=4, stages=("mail",)),
    Rule("sender", stages=("mail",)),
    Rule("recipient", stages=("rcpt",)),
)  # fmt: skip
DEFAULT: Subject = "message"


def subject_of(reply: Reply, stage: Stage) -> Subject:
    """Return what a refusal is about; `reply` repeats nothing of the message."""
    about = next((rule.about for rule in RULES if rule.fits(reply, stage)), DEFAULT)
    if stage == "session" and about in ("recipient", "message", "try later"):
        return "server"  # nobody has spoken of a message yet
    return about


def refusal(
    reply: Reply, stage: Stage, recipient: str, server: str, *, subject: str = ""
) -> ProviderUnavailable | ProviderDeferred | ProviderRefused:
    """Return the error that says what `reply` of `server` means.

    `recipient` and `subject` are those of the message, which a server may repeat.
    """
    said = f"{server} said {reply}."
    own = reply.without_repeated(recipient, subject)
    about = subject_of(own, stage)
    match about:
        case "try later":
            return ProviderDeferred(said)
        case "recipient" | "message" if own.code < 500:
            return ProviderDeferred(said)
        case "message":
            return ProviderRefused(said, status=own.status)
        case "recipient":
            # without a status these codes are about the address (RFC 5321 4.2.2), and the words
            # decide
            status = own.status or ("5.1.0" if own.code in (550, 551, 553) else "5.0.0")
            is_hard = judge(THE_RECIPIENT, status, own.words).is_hard
            return ProviderRefused(said, status=own.status, is_bounce=True, is_hard=is_hard)
        case "connection" | "tls" | "credentials" | "rate" | "quota" | "sender" | "server":
            return ProviderUnavailable(said, fault=about, retry_after=_wait(own.words))
        case _:
            assert_never(about)


def _wait(words: str) -> timedelta | None:
    """Return how long a server's `words` ask us to wait."""
    if by_clock := WAIT_BY_CLOCK.search(words):
        hours, minutes, seconds = (int(number) for number in by_clock.groups())
        return wait_of(hours * 3600 + minutes * 60 + seconds)
    if found := WAIT.search(words):
        return wait_of(int(found[1]) * SECONDS[found[2].lower()])
    return None
