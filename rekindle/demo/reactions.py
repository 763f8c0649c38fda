"""Decides how a generated person takes one mail: open, click, answer, come back, or stay silent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from rekindle.acting import Act, Answers, Clicks, Opens, SentMail, Unsubscribes
from rekindle.demo.people import Person

PATIENCE = timedelta(hours=7)  # mean time until a mail is looked at
COMPLAINTS = (
    "It took far too long.",
    "I had to explain everything twice.",
    "The answer did not help.",
    "Nobody called back.",
)
PRAISE = ("Quick and friendly.", "Exactly what I hoped for.", "Thank you!", "")


@dataclass(frozen=True)
class ComesBack:
    """Somebody who had left orders again, and then goes on in their old rhythm."""

    at: datetime
    mail: SentMail


Reaction = Act | ComesBack


def react(person: Person, mail: SentMail, seed: int, *, has_left: bool) -> list[Reaction]:
    """What `person` does about `mail`, in order of time; the same arguments, the same person."""
    chance = Random(f"{seed}:reply:{person.id}:{mail.template}:{mail.sent_at:%Y-%m-%d}")
    if chance.random() > _interest(person, mail, has_left=has_left):
        return []
    opened_at = mail.sent_at + timedelta(minutes=2) + chance.expovariate(1) * PATIENCE
    reactions: list[Reaction] = [Opens(opened_at, mail)]
    after = opened_at + timedelta(seconds=chance.uniform(20, 300))
    if mail.survey:
        reactions += _answer(person, mail, after, chance)
    elif mail.topic != "service":
        reactions += _follow(person, mail, after, chance, has_left=has_left)
    return reactions


def _interest(person: Person, mail: SentMail, *, has_left: bool) -> float:
    """The chance that the mail is opened; of one's own ticket everybody wants to hear."""
    if mail.topic == "service":
        return 0.3 + person.opens / 2
    return person.opens * (0.5 if has_left else 0.8)


def _answer(person: Person, mail: SentMail, at: datetime, chance: Random) -> list[Reaction]:
    if chance.random() > 0.25 + person.answers:
        return []
    mood = min(max(chance.gauss(person.temper, 0.2), 0), 1)
    is_pleased = mood > 0.5
    score = round(10 * mood) if mail.survey == "nps" else 1 + round(4 * mood)
    comment = chance.choice(PRAISE if is_pleased else COMPLAINTS) if chance.random() < 0.4 else ""
    solved = "" if mail.survey != "csat" else "yes" if mood > 0.35 else "no"
    return [Answers(at, mail, score, comment, solved)]


def _follow(
    person: Person, mail: SentMail, at: datetime, chance: Random, *, has_left: bool
) -> list[Reaction]:
    if chance.random() < 0.015:
        return [Unsubscribes(at, mail)]
    if chance.random() > person.clicks * 1.5:
        return []
    clicked: list[Reaction] = [Clicks(at, mail)]
    if has_left and chance.random() < person.forgives * 1.5:
        ordered_at = at + timedelta(hours=chance.expovariate(1 / 10))
        return [*clicked, ComesBack(ordered_at, mail)]
    return clicked
