"""A small generated shop goes round the whole loop, as a real one does."""

import pytest

from rekindle.cli.demo import make_workspace
from rekindle.cli.first_apply import apply_once
from rekindle.clock import FixedClock
from rekindle.demo.play import Player, import_history
from rekindle.demo.shop import make_shop
from rekindle.demo.summary import summarize
from rekindle.process import Process
from rekindle.services import open_services

SEED = 7


@pytest.fixture
def process(tmp_path, now):
    folder = make_workspace(tmp_path / "demo-shop")
    with Process(open_services(folder, FixedClock(now), environment={})) as opened:
        yield opened


def silently(_done, _text):
    pass


def test_a_week_of_a_small_shop_brings_mails_opens_and_answers(process, now):
    shop, history = make_shop(60, now, SEED, played_days=7)
    clock = FixedClock(shop.plays_from)
    process.services.clock = clock

    events = import_history(process, shop, history, silently)
    apply_once(process.services)
    counts = Player(process, shop, clock).play(silently)
    with process.services.store.read() as connection:
        summary = summarize(connection, shop, events, now)

    assert events == len(history)
    assert counts.sent == sum(line.sent for line in summary.journeys) > 0
    assert sum(line.opened for line in summary.journeys) > 0
    assert sum(summary.left.values()) + sum(summary.stayed.values()) > 0
    assert list(process.services.outbox.rglob("*.eml"))
    assert clock.at == now
