"""What mails and notices read, and which step shows them where. Each mail is read once."""

from dataclasses import dataclass

from journeys.definition import Approve, Notify, Send, Step, Survey
from rekindle.workspace.library import Library
from rekindle.workspace.problems import Place
from rekindle.workspace.yaml import Document, Path
from templates.lint import names_in_words, names_read
from templates.needs import Need, needs_of_mail, needs_of_words
from templates.sources import BadTemplate

EVENT = "event"
CUSTOMER = "customer"


@dataclass(frozen=True)
class Shown:
    """What the mail or the notice of a step reads, and where the step names it."""

    place: Place
    names: frozenset[str]  # `event.ticket_id`, `answer.csat`, `code`
    needs: frozenset[Need]  # facts of `event` that are written unguarded
    traits: frozenset[Need]  # as `needs`, of `customer`


Read = tuple[frozenset[str], frozenset[Need], frozenset[Need]]  # the same, wherever it is named


@dataclass(frozen=True)
class MailReader:
    """Reads the mails of a library, in all their languages."""

    library: Library

    def shown_by(self, step: Step, path: Path, document: Document) -> Shown | None:
        """None for steps that show nobody anything."""
        match step:
            case Send():
                return Shown(document.place((*path, "send")), *self._of_mail(step.template))
            case Survey():
                return Shown(document.place((*path, "template")), *self._of_mail(step.template))
            case Notify() | Approve():
                place, words = document.place((*path, "message")), step.message
                return Shown(place, *_of_words(words))
            case _:
                return None

    def _of_mail(self, mail: str) -> Read:
        known = self.library.mails_read
        if mail not in known:
            known[mail] = self._read(mail)
        read: Read = known[mail]
        return read

    def _read(self, mail: str) -> Read:
        templates, language = self.library.templates, self.library.settings.brand.language
        try:
            names = names_read(mail, templates, language=language)
            of_event = needs_of_mail(mail, templates, EVENT, language=language)
            return names, of_event, needs_of_mail(mail, templates, CUSTOMER, language=language)
        except BadTemplate:  # told where the template itself was checked
            return frozenset(), frozenset(), frozenset()


def _of_words(words: str) -> Read:
    names = names_in_words(words)
    return names, needs_of_words(words, EVENT), needs_of_words(words, CUSTOMER)
