"""Compares what a case expects with what came of it; says in words what came instead."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rekindle.testkit.world import World, moment_of, show
from rekindle.workspace.cases import (
    ANY,
    Called,
    Expected,
    Happened,
    HasTrait,
    Held,
    Inside,
    Mail,
    NoMail,
    NoNotice,
    Notice,
    Outside,
    Refused,
    Travels,
)
from store.portraits import MailLine, Trip

GONE = ("refused", "cancelled")


def find_failure(expected: Expected, customer: str, world: World) -> str | None:
    """What is not as `expected`, in words; None if it is."""
    match expected:
        case Mail():
            return _mail(expected, customer, world)
        case NoMail():
            return _no_mail(expected, customer, world)
        case Held() | Refused():
            return _standing(expected, customer, world)
        case Travels():
            return _travels(expected, customer, world)
        case Inside(in_=segment) | Outside(not_in=segment):
            return _membership(segment, customer, world, wanted=isinstance(expected, Inside))
        case Notice() | NoNotice() | Called():
            return _told(expected, world)
        case HasTrait():
            return _trait(expected, customer, world)
        case Happened():
            return _happened(expected, customer, world)


def _mail(expected: Mail, customer: str, world: World) -> str | None:
    theirs = [one for one in world.mails_of(customer) if one.template == expected.mail]
    left = [one for one in theirs if one.id not in world.named and world.content(one)]
    misses = {one.id: _mail_misses(expected, one, world) for one in left}
    fitting = [one for one in left if misses[one.id] is None]
    if len(fitting) >= expected.times:
        world.named.update(one.id for one in fitting[: expected.times])
        return None
    wanted = f"{expected.mail} to {customer}"
    if expected.times > 1:
        return f"{expected.times} mails {wanted} were expected, and there were {len(fitting)}."
    if left:
        return f"the mail {wanted} is not as expected: {misses[left[-1].id]}"
    return f"the mail {wanted} was not sent{_instead(theirs, world)}."


def _mail_misses(expected: Mail, mail: MailLine, world: World) -> str | None:
    content = world.content(mail)
    assert content is not None
    if expected.to is not None and content.to != expected.to:
        return f"it went to {content.to}."
    if expected.subject is not None and expected.subject not in content.subject:
        return f"its subject is {content.subject!r}."
    if expected.at is not None and not _is_in_minute(mail.at, moment_of(expected.at, world.zone)):
        return f"it left on {show(mail.at, world.zone)}."
    text = " ".join(content.text.split())
    missing = [words for words in expected.contains if " ".join(words.split()) not in text]
    return f"{missing[0]!r} is not in its text: {text[:300]!r}." if missing else None


def _is_in_minute(at: datetime, moment: datetime) -> bool:
    return moment <= at < moment + timedelta(minutes=1)


def _instead(theirs: Sequence[MailLine], world: World) -> str:
    """What became of a mail that did not leave."""
    waiting = [one for one in theirs if world.content(one) is None]
    if waiting:
        last = waiting[-1]
        return f": it is {last.status}" + (f" ({last.reason})" if last.reason else "")
    return " again: an expectation before has named each one" if theirs else ""


def _no_mail(expected: NoMail, customer: str, world: World) -> str | None:
    for one in world.mails_of(customer):
        is_meant = expected.no_mail in (ANY, one.template)
        if is_meant and one.id not in world.named and (content := world.content(one)):
            when = show(one.at, world.zone)
            return f"{customer} was sent {one.template} ({content.subject!r}) on {when}."
    return None


def _standing(expected: Held | Refused, customer: str, world: World) -> str | None:
    match expected:
        case Held(held=template):
            statuses: tuple[str, ...] = ("held",)
        case Refused(refused=template):
            statuses = GONE
    theirs = [one for one in world.mails_of(customer) if one.template == template]
    if any(one.status in statuses and expected.because in one.reason for one in theirs):
        return None
    if not theirs:
        return f"there is no mail {template} to {customer}."
    last = theirs[-1]
    why = f" ({last.reason})" if last.reason else ""
    return f"the mail {template} to {customer} is {last.status}{why}."


def _travels(expected: Travels, customer: str, world: World) -> str | None:
    trips = [
        one
        for one in world.trips_of(customer)
        if one.journey == expected.journey and expected.key in (None, one.key)
    ]
    if expected.times is not None and len(trips) != expected.times:
        return f"{customer} started {expected.journey} {_times(len(trips))}."
    if not expected.started:
        return f"{customer} started {expected.journey} {_times(len(trips))}." if trips else None
    if not trips:
        return f"{customer} never started {expected.journey}."
    return _trip_misses(expected, trips[0], customer)


def _trip_misses(expected: Travels, trip: Trip, customer: str) -> str | None:
    stands = f"{customer} is at {trip.step}" if trip.ended is None else f"it ended: {trip.ended}"
    if expected.held_out is not None and trip.is_held_out != expected.held_out:
        return f"{customer} is {'' if trip.is_held_out else 'not '}held out of {trip.journey}."
    if expected.at is not None and trip.step != expected.at:
        return f"{trip.journey} is not at {expected.at}: {stands}."
    if expected.ended is not None and trip.ended != expected.ended:
        return f"{trip.journey} has not ended so: {stands}."
    return None


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _membership(segment: str, customer: str, world: World, *, wanted: bool) -> str | None:
    is_inside = segment in world.segments_of(customer)
    if is_inside == wanted:
        return None
    return f"{customer} is {'' if is_inside else 'not '}in {segment}."


def _told(expected: Notice | NoNotice | Called, world: World) -> str | None:
    match expected:
        case Notice():
            return _notice(expected, world)
        case NoNotice():
            return _no_notice(expected, world)
        case Called():
            return _called(expected, world)


def _notice(expected: Notice, world: World) -> str | None:
    fresh = [
        one for one in world.notices() if one[0] not in world.told and one[1] == expected.notice
    ]
    fitting = [one for one in fresh if all(words in one[2] for words in expected.contains)]
    if len(fitting) >= expected.times:
        world.told.update(one[0] for one in fitting[: expected.times])
        return None
    if fresh and expected.times == 1:
        return f"the notice to {expected.notice} says {fresh[-1][2]!r}."
    wanted = "" if expected.times == 1 else f" {expected.times} times"
    return f"{expected.notice} were not told{wanted}."


def _no_notice(expected: NoNotice, world: World) -> str | None:
    for number, group, words in world.notices():
        if number not in world.told and expected.no_notice in (ANY, group):
            return f"{group} were told {words!r}."
    return None


def _called(expected: Called, world: World) -> str | None:
    calls = [one for one in world.calls() if one[0] not in world.told]
    fresh = [(number, body) for number, url, body in calls if url == expected.webhook]
    fitting = [number for number, body in fresh if _has_all(body, expected.with_)]
    if len(fitting) >= expected.times:
        world.told.update(fitting[: expected.times])
        return None
    said = f"; it was told {dict(fresh[-1][1])}" if fresh and not fitting else ""
    counted = "not" if not fitting else f"only {_times(len(fitting))}"
    return f"{expected.webhook} was {counted} called so{said}."


def _has_all(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(known.get(name) == value for name, value in wanted.items())


def _trait(expected: HasTrait, customer: str, world: World) -> str | None:
    value: Any = world.traits_of(customer)
    for part in expected.trait.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value == expected.is_ and isinstance(value, bool) == isinstance(expected.is_, bool):
        return None
    return f"{expected.trait} of {customer} is {'not set' if value is None else repr(value)}."


def _happened(expected: Happened, customer: str, world: World) -> str | None:
    named = [one for one in world.events_of(customer) if one.name == expected.event]
    fitting = [one for one in named if _has_all(one.properties, expected.with_)]
    if len(fitting) == expected.times:
        return None
    others = f"; it had {dict(named[-1].properties)}" if named and not fitting else ""
    return f"{expected.event} of {customer} happened {_times(len(fitting))} so{others}."
