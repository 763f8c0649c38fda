"""A request to a signed link: kept as evidence, judged, and judged again when more is known.

All of it happens in one transaction: a look and whatever it changes about the opens and clicks of
its message, or a form and whatever it changes about earlier answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from store import answers as answers_store
from store import hits as hits_store
from store.answers import Invited, find_invited, load_answers, lock_message
from store.events import note_changes
from store.hits import (
    Act,
    delivered_at,
    first_view_at,
    has_room,
    has_room_for_form,
    load_acts,
    load_forms,
    load_hits,
    save_act,
    save_hit,
)
from store.intake import OwnEvent, record_own_events
from store.records import Actor, Answer, Hit, MessageId
from surveys.evidence import SentForm, Verdict, find_rivals, judge, judge_form, sheds_light

Verdicts = Mapping[int, Verdict]  # by the hit's id


@dataclass(frozen=True)
class Visitor:
    """Who asks, as far as a request tells."""

    method: str
    agent: str


@dataclass(frozen=True)
class Sender:
    """Who sends a form, as far as the form tells."""

    agent: str
    page_made_at: datetime | None = None  # when the page was made that bore it; None: not known
    is_trapped: bool = False  # the field that people cannot see was filled in


@dataclass(frozen=True)
class Visit:
    """One judged request, and the message it belongs to."""

    hit: Hit
    verdict: Verdict
    invited: Invited


def record_visit(
    tx: Connection, message_id: MessageId, link: str, visitor: Visitor, now: datetime
) -> Visit | None:
    """Keep one look and judge it; None where the message is no longer known, or was looked at too
    often.

    Looks that this one sheds light on are judged again: a gateway may betray itself by its second.
    """
    lock_message(tx, message_id)
    invited = find_invited(tx, message_id)
    if invited is None or not has_room(tx, message_id, link, now):
        return None
    hit = save_hit(tx, message_id, link, visitor.method, visitor.agent, now)
    hits = load_hits(tx, message_id)
    arrived_at = delivered_at(tx, message_id)
    verdicts = {
        other.id: judge(other, hits, arrived_at)
        for other in hits
        if sheds_light(hit, other, arrived_at)
    }
    record_own_events(tx, _review_acts(tx, invited, hits, verdicts, now), now)
    return Visit(hit, verdicts[hit.id], invited)


def record_form(
    tx: Connection, message_id: MessageId, score: int, sender: Sender, now: datetime
) -> Visit | None:
    """Keep one sent form and judge it; None where the message is no longer known, or bore too many.

    Answers that an earlier form gave stop to count where this one shows that a machine tried
    several scores; nothing else takes a person's answer back.
    """
    lock_message(tx, message_id)
    invited = find_invited(tx, message_id)
    if invited is None or not has_room_for_form(tx, message_id):
        return None
    hit = save_hit(tx, message_id, f"survey:{score}", "POST", sender.agent, now)
    forms = load_forms(tx, message_id)
    form = SentForm(hit, sender.page_made_at or first_view_at(tx, message_id), sender.is_trapped)
    _take_back(tx, invited, find_rivals(form, forms), now)
    return Visit(hit, judge_form(form, forms), invited)


def record_act(tx: Connection, visit: Visit, kind: str, now: datetime, **details: Any) -> None:
    """An `opened` or `clicked`: told to the message's history, and an event if a person did it."""
    act = Act(visit.hit.id, kind, is_machine=not visit.verdict.is_person)
    save_act(tx, act, visit.hit, now, {**details, "signs": list(visit.verdict.signs)})
    if visit.verdict.is_person:
        record_own_events(tx, [_act_event(visit.invited, visit.hit, kind, details)], now)


def answer_event(name: str, invited: Invited, answer: Answer) -> OwnEvent:
    """What tells of an answer: `survey.answered` or `survey.revised`."""
    return OwnEvent(
        customer_id=answer.customer_id,
        name=name,
        occurred_at=answer.answered_at,
        message_id=f"survey:{answer.message_id}:{answer.survey}:{answer.revision}",
        properties={
            **invited.ties,
            "survey": answer.survey,
            "score": answer.score,
            "comment": answer.comment,
            "message": answer.message_id,
            "template": invited.template,
            "key": answer.key,
            **({"solved": answer.solved} if answer.solved else {}),
        },
        actor=Actor.CUSTOMER,
    )


def _act_event(
    invited: Invited, hit: Hit, kind: str, details: Mapping[str, Any] | None = None
) -> OwnEvent:
    return OwnEvent(
        customer_id=invited.customer_id,
        name=f"message.{kind}",
        occurred_at=hit.occurred_at,
        message_id=f"hit:{hit.id}",
        properties={
            **(details or {}),
            "message": invited.message_id,
            "template": invited.template,
            "topic": invited.topic,
        },
        actor=Actor.CUSTOMER,
    )


def _review_acts(
    tx: Connection, invited: Invited, hits: Sequence[Hit], verdicts: Verdicts, now: datetime
) -> list[OwnEvent]:
    """Let earlier opens and clicks stand as they look now; what turned out a person's is told."""
    changed = [
        replace(act, is_machine=not act.is_machine)
        for act in load_acts(tx, [hit for hit in hits if hit.id in verdicts]).values()
        if verdicts[act.hit_id].is_person == act.is_machine
    ]
    if changed:
        hits_store.save_standing(tx, changed, now)
        note_changes(tx, [(invited.customer_id, None)])
    kinds = {act.hit_id: act.kind for act in changed if not act.is_machine}
    return [_act_event(invited, hit, kinds[hit.id]) for hit in hits if hit.id in kinds]


def _take_back(tx: Connection, invited: Invited, forms: Sequence[Hit], now: datetime) -> None:
    """Let the answers of these forms count no longer; an answer has the instant of its form."""
    instants = {form.occurred_at for form in forms}
    changed = [
        replace(answer, is_counted=False)
        for answer in load_answers(tx, invited.message_id)
        if answer.is_counted and answer.answered_at in instants
    ]
    if changed:
        answers_store.save_standing(tx, changed, now)
        note_changes(tx, [(invited.customer_id, None)])
