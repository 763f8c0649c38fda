"""What mail systems write in reports that are plain words, as patterns.

Sources, read 2026-11: the templates of Exim, qmail, Postfix, sendmail, Courier, OpenSMTPD,
DragonFly, Exchange, Domino, Gmail, Yahoo, GMX, Zoho, Mail.ru, NetEase, au and others, as they
stand in the collections of messages that `docs/measured.md` names.
"""

import re

from adapters.inbound.addresses import ADDRESS


def _words(*alternatives: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """Any of the alternatives, whatever their case."""
    return re.compile("|".join(alternatives), re.IGNORECASE | flags)


def _starting(*alternatives: str) -> re.Pattern[str]:
    """Any of the alternatives at the beginning of a line."""
    return re.compile(rf"^(?:{'|'.join(alternatives)})", re.IGNORECASE | re.MULTILINE)


# who writes reports
DAEMON = _words(
    r"mailer[-_ ]?daemon",
    r"post[-_. ]?master",
    r"e?mail[-_. ]?delivery",
    r"\bmail (?:sub)?system\b",
    r"mail administrator",
    r"mail[-_. ]?dispatcher",
    r"mdaemon@",
)
# "failed", "cannot", "does not exist" in the languages of large providers' reports
FOREIGN = (
    r"失败|失敗|无法|無法|不存在|退信|エラー|できません|不能"
    r"|не удалось|не доставлен|невозможно|недоставлен"
)
# what the subject of a report begins with
SUBJECT = re.compile(
    r"^\W*(?:"
    + "|".join(
        (
            r"undeliver|non.?deliver|unzustellbar|non remis|non recapitab|mancato recapito",
            r"returned (?:e?-?mail|to sender)",
            r"(?:e?-?mail|message|delivery)[\w ,-]{0,30}(?:fail|error|problem|notif|status|rejected"
            r"|returned|could not be|not delivered|undeliver)",
            r"failure (?:delivery )?notice|failed mail|notification d.?(?:é|e)tat",
            r"there was an error sending|warning: (?:message|could not)|delayed",
            r"no se puede entregar|onbestelbaar|nie można dostarczyć|kohaletoimetamatu",
            r"olevererbar|kan ikke leveres|ulevert|toimittamaton",
            rf".{{0,30}}(?:{FOREIGN})",
        )
    )
    + ")",
    re.IGNORECASE,
)
# that something was not delivered
FAILED = _words(
    r"(?:could|can|did|was|were|has|have|been)[ n']{0,4}(?:not|n.t)? ?(?:be )?"
    r"(?:deliver|reach|sent)",
    r"undeliver|unable to (?:deliver|send)|delivery[\w ]{0,20}fail",
    r"permanent (?:error|fail)|fatal error|rejected|returned|failed|problem|mailbox",
    r"unknown (?:user|recipient|address)|user unknown|no valid recipient",
    r"not (?:deliver|accept|exist)",
    r"\b5\d\d[ -]|\b5\.\d\.\d{1,2}\b",
    FOREIGN,
)
# what is said of one recipient
REASON = _words(r"\b[45]\d\d\b|[45]\.\d\.\d|not |n't\b|invalid|unknown|error|fail|full", FOREIGN)
# that it is still being tried
DELAYED = _words(
    r"warning message only|do not need to resend|no action is required on your part",
    r"will be retried|still (?:being tried|trying)|will (?:keep|continue) (?:trying|to try)",
    r"delivery attempts will continue|has not yet been delivered|delivery delayed|\(delay\)",
    r"warning: (?:message|could not send)|could not send message for (?:past|the last)",
    r"delayed (?:mail|\d+ (?:hour|minute|day)s?)|delivery (?:status )?notification ?\(delay",
)
# where the returned mail begins in a report without parts
RETURNED = _starting(
    r"[-_=*> ]{0,80}(?:this is a copy|below this line|\S{0,20} ?the header"
    r"|original (?:message|text)|returned message|unsent message|message headers? follow"
    r"|(?:message )?body (?:of|suppressed)|content of the original"
    r"|start of (?:the )?(?:returned|original)|begin (?:of )?(?:original|message)"
    r"|your (?:original )?message (?:follows|reads))",
    r"[ \t]{0,8}below is a copy of the original",
    r"the (?:header|first \d+ lines) of (?:the|your) (?:original )?message",
    r"(?:received|return-path|dkim-signature|message-id|mime-version): ?",
)
# lines that quote fields of a mail and say nothing of a recipient
QUOTED_FIELD = _words(
    r"^\W*(?:from|sender|reply-to|message-?id|in-reply-to|references|return-path|received|by|cc|date"
    r"|subject|x-[\w-]+|reporting-mta|delivered-to|envelope-from|mail from|from address)\s?[:=]",
    r"\(envelope-from |mail from:",
)
# a line that begins with an address
LEADING = re.compile(
    rf"^(?:[ \t>*|\"'<(\[]{{0,20}}|[ \t]{{0,8}}>>> )({ADDRESS.pattern})"
    r"(?=[\s:<>,)\]\"';.]|$)",
    re.MULTILINE,
)
# what refuses like an absence but stands above a report (Amavis, filters)
REJECTED = re.compile(r"automatically rejected:(.{0,300})", re.DOTALL)
