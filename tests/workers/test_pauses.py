"""A pause ends: by its cap, by hand, and with other settings; until when it lasts is told."""

from datetime import timedelta

import pytest

from adapters.email.base import OutgoingEmail
from rekindle.cli.app import main
from rekindle.errors import ProviderUnavailable
from rekindle.process import Process
from store.figures import list_alarms
from store.providers import find_provider_state
from tests.shop import SETTINGS, Shop
from tests.workers.providers import Scripted, connect, crowd, statuses
from workers.doctor import repair
from workers.providers import Outage, pause_provider

DAY = timedelta(days=1)
MAILS = 3


@pytest.fixture
def paused(shop: Shop) -> Shop:
    """A provider that answered one request with 503 and `Retry-After: 86400`, and is well now."""
    provider = connect(shop, Scripted())

    def refuse(_email: OutgoingEmail) -> None:
        raise ProviderUnavailable("503 busy.", fault="server", retry_after=DAY)

    crowd(shop, MAILS)
    provider.before = refuse
    shop.run()
    provider.before = lambda _email: None
    assert statuses(shop) == {"queued": MAILS}
    return shop


def test_however_long_a_wait_it_asks_for_it_is_tried_within_about_an_hour(paused: Shop) -> None:
    paused.later(minutes=59)
    before = statuses(paused)
    paused.later(minutes=2)

    assert (before, statuses(paused)) == ({"queued": MAILS}, {"sent": MAILS})


def test_the_alarm_says_until_when_and_how_to_end_it(paused: Shop) -> None:
    with paused.services.store.read() as connection:
        state = find_provider_state(connection, "scripted")
        [alarm] = list_alarms(connection)

    assert state is not None
    assert f"waits until {state.paused_until:%Y-%m-%d %H:%M:%S} UTC" in alarm.message
    assert "rekindle doctor --repair" in alarm.message


def test_repair_ends_a_pause(paused: Shop) -> None:
    freed = repair(paused.services, paused.clock.now())
    paused.run()

    assert (freed, statuses(paused)) == (1, {"sent": MAILS})
    assert repair(paused.services, paused.clock.now()) == 0


PROVIDER = f"{SETTINGS}sendgrid: {{api_key: '${{KEY}}', host: HOST}}\n"


@pytest.mark.parametrize(
    ("key", "host", "is_forgotten"),
    [("one", "a", False), ("two", "a", True), ("one", "b", True)],
)
def test_other_settings_begin_anew(shop: Shop, key: str, host: str, *, is_forgotten: bool) -> None:
    shop.environment["KEY"] = "one"
    shop.write("rekindle.yaml", PROVIDER.replace("HOST", "a"))
    crowd(shop, MAILS)
    now, before = shop.clock.now(), Process(shop.services).pool
    with shop.services.store.begin() as tx:
        pause_provider(
            tx, "outbox", Outage("credentials", "no."), now, is_probe=False,
            settings_digest=before.settings_digest,
        )  # fmt: skip

    shop.environment["KEY"] = key
    shop.write("rekindle.yaml", PROVIDER.replace("HOST", host))
    after = Shop(shop.folder, shop.url, shop.at, shop.environment)
    after.run()

    assert statuses(after) == ({"sent": MAILS} if is_forgotten else {"queued": MAILS})
    with after.services.store.read() as connection:
        state = find_provider_state(connection, "outbox")
        assert (state is None, list_alarms(connection) == []) == (is_forgotten, is_forgotten)
    assert "one" not in str(before.settings_digest)
    after.close()


def test_a_pause_of_an_earlier_version_is_kept(shop: Shop) -> None:
    crowd(shop, 1)
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        pause_provider(tx, "outbox", Outage("quota", "no."), now, is_probe=False)

    shop.run()

    assert statuses(shop) == {"queued": 1}


def test_run_says_how_many_wait_and_doctor_lets_them_go(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REKINDLE_SECRET_KEY", shop.environment["REKINDLE_SECRET_KEY"])
    crowd(shop, MAILS)
    now = shop.clock.now()
    with shop.services.store.begin() as tx:
        pause_provider(
            tx, "outbox", Outage("server", "503 busy.", DAY), now, is_probe=False,
            settings_digest=shop.process.pool.settings_digest,
        )  # fmt: skip
        state = find_provider_state(tx, "outbox")
    assert state is not None
    here = ["--workspace", str(shop.folder), "--database", shop.url, "--now", now.isoformat()]

    capsys.readouterr()  # what was logged so far
    main([*here, "run", "--until-idle"])
    waiting = capsys.readouterr().out
    main([*here, "doctor", "--repair"])
    freed = capsys.readouterr().out
    main([*here, "run", "--until-idle"])

    assert waiting.startswith("Waiting: 3 emails. outbox takes no email since")
    assert "Nothing was due" not in waiting
    assert f"until {state.paused_until:%Y-%m-%d %H:%M:%S} UTC" in waiting
    assert freed.startswith("Freed 1.")
    assert statuses(shop) == {"sent": MAILS}
