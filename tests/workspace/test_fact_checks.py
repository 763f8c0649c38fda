"""Facts that a journey's mails write: told where some start, or every customer, lacks them."""

import json
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli.app import main
from rekindle.customers import find_known
from rekindle.workspace.folder import load_workspace
from rekindle.workspace.problems import Problem
from tests.shop import LAYOUT, Shop
from workers.starts import Wanted, start_by_hand

JOURNEY = """journey: care
topic: service
again: after exit
start: [{start}]
steps: [{{send: thanks}}]
"""
VIPS = "segment: vips\nmatch: {trait: plan, is: pro}\n"
EVERY = "every: {cron: '0 9 * * 1', for: vips}"
DAY = "on: {trait: born_on, every: year}"


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now) -> Any:
    made = Shop(tmp_path, database_url, now)
    made.write("templates/layouts/brand.html.j2", LAYOUT)
    made.write("segments/vips.yaml", VIPS)
    yield made
    made.close()


def told(shop: Shop, body: str, *starts: str) -> tuple[Problem, ...]:
    """All that is wrong with a journey that starts so, and whose mail says this."""
    start = ", ".join("{" + one + "}" for one in starts)
    (shop.folder / "journeys").mkdir(exist_ok=True)
    (shop.folder / "journeys" / "care.yaml").write_text(JOURNEY.format(start=start))
    shop.mail("thanks", body)
    return load_workspace(shop.folder, shop.environment).problems


def checked(shop: Shop, capsys) -> list[str]:
    """What `check` says, which looks at what was seen."""
    main(["--workspace", str(shop.folder), "--database", shop.url, "--json", "check"])
    return [one["message"] for one in json.loads(capsys.readouterr().out)["problems"]]


@pytest.mark.parametrize("start", ["enters: vips", "leaves: vips", EVERY, DAY])
def test_what_no_start_brings_is_an_error_with_its_place_and_what_to_do(shop: Shop, start):
    [problem] = told(shop, "Order {{ event.order_id }}", start)

    assert str(problem) == (
        "journeys/care.yaml:5:16: this shows event.order_id, which no start of this journey "
        "brings. thanks.html.j2:1 writes it. Start with an event that has it, or write "
        "{{ event.order_id | default('') }}.\nsteps: [{send: thanks}]\n               ^^^^^^"
    )
    assert problem.level == "error"


GUARDED = (
    "{{ event.order_id | default('') }}",
    "{{ event.order_id or 'your order' }}",
    "{% if event.order_id is defined %}{{ event.order_id }}{% endif %}",
    "{% if event.order_id %}{{ event.order_id }}, {{ event.total }}{% else %}yours{% endif %}",
    "{% if 'order_id' in event %}{{ event['order_id'] }}{% endif %}",
    "{{ event.order_id if event.order_id is defined else '' }}",
    "{% for item in event.goods %}{{ item }}{{ event.order_id }}{% endfor %}",
    "{% set event = {'order_id': 1} %}{{ event.order_id }}",
    "{{ event.get('order_id') }} {{ event.name }} {{ event.segment }}",
    "{% with it = event.order_id %}{{ it or 'yours' }}{% endwith %}",
    "{% with event = {'order_id': 1} %}{{ event.order_id }}{% endwith %}{{ event.name }}",
    "{% set has = event.order_id is defined %}{% if has %}{{ event.order_id }}{% endif %}",
    "{% if customer.plan == 'x' %}A{% elif not event.order_id %}B{% else %}{{ event.order_id }}"
    "{% endif %}",
    "{% macro named(it) %}{{ it or 'yours' }}{% endmacro %}{{ named(event.order_id) }}",
    "{% for one in [1] if event.order_id %}{{ event.order_id }}{% endfor %}",
)


@pytest.mark.parametrize("body", GUARDED)
def test_what_is_asked_about_first_may_be_missing(shop: Shop, body):
    assert told(shop, body, "enters: vips") == ()


UNSURE = (
    "{% if customer.plan == 'pro' %}{{ event.order_id }}{% endif %}",
    "{{ event.order_id | upper }}",
    "{% for one in [1, 2] %}{{ event.order_id }}{% endfor %}",
    "{{ [event.order_id, 'yours'][1] }}",
)


@pytest.mark.parametrize("body", UNSURE)
def test_what_is_written_only_sometimes_is_a_warning(shop: Shop, body):
    assert [one.level for one in told(shop, body, "enters: vips")] == ["warning"]


def test_a_journey_that_takes_nobody_any_more_can_still_be_drained(shop: Shop):
    told(shop, "{{ event.order_id }}", "enters: vips")
    file = shop.folder / "journeys" / "care.yaml"
    file.write_text(file.read_text() + "status: draining\n")

    assert load_workspace(shop.folder, shop.environment).problems == ()


