"""A small workspace whose tests are played."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from rekindle.testkit.playing import Played, play_all
from tests.shop import LAYOUT

MAIL = (
    '{% extends "layouts/brand" %}{% block subject %}Hello{% endblock %}'
    '{% block body %}<p>Dear {{ customer.first_name or "you" }},'
    ' <a href="https://shop.example.com">come</a></p>{% endblock %}'
)
FILES = {
    "rekindle.yaml": """
        brand: {name: Shop, zone: Europe/Berlin, address: "1 Street"}
        people: {leads: ["mailto:leads@example.com"]}
        webhook: {secret: "${WEBHOOK_SECRET:-}"}
        quiet_hours: 21:00-08:00
        """,
    "surveys/csat.yaml": "survey: csat\nkind: csat\n",
    "segments/buyers.yaml": "segment: buyers\nmatch: {event: order.completed, within: 30 days}\n",
    "segments/asking.yaml": "segment: asking\nmatch: {channel: ticket}\n",
    "journeys/welcome.yaml": """
        journey: welcome
        topic: offers
        start: [{enters: buyers}]
        exit: [{event: order.cancelled}]
        steps:
          - send: hello
          - wait: 3 days
          - split:
              - name: long
                share: 50%
                steps: [{notify: leads, message: "{{ customer.id }} reads"}]
              - {name: short, share: 50%, steps: [{survey: csat, template: ask}]}
        """,
    "journeys/call.yaml": """
        journey: call
        topic: service
        start: [api]
        steps:
          - approve: leads
            message: "Shall we call {{ customer.id }}?"
            up_to: 2 days
            otherwise: [{set: {called: never}}]
          - webhook: https://crm.example.com/calls
            body: {stage: call}
        """,
    "journeys/birthday.yaml": """
        journey: birthday
        topic: offers
        start: [{on: {trait: birthday, every: year, at: 09:00}}]
        again: always
        steps: [{send: wish}]
        """,
    "templates/wish.html.j2": MAIL.replace(
        "<p>", "<p>{{ drift.state }} {{ drift.risk is number }} "
    ),
    "templates/layouts/brand.html.j2": LAYOUT,
    "templates/hello.html.j2": MAIL,
    "templates/ask.html.j2": MAIL.replace("<p>", '{{ survey("csat") }}<p>'),
}


HEAD = "test: story\ncustomers: {ana: {traits: {first_name: Ana}}}\ncases:\n"


def written(cases: Mapping[str, str]) -> str:
    """A file of tests with these cases, each given by its steps (and more of its keys)."""
    lines = [HEAD]
    for name, steps in cases.items():
        lines.append(f"- case: {name!r}\n")
        lines += [f"  {line}\n" for line in dedent(steps).strip().splitlines()]
    return "".join(lines)


def write_workspace(folder: Path, cases: Mapping[str, str]) -> Path:
    for name, text in {**FILES, "tests/story.yaml": written(cases)}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    return folder


def play(folder: Path, cases: Mapping[str, str]) -> dict[str, Played]:
    """How each of these cases goes, by its name."""
    return {one.case: one for one in play_all(write_workspace(folder, cases), {}, ())}
