"""`rekindle preview`: a mail of this folder as one customer would get it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Annotated, Any
from webbrowser import open_new_tab

import typer

from journeys.definition import SERVICE, Send, Survey
from journeys.graph import build_graph
from rekindle.cli.context import as_json, options, say
from rekindle.cli.opening import open_here
from rekindle.disks import writing
from rekindle.errors import NotFound
from rekindle.services import Services
from rekindle.workspace.library import Library, read_library
from store.customers import find_customer
from store.events import load_timeline
from store.records import NOBODY, Actor, Customer, CustomerId, StoredEvent
from templates.compile import CompiledMail, compile_mail
from templates.context import Occasion, Said, Told, build_context
from templates.links import MailLinks
from templates.lint import names_read
from templates.render import RenderedMail, render
from workers.telling import Reader, cards_for, tell_about

NO_MESSAGE = 0  # links of a preview belong to no message, so following them changes nothing
SAMPLE_CODE = "SAMPLE-CODE"
SAMPLE_COMMENT = "What a customer wrote beside the score."


def preview(
    template: Annotated[str, typer.Argument(help="The mail's name: folder/name.")],
    customer: Annotated[str, typer.Option(help="The id of the customer who would get it.")],
    locale: Annotated[
        str | None, typer.Option(help="Another language than the customer's.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Print the HTML part.")] = False,
    text: Annotated[
        bool, typer.Option("--text", help="Print the text part (the default).")
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Show it in a browser.")] = False,
) -> None:
    """Show a mail as a customer would get it; nothing is sent or stored."""
    with open_here() as services:
        mail = _rendered(services, template, customer, locale)
    if open_:
        open_new_tab(_kept(mail.html).as_uri())
    document = {"subject": mail.subject, "html": mail.html, "text": mail.text}
    if html and not options().as_json:
        print(mail.html)
    elif options().as_json:
        print(as_json(document))
    else:
        say(f"Subject: {mail.subject}\n\n{mail.text}")


@dataclass(frozen=True)
class Sample:
    """One mail of the folder with everything that it may say to one reader."""

    library: Library
    mail: CompiledMail
    told: Told
    links: MailLinks


def _rendered(
    services: Services, template: str, external_id: str, locale: str | None
) -> RenderedMail:
    with services.store.read() as connection:
        id_ = find_customer(connection, external_id)
        if id_ is None:
            raise NotFound(f"no customer has the id {external_id!r}.")
    sample = make_sample(services, template, id_, locale)
    brand = sample.library.settings.brand
    return render(sample.mail, build_context(sample.told, brand, sample.library.data), sample.links)


def make_sample(
    services: Services, template: str, id_: CustomerId, locale: str | None, stranger: str = ""
) -> Sample:
    """The mail as this customer would read it; as NOBODY, whoever has the address `stranger`.

    Raises NotFound for a mail that is not there.
    """
    library = read_library(services.workspace, services.environment)
    name = _known(template, library)
    now = services.clock.now()
    with services.store.read() as connection:
        readers = [Reader(id_, None)]
        told = tell_about(connection, library, readers, now, known_by=services.as_of)[0]
        timeline = load_timeline(connection, id_, now)
    brand = library.settings.brand
    read = names_read(name, library.templates, language=brand.language)
    if id_ == NOBODY:
        told = replace(told, customer=_made_up(stranger, read))
    if locale:
        reader = replace(told.customer, traits={**told.customer.traits, "locale": locale})
        told = replace(told, customer=reader)
    told = replace(told, cards=cards_for(library, told.customer))
    wanted = told.customer.traits.get("locale")
    mail = compile_mail(name, wanted, library.templates, language=brand.language)
    links = _links(services, library, name, mail.surveys, told.customer)
    return Sample(library, mail, _with_samples(told, read, timeline, library), links)


def _made_up(address: str, read: Iterable[str]) -> Customer:
    """Somebody whose every trait is its own name in brackets."""
    parts = [one.split(".") for one in read]
    traits = {name[1]: f"[{name[1]}]" for name in parts if name[0] == "customer" and len(name) == 2}
    known = {"email": address, "locale": None, "zone": None, "id": None}
    return Customer(NOBODY, "test", {**traits, **known})


def _known(template: str, library: Library) -> str:
    """The mail's name as templates know it. Raises NotFound."""
    name = template.removeprefix("templates/").removesuffix(".html.j2")
    mails = {one.partition(".")[0] for one in library.templates} | set(library.templates)
    if name not in mails:
        near = get_close_matches(name, mails, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise NotFound(f"no mail is called {name!r}.{hint}")
    return name


def _links(
    services: Services, library: Library, name: str, surveys: Iterable[str], customer: Customer
) -> MailLinks:
    topic = _topic(name, surveys, library)
    base_url = library.settings.base_url.rstrip("/")
    return MailLinks(services.signer, base_url, NO_MESSAGE, customer.id, topic)


def _topic(name: str, surveys: Iterable[str], library: Library) -> str:
    """The topic the mail would be sent under: its survey's, else of the journey that sends it."""
    for survey in surveys:
        if survey in library.surveys:
            return library.surveys[survey].topic
    for journey in library.journeys.values():
        steps = (node.step for node in build_graph(journey).nodes.values())
        if any(isinstance(step, Send | Survey) and step.template == name for step in steps):
            return journey.topic
    return next(iter(library.settings.topics), SERVICE)


# --- what only an enrollment would know: taken from the customer's past, else made up -------------


def _with_samples(
    told: Told, read: Iterable[str], timeline: list[StoredEvent], library: Library
) -> Told:
    parts = [one.split(".") for one in read]
    properties = {name[1] for name in parts if name[0] == "event" and len(name) == 2}
    answers = {name[1] for name in parts if name[0] == "answer" and len(name) > 1}
    return replace(
        told,
        event=_occasion(properties, timeline, told.now),
        answers={one: _answer(one, library) for one in answers},
        code=SAMPLE_CODE,
    )


def _occasion(properties: set[str], timeline: list[StoredEvent], now: datetime) -> Occasion:
    """The customer's newest event with all these properties, or one made of their names."""
    wanted = properties - {"name", "occurred_at"}
    for event in reversed(timeline):
        if event.actor is not Actor.REKINDLE and wanted <= event.properties.keys():
            return Occasion(event.name, event.occurred_at, event.properties)
    made_up: Mapping[str, Any] = {name: f"[{name}]" for name in wanted}
    return Occasion("sample.happened", now, made_up)


def _answer(survey: str, library: Library) -> Said:
    scores = library.surveys[survey].scores if survey in library.surveys else range(1, 6)
    return Said(min(scores), SAMPLE_COMMENT)


def _kept(html: str) -> Path:
    """A file for the browser, which reads it after we are gone."""
    with writing(Path(gettempdir())):
        file = Path(mkdtemp(prefix="rekindle-preview-")) / "mail.html"
        file.write_text(html, encoding="utf-8")
    return file
