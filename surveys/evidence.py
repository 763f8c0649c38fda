"""Was it a person? What the requests to one message's links say about each other.

Mail gateways fetch every link within seconds of delivery, some run a page's scripts; people follow
one link and take their time. Nothing here remembers: a verdict on a look is computed from all looks
known so far, so later ones may reverse it.

A form is judged by what it bears itself and by other forms, never by looks: a gateway fetches the
same links, and whoever has answered looks again to change their answer.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from store.records import Hit

AFTER_DELIVERY = timedelta(seconds=10)
AT_ONCE = timedelta(seconds=3)  # a person needs longer to come back to the mail for another link
ONE_MOMENT = timedelta(seconds=1)  # some gateways change their agent with every request
ONE_VISIT = timedelta(seconds=10)  # how long one agent's requests shed light on each other
READING = timedelta(seconds=1)  # nobody reads a page and presses its button in less
MOST_AT_ONCE = 2  # a person may open a second link in another tab, hardly a third

# Agents of mail gateways, previews and crawlers: public field reports, read 2026-03.
# Cubot is no bot: it makes telephones.
KNOWN_AGENTS = re.compile(
    r"barracuda|proofpoint|mimecast|safelinks|trendmicro|fireeye|symantec|sophos|ironport|"
    r"forcepoint|virustotal|urlscan|(?<!cu)bot\b|crawler|spider|preview|facebookexternalhit",
    re.IGNORECASE,
)
# Apple's mail proxy and several gateways say this, or nothing.
BARE_AGENT = re.compile(r"\s*(mozilla/\d\.\d)?\s*", re.IGNORECASE)
# What programs say that fetch pages and make no secret of it.
PROGRAMS = re.compile(
    r"\s*(python|curl|wget|java|go-http|okhttp|ruby|php|perl|libwww|node|axios|apache-http|aiohttp)",
    re.IGNORECASE,
)
HEADLESS = re.compile(r"headless", re.IGNORECASE)


class Sign(StrEnum):
    """Why a request does not look like a person's."""

    HEAD = "asked for the headers only"
    AFTER_DELIVERY = "seconds after delivery"
    AGENT = "an agent no person uses"
    PROBED = "asked for the headers first"
    DECOY = "followed a link no person can see"
    MANY_LINKS = "followed several links at once"
    MANY_SCORES = "tried several scores at once"
    TRAPPED = "filled in a field no person can see"
    UNSEEN = "sent the form without opening its page"
    HURRIED = "sent the form faster than anybody reads"


@dataclass(frozen=True)
class Verdict:
    """What speaks against a person's act; nothing does if it was one."""

    signs: tuple[Sign, ...] = ()

    @property
    def is_person(self) -> bool:
        return not self.signs


@dataclass(frozen=True)
class SentForm:
    """One form of a survey as it came, and the page that it was sent from."""

    hit: Hit
    page_made_at: datetime | None  # None: nobody has looked at the survey's page
    is_trapped: bool = False  # the field that people cannot see was filled in


def judge(hit: Hit, looks: Sequence[Hit], delivered_at: datetime | None) -> Verdict:
    """Weigh a look, `hit`, in the light of all looks at its message's links, itself among them.

    `delivered_at` is when the message was delivered or, not known yet, taken by the provider.
    """
    found = {
        Sign.HEAD: hit.method == "HEAD",
        Sign.AFTER_DELIVERY: _follows_delivery(hit, delivered_at),
        Sign.AGENT: _is_machine_agent(hit) or _is_program(hit),
        Sign.PROBED: any(_probes(other, hit) for other in looks),
        Sign.DECOY: any(other.link == "decoy" and _is_one_visit(hit, other) for other in looks),
        Sign.MANY_LINKS: len({_page(other) for other in _fetched_with(hit, looks)}) > MOST_AT_ONCE,
        Sign.MANY_SCORES: _tries_scores(hit, looks),
    }
    return _verdict(found)


def sheds_light(new: Hit, look: Hit, delivered_at: datetime | None) -> bool:
    """Whether `new`, or what is known of the delivery by now, may change what `look` is judged."""
    return _is_one_visit(new, look) or _follows_delivery(look, delivered_at)


