"""`rekindle send-test`: one real mail through the configured provider, marked as a test."""

from dataclasses import replace
from typing import Annotated

import typer

from adapters.email.base import OutgoingEmail, open_adapter
from rekindle.addresses import EmailAddress
from rekindle.cli.context import say
from rekindle.cli.opening import open_here
from rekindle.cli.preview import NO_MESSAGE, Sample, make_sample
from rekindle.errors import NotAnAddress, NotFound, RekindleError, WrongUse
from rekindle.services import Services
from store.customers import find_customer
from store.holds import find_hold
from store.records import NOBODY, CustomerId
from templates.context import build_context
from templates.mail import Letter, Letterhead, envelope, message_headers
from templates.mime import build
from templates.render import render
from workers.queueing import header_id

MARK = ("X-Rekindle-Test", "yes")


def send_test(
    template: Annotated[str, typer.Argument(help="The mail's name: folder/name.")],
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Where it goes.")],
    customer: Annotated[
        str | None, typer.Option(help="Written as to this customer; else to a made-up one.")
    ] = None,
    locale: Annotated[
        str | None, typer.Option(help="Another language than the customer's.")
    ] = None,
) -> None:
    """Send one mail of this folder for a look in a real mailbox; no customer's history knows it."""
    try:
        to = EmailAddress.parse(to).deliverable
    except NotAnAddress as error:
        said = f"--to takes an address such as you@example.com, not {to!r}: {error.reason}."
        raise WrongUse(said) from error
    with open_here() as services:
        _require_no_hold(services)
        sample = make_sample(services, template, _reader(services, customer), locale, to)
        email = _written(services, sample, to)
        settings = sample.library.settings
        channel = open_adapter(settings.provider, settings, services.outbox).open()
        try:
            channel.send(email, lambda: None)
        finally:
            channel.close()
    say(
        f"Sent {email.subject!r} to {to} through {settings.provider}.",
        {"to": to, "subject": email.subject, "provider": settings.provider},
    )


def _require_no_hold(services: Services) -> None:
    """Raises RekindleError while nothing may leave."""
    with services.store.read() as connection:
        if (hold := find_hold(connection)) is not None:
            raise RekindleError(f"{hold.in_words()}.")


def _reader(services: Services, external_id: str | None) -> CustomerId:
    """Raises NotFound."""
    if external_id is None:
        return NOBODY
    with services.store.read() as connection:
        found = find_customer(connection, external_id)
    if found is None:
        raise NotFound(f"no customer has the id {external_id!r}.")
    return found


def _written(services: Services, sample: Sample, to: str) -> OutgoingEmail:
    """Its links belong to no message, so following them changes nothing."""
    settings, told = sample.library.settings, sample.told
    head = Letterhead(
        settings.brand, settings.sender, settings.base_url, services.signer, sample.library.data
    )
    context = build_context(told, head.brand, head.data)
    rendered = render(sample.mail, context, sample.links)
    rendered = replace(rendered, subject=f"[Test] {rendered.subject}")
    identity = header_id(sample.library, f"test.{to}.{sample.mail.name}", told.now)
    letter = Letter(NO_MESSAGE, told.customer.id, identity, to, sample.links.topic)
    headers = (*message_headers(sample.mail, sample.links, head), MARK)
    return OutgoingEmail(
        message_id=NO_MESSAGE,
        header_id=identity,
        sender=head.sender.address,
        to=to,
        mime=build(rendered, envelope(letter, told, head, headers)),
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        headers=headers,
        topic=sample.links.topic,
        reply_to=head.sender.reply_to,
    )
