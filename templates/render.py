"""Renders a compiled mail for one customer; and a line of words, such as a notice to our people."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import TemplateError

from rekindle.errors import TemplateFailed
from rekindle.locales import direction, pick_locale
from templates.compile import CompiledMail, Part
from templates.inline import inline_mail
from templates.links import DECOY, MailLinks
from templates.plain import lay_out
from templates.rendering import Budget, Rendering, Stopwatch, under_way
from templates.sandbox import WORDS
from templates.sources import BadTemplate, Place
from templates.tracking import link_name

SERVICE = "service"  # the topic of transactional mail: it has no unsubscribe link


@dataclass(frozen=True)
class RenderedMail:
    """A mail as its reader will see it."""

    subject: str  # one line
    html: str
    text: str


def render(
    mail: CompiledMail,
    context: Mapping[str, Any],
    links: MailLinks,
    stopwatch: Stopwatch | None = None,
) -> RenderedMail:
    """`context` as `build_context` made it; `stopwatch` where others wait for this thread.

    Raises TemplateFailed, naming file and line.
    """
    values = {**context, **_message_values(mail, links)}
    zone = context["now"].tzinfo if isinstance(context.get("now"), datetime) else UTC
    rendering = Rendering(mail.locale, zone, links, budget=Budget(stopwatch=stopwatch))
    with under_way(rendering):
        html = mail.html.render(values)
    with under_way(replace(rendering, is_html=False)):
        subject = mail.subject.render(values)
        text = mail.text.render(values)
    return RenderedMail(
        subject=" ".join(subject.split()),
        html=html if mail.is_inlined else inline_mail(html),
        text=text.strip() + "\n" if mail.is_text_written else lay_out(text, values["direction"]),
    )


def render_words(
    source: str,
    context: Mapping[str, Any],
    locale: str = "en",
    stopwatch: Stopwatch | None = None,
) -> str:
    """One line of words without HTML. Raises TemplateFailed."""
    now = context.get("now")
    zone = now.tzinfo if isinstance(now, datetime) and now.tzinfo else UTC
    budget = Budget(stopwatch=stopwatch)
    with under_way(Rendering(locale, zone, is_html=False, budget=budget)):
        return _words_part(source).render(context).strip()


def _message_values(mail: CompiledMail, links: MailLinks) -> dict[str, Any]:
    """The names that belong to one message."""
    urls = links.click_urls(len(mail.links), mail.edition)
    numbered = {link_name(number): url for number, url in enumerate(urls, start=1)}
    return {
        "locale": mail.locale,
        "direction": direction(mail.locale),
        "words": frame_words(mail.locale),
        "unsubscribe_url": "" if links.topic == SERVICE else links.unsubscribe_url,
        "view_url": links.view_url,
        "_decoy_url": links.click_url(DECOY, mail.edition),
        "_open_url": links.open_url,
        **numbered,
    }


@lru_cache(maxsize=64)
def frame_words(locale: str) -> Mapping[str, str]:
    """What the engine's own frame says, in the nearest language there is."""
    words = _all_frame_words()
    return words[pick_locale(locale, words, "en")]


@cache
def _all_frame_words() -> Mapping[str, Mapping[str, str]]:
    text = (Path(__file__).parent / "email" / "words.yaml").read_text(encoding="utf-8")
    words: Mapping[str, Mapping[str, str]] = yaml.load(text, Loader=yaml.CSafeLoader)
    return words


@lru_cache(maxsize=500)
def _words_part(source: str) -> Part:
    try:
        return Part("message", WORDS.from_string(source), ())
    except (TemplateError, RecursionError, ValueError) as error:
        line = getattr(error, "lineno", 1) or 1
        raise BadTemplate(Place("message", line), str(error)) from error


__all__ = ["RenderedMail", "TemplateFailed", "render", "render_words"]