def test_who_is_taken_in_from_before_has_no_event_either(shop: Shop):
    told(shop, "{{ event.segment }}", "enters: vips")
    file = shop.folder / "journeys" / "care.yaml"
    file.write_text(file.read_text() + "backfill: true\n")

    [problem] = load_workspace(shop.folder, shop.environment).problems

    assert "whoever starts because they are in the segment already" in problem.message


def test_the_subject_is_read_too(shop: Shop):
    told(shop, "Hello", "enters: vips")
    shop.mail("thanks", subject="Order {{ event.order_id }}")

    [problem] = load_workspace(shop.folder, shop.environment).problems

    assert (problem.level, problem.place.line) == ("error", 5)


def test_where_one_start_of_several_lacks_it_that_one_is_warned_of(shop: Shop):
    [problem] = told(shop, "{{ event.order_id }}", "event: order.completed", "enters: vips")

    assert str(problem).startswith(
        "journeys/care.yaml:5:16: warning: this shows event.order_id, which whoever starts by "
        "entering 'vips' does not have."
    )


def test_what_events_bring_is_known_once_some_were_seen(shop: Shop, capsys, now):
    assert told(shop, "{{ event.order_id }} {{ event.total }}", "event: 'order.*'") == ()
    assert checked(shop, capsys) == []

    shop.happened("order.completed", "ana", now, total=3)

    assert checked(shop, capsys) == [
        "warning: this shows event.order_id, which none of the latest events 'order.completed' had."
    ]


def test_what_a_program_has_to_send_is_told_until_one_did(shop: Shop, capsys):
    told(shop, "{{ event.order_id }}", "api: true")
    before = checked(shop, capsys)
    shop.customer("ana", plan="pro")
    shop.apply()

    with shop.services.store.begin() as tx:
        ana = find_known(tx, "ana")
        wanted = Wanted("care", ana, "1", {"order_id": "7"})
        start_by_hand(tx, shop.services.library(), wanted, shop.clock.now())

    assert before == [
        "warning: this shows event.order_id, which a program that starts it by 'api' has to send."
    ]
    assert checked(shop, capsys) == []


def test_a_trait_that_a_mail_writes_and_nobody_ever_had_is_warned_of(shop: Shop, capsys):
    told(shop, "Your {{ customer.shoes }}", "enters: vips")
    shop.customer("ana", plan="pro", shoe="sneaker")

    main(["--workspace", str(shop.folder), "--database", shop.url, "--json", "check"])

    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["line"], problem["message"], problem["hint"]) == (
        "journeys/care.yaml", 5,
        "warning: this shows customer.shoes, which no customer ever had.",
        "thanks.html.j2:1 writes it. Did you mean 'shoe'? "
        "Or write {{ customer.shoes | default('') }}.",
    )  # fmt: skip


OF_CUSTOMERS = (
    "{{ customer.id }} {{ customer.email }} {{ customer.first_name }} {{ customer.name }}",
    "{{ customer.plan }}",
    "{{ customer.shoe or 'shoes' }}",
    "{% if customer.shoe %}{{ customer.shoe }}{% endif %}",
)


@pytest.mark.parametrize("body", OF_CUSTOMERS)
def test_what_is_there_or_asked_about_is_not_warned_of(shop: Shop, capsys, body):
    told(shop, body, "enters: vips")
    shop.customer("ana", plan="pro")

    assert checked(shop, capsys) == []


def test_a_trait_that_a_step_writes_is_not_warned_of(shop: Shop, capsys):
    told(shop, "{{ customer.shoe }}", "enters: vips")
    file = shop.folder / "journeys" / "care.yaml"
    file.write_text(file.read_text().replace("[{send", "[{set: {shoe: boot}}, {send"))
    shop.customer("ana", plan="pro")

    assert checked(shop, capsys) == []


def test_traits_are_not_warned_of_before_any_is_known(shop: Shop, capsys):
    told(shop, "{{ customer.shoe }}", "enters: vips")

    assert checked(shop, capsys) == []


def test_a_notice_that_writes_an_unknown_trait_is_warned_of(shop: Shop, capsys):
    told(shop, "Hello", "enters: vips")
    file = shop.folder / "journeys" / "care.yaml"
    notice = 'notify: leads, message: "{{ customer.shoe }}"'
    file.write_text(file.read_text().replace("send: thanks", notice))
    shop.customer("ana", plan="pro")

    assert checked(shop, capsys) == [
        "warning: this shows customer.shoe, which no customer ever had."
    ]