def judge_form(form: SentForm, forms: Sequence[Hit]) -> Verdict:
    """Weigh a form by its own signs and by the other `forms` of its message.

    Gateways that press buttons pose as browsers: a program that says so, or that says nothing,
    means what it sends.
    """
    if form.is_trapped:
        return Verdict((Sign.TRAPPED,))
    if _is_open_program(form.hit):
        return Verdict()
    found = {
        Sign.AGENT: _is_machine_agent(form.hit),
        Sign.MANY_SCORES: bool(find_rivals(form, forms)),
        Sign.UNSEEN: form.page_made_at is None,
        Sign.HURRIED: _is_hurried(form),
    }
    return _verdict(found)


def find_rivals(form: SentForm, forms: Sequence[Hit]) -> list[Hit]:
    """Return the `forms` with another score that came with this one at once.

    Whoever opened the page anew after a form corrects what they said in it.
    """
    if _is_open_program(form.hit):
        return []
    return [
        other
        for other in forms
        if other.link != form.hit.link
        and not _is_open_program(other)
        and not _is_revision(form, other)
        and _apart(form.hit, other) < AT_ONCE
        and (other.agent == form.hit.agent or _apart(form.hit, other) <= ONE_MOMENT)
    ]


def _verdict(found: Mapping[Sign, bool]) -> Verdict:
    return Verdict(tuple(sign for sign, is_there in found.items() if is_there))


def _is_revision(form: SentForm, other: Hit) -> bool:
    return form.page_made_at is not None and form.page_made_at >= other.occurred_at


def _is_hurried(form: SentForm) -> bool:
    made_at, sent_at = form.page_made_at, form.hit.occurred_at
    return made_at is not None and timedelta(0) <= sent_at - made_at < READING


def _follows_delivery(hit: Hit, delivered_at: datetime | None) -> bool:
    return delivered_at is not None and hit.occurred_at < delivered_at + AFTER_DELIVERY


def _is_machine_agent(hit: Hit) -> bool:
    return bool(KNOWN_AGENTS.search(hit.agent) or BARE_AGENT.fullmatch(hit.agent))


def _is_program(hit: Hit) -> bool:
    return bool(PROGRAMS.match(hit.agent) or HEADLESS.search(hit.agent))


def _is_open_program(hit: Hit) -> bool:
    """True for an agent that says it is a program, or says nothing."""
    is_open = not hit.agent.strip() or PROGRAMS.match(hit.agent) is not None
    return is_open and not KNOWN_AGENTS.search(hit.agent)


def _probes(other: Hit, hit: Hit) -> bool:
    is_same = other.link == hit.link and other.agent == hit.agent
    is_before = (other.occurred_at, other.id) < (hit.occurred_at, hit.id)
    return other.method == "HEAD" and is_same and is_before and _is_one_visit(hit, other)


def _is_one_visit(one: Hit, other: Hit) -> bool:
    return _apart(one, other) <= (ONE_VISIT if one.agent == other.agent else ONE_MOMENT)


def _is_at_once(one: Hit, other: Hit) -> bool:
    return _apart(one, other) <= (AT_ONCE if one.agent == other.agent else ONE_MOMENT)


def _apart(one: Hit, other: Hit) -> timedelta:
    return abs(one.occurred_at - other.occurred_at)


def _fetched_with(hit: Hit, hits: Iterable[Hit]) -> list[Hit]:
    """Links fetched at once with `hit`; images do not count, they are loaded with the mail."""
    return [other for other in hits if _is_fetch(other) and _is_at_once(hit, other)]


def _is_fetch(hit: Hit) -> bool:
    return hit.link != "open"


def _page(hit: Hit) -> str:
    """What a link leads to: all the scores of a survey are one page."""
    return "survey" if hit.link.startswith("survey:") else hit.link


def _tries_scores(hit: Hit, hits: Iterable[Hit]) -> bool:
    """True if this visit followed two scores' links at once; the form may bear yet another."""
    tries = sorted(
        (other for other in hits if _is_score_fetch(other) and _is_one_visit(hit, other)),
        key=lambda other: other.occurred_at,
    )
    by_agent = sorted(tries, key=lambda other: other.agent)  # each one's in their order
    # two that came at once with another between them: it came at once with one of the other score
    return any(
        one.link != other.link and _is_at_once(one, other)
        for one, other in (*pairwise(tries), *pairwise(by_agent))
    )


def _is_score_fetch(hit: Hit) -> bool:
    """True for a score's link in the email; `survey:` alone is the page itself."""
    return hit.link.startswith("survey:") and hit.link != "survey:"
