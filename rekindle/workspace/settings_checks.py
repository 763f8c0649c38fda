"""What is wrong with `rekindle.yaml` beyond its form, and what of it must never be stored."""

import re
from collections.abc import Iterator, Mapping

from pydantic import SecretStr, ValidationError
from yaml.nodes import ScalarNode

from adapters.email.base import adapter_names
from rekindle.addresses import EmailAddress
from rekindle.locales import is_known
from rekindle.settings import VARIABLE, Settings, find_unset_variables
from rekindle.workspace.choices import choices_at
from rekindle.workspace.library import Reading
from rekindle.workspace.notice_targets import check_targets, may_be_read
from rekindle.workspace.problems import Problem, unknown_name
from rekindle.workspace.yaml import Document, Path
from segments.conditions.event import Event

ALL = "all"  # the cap over every topic


def check_settings(reading: Reading, environment: Mapping[str, str]) -> Iterator[Problem]:
    """Variables that are not set, secrets in the open, and values that cannot work."""
    document = reading.document
    yield from _check_variables(document, environment)
    yield from _check_secrets(document)
    if isinstance(settings := reading.value, Settings):
        yield from _check_language(document, settings)
        yield from _check_provider(document, settings)
        yield from _check_caps(document, settings)
        yield from _check_addresses(document, settings)
        yield from check_targets(document, settings, environment)
        yield from _check_quiet_hours(document, settings)
        yield from _check_strangers(document, settings)


def masked_text(document: Document) -> str:
    """The file's text with nothing in place of each secret that was written into it."""
    text = document.text
    for _path, node in sorted(_secrets(document), key=lambda found: -found[1].start_mark.index):
        text = f'{text[: node.start_mark.index]}""{text[node.end_mark.index :]}'
    return text


def _check_variables(document: Document, environment: Mapping[str, str]) -> Iterator[Problem]:
    for path, position in document.positions.items():
        node = position.value
        if isinstance(node, ScalarNode):
            for name in find_unset_variables(node.value, environment):
                said = f"${{{name}}} is not set in the environment."
                hint = f"Set it, or write ${{{name}:-default}}."
                yield Problem(document.place(path), said, hint, "warning")


def _check_secrets(document: Document) -> Iterator[Problem]:
    for path, _node in _secrets(document):
        said = "a secret is written here, where everybody who reads this folder sees it."
        name = "_".join(str(part) for part in path if isinstance(part, str)).upper()
        hint = f"Write ${{{name}}} and set it in the environment."
        yield Problem(document.place(path), said, hint, "warning")


def _secrets(document: Document) -> Iterator[tuple[Path, ScalarNode]]:
    """Every secret whose text, or whose default, stands in the file."""
    for path, position in document.positions.items():
        node = position.value
        if isinstance(node, ScalarNode) and _is_secret(path, node.value):
            yield path, node


def _is_secret(path: Path, written: str) -> bool:
    in_the_open = VARIABLE.sub(lambda match: match[2] or "", written)
    if path[:1] == ("people",):
        return bool(in_the_open) and not may_be_read(in_the_open)
    is_kept = any(choice.type is SecretStr for choice in choices_at(Settings, path))
    return is_kept and bool(in_the_open)


def _check_language(document: Document, settings: Settings) -> Iterator[Problem]:
    if not is_known(settings.brand.language):
        said = f"no language is called {settings.brand.language!r}; write its code, as in 'en'."
        yield Problem(document.place(("brand", "language")), said)


def _check_provider(document: Document, settings: Settings) -> Iterator[Problem]:
    if settings.provider not in adapter_names():
        place = document.place(("provider",))
        yield unknown_name(place, "provider", settings.provider, adapter_names())


def _check_caps(document: Document, settings: Settings) -> Iterator[Problem]:
    for name in settings.caps:
        if name != ALL and name not in settings.topics:
            place = document.place(("caps", name), of_key=True)
            yield unknown_name(place, "topic", name, (ALL, *settings.topics))


def _check_addresses(document: Document, settings: Settings) -> Iterator[Problem]:
    if EmailAddress.find(settings.sender.address) is None:
        said = f"{settings.sender.address!r} is not an address such as 'Shop <hello@example.com>'."
        yield Problem(document.place(("sender", "from")), said)
    if not re.match(r"https?://[^/]", settings.base_url):
        said = f"{settings.base_url!r} is not a web address such as 'https://mail.example.com'."
        yield Problem(document.place(("base_url",)), said)


def _check_quiet_hours(document: Document, settings: Settings) -> Iterator[Problem]:
    hours = settings.quiet_hours
    if hours is not None and hours.begins == hours.ends:
        said = "these quiet hours never open: nothing could ever be sent."
        yield Problem(document.place(("quiet_hours",)), said)


def _check_strangers(document: Document, settings: Settings) -> Iterator[Problem]:
    """Rules that ask what no event can be asked, or tell nobody."""
    for index, rule in enumerate(settings.strangers):
        if rule.notify not in settings.people:
            place = document.place(("strangers", index, "notify"))
            yield unknown_name(place, "group of people", rule.notify, settings.people)
        try:
            Event.model_validate({"event": list(rule.event), "where": dict(rule.where)})
        except ValidationError as error:
            said = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            yield Problem(document.place(("strangers", index, "where")), f"{said}.")
