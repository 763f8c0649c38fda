"""Mails that cannot be written: an alarm for a step of which many fail, until they leave again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rekindle.counting import counted
from rekindle.logs import get_logger
from rekindle.services import Services
from store.alarms import UNWRITTEN, clear_alarms, load_standing, raise_alarm, restate_alarm
from store.contacts import load_sources
from store.failing_steps import (
    FailingStep,
    Spot,
    forget_failed_until,
    forget_failing,
    has_failed_until,
    load_failing,
    lock_failing,
    save_failing,
)
from store.messages import Sending, attempts_of
from store.records import NOBODY, Message

log = get_logger()

FORGOTTEN_AFTER = timedelta(days=7)
ENOUGH = 50  # mails, to judge a step by a small share of them
SMALL_SHARE = 0.1
LARGE_SHARE = 0.5  # of fewer mails
REMEMBERED = 100  # mails; what came before counts half as much each time
AS_IF = 3  # failures: how many should have come again by now, were it still as it was


@dataclass
class Tried:
    """What became of one step's mails in one batch."""

    failed: list[tuple[Message, str]] = field(default_factory=list)  # with the error
    written: int = 0


def watch_writing(
    services: Services, batch: Sequence[Message], results: Sequence[Sending], now: datetime
) -> None:
    """Count the mails of steps that fail; raise, restate and clear their alarms.

    As long as every mail can be written, which is nearly always, it only asks whether any failed.
    In a transaction of its own: what has become of the mails must not depend on it.
    """
    with services.store.read() as connection:
        failing = load_failing(connection)
    if not failing and not any(one.is_unwritten for one in results):
        return
    with services.store.begin() as tx:
        tried = _by_spot(tx, batch, results)
        concerned = {spot: one for spot, one in tried.items() if one.failed or spot in failing}
        _count_all(tx, concerned, now)


def _count_all(tx: Connection, tried: Mapping[Spot, Tried], now: datetime) -> None:
    fresh = [_first(spot, one, now) for spot, one in sorted(tried.items()) if one.failed]
    for spot, before in sorted(lock_failing(tx, tried, fresh).items()):
        if tried[spot].failed:
            _count_failed(tx, before, tried[spot], now)
        else:
            _count_written(tx, before, tried[spot], now)


def forget_failures(services: Services, now: datetime) -> None:
    """Steps whose last failure is long ago are well; without any it only reads."""
    until = now - FORGOTTEN_AFTER
    with services.store.read() as connection:
        if not has_failed_until(connection, until):
            return
    with services.store.begin() as tx:
        gone = forget_failed_until(tx, until)
        clear_alarms(tx, UNWRITTEN, list(map(_subject, gone)), now)


def _by_spot(
    tx: Connection, batch: Sequence[Message], results: Sequence[Sending]
) -> Mapping[Spot, Tried]:
    """Mails of journeys only; one that was put off by its provider counts once, as written."""
    ours = {
        one.id: (one, one.enrollment_id)
        for one in batch
        if one.customer_id != NOBODY and one.enrollment_id is not None
    }
    sources = load_sources(tx, [id_ for _, id_ in ours.values()])
    attempts = attempts_of(tx, list(ours))
    found: dict[Spot, Tried] = {}
    for result in results:
        if result.message_id not in ours:
            continue
        message, id_ = ours[result.message_id]
        tried = found.setdefault((sources[id_].journey, message.step), Tried())
        if result.is_unwritten:
            tried.failed.append((message, result.reason))
        elif attempts.get(result.message_id) == 1:
            tried.written += 1
    return found


def _count_failed(tx: Connection, before: FailingStep, tried: Tried, now: datetime) -> None:
    after = _failed(before, tried, now)
    save_failing(tx, after)
    if _is_alarming(after):
        _tell(tx, after, tried, now)
    elif after.tried >= ENOUGH:  # enough to know that it is a few odd ones
        clear_alarms(tx, UNWRITTEN, [_subject(after.spot)], now)


def _first(spot: Spot, tried: Tried, now: datetime) -> FailingStep:
    """Before anything of it was counted."""
    customer = tried.failed[0][0].customer_id
    return FailingStep(*spot, customer, True, 0, 0, 0, 0, began_at=now, failed_at=now)


def _failed(before: FailingStep, tried: Tried, now: datetime) -> FailingStep:
    """Counted, with what was written since the failure before."""
    customers = {message.customer_id for message, _ in tried.failed}
    failed, written = before.lately_failed, before.lately_written + before.written_since
    while failed + written > REMEMBERED:
        failed, written = (failed + 1) // 2, written // 2
    return replace(
        before,
        is_odd_one=before.is_odd_one and customers == {before.first_customer},
        failed=before.failed + len(tried.failed),
        lately_failed=failed + len(tried.failed),
        lately_written=written + tried.written,
        written_since=0,
        failed_at=now,
    )


def _is_alarming(step: FailingStep) -> bool:
    """One odd customer is no matter for an operator, however often their mails fail."""
    bound = SMALL_SHARE if step.tried >= ENOUGH else LARGE_SHARE
    return not step.is_odd_one and step.lately_failed > bound * step.tried


def _tell(tx: Connection, step: FailingStep, tried: Tried, now: datetime) -> None:
    message, error = tried.failed[0]
    share = step.lately_failed / step.tried
    words = (
        f"{counted(step.failed, 'mail')} of the journey {step.journey} could not be written since "
        f"{step.began_at:%Y-%m-%d %H:%M} UTC, lately {share:.0%} of those of its step "
        f"{step.step!r} (template {message.template}): {error}"
    )
    raise_alarm(tx, UNWRITTEN, _subject(step.spot), words, now)
    restate_alarm(tx, UNWRITTEN, _subject(step.spot), words)
    log.error("mail.unwritten", journey=step.journey, step=step.step, failed=step.failed)


def _count_written(tx: Connection, before: FailingStep, tried: Tried, now: datetime) -> None:
    after = replace(before, written_since=before.written_since + tried.written)
    is_raised = _subject(after.spot) in load_standing(tx, UNWRITTEN)
    if is_raised and _is_well(after):
        forget_failing(tx, after.spot)
        clear_alarms(tx, UNWRITTEN, [_subject(after.spot)], now)
    else:
        save_failing(tx, after)


def _is_well(step: FailingStep) -> bool:
    """More mails left in a row than ever would if as many failed as before. Where none left
    before, one is enough.
    """
    return step.written_since * step.lately_failed > AS_IF * step.lately_written


def _subject(spot: Spot) -> str:
    return "/".join(spot)
