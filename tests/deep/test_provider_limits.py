"""Big sends through providers that limit what they take: all of it leaves, in the time it needs."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.email.smtp import Smtp
from rekindle.settings import Smtp as SmtpSettings
from tests.email_server import Limit, SmtpServer
from tests.shop import LAYOUT, SETTINGS, Shop
from tests.workers.journeys import write_journey
from tests.workers.providers import rows
from workers.channels import ChannelPool
from workers.schedule import work_off

pytestmark = pytest.mark.deep
HELLO = "start: [{event: came}]\nholdout: none\nbecause: a test\nsteps: [{send: hello}]\n"


@pytest.fixture
def shop(tmp_path: Path, database_url: str, now: datetime):
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "rekindle.yaml").write_text(f"{SETTINGS}provider: smtp\n", "utf-8")
    opened = Shop(folder, database_url, now)
    opened.write("templates/layouts/brand.html.j2", LAYOUT)
    write_journey(opened, "hello", HELLO)
    opened.mail("hello")
    opened.apply()
    yield opened
    opened.close()


def send_to(shop: Shop, server: SmtpServer, size: int) -> None:
    """Queue so many emails for the server."""
    settings = SmtpSettings.model_validate({"host": "127.0.0.1", "port": server.port})
    shop.process.pool.close()
    shop.process.pool = ChannelPool(Smtp(settings))
    for number in range(size):
        shop.customer(f"c{number:04}")
        shop.happens("came", f"c{number:04}")
    work_off(shop.services)


def test_a_relay_that_takes_five_a_connection_gets_a_thousand_over_two_hundred(shop: Shop):
    with SmtpServer(per_connection=5) as server:
        send_to(shop, server, 1000)
        shop.run()

        assert (len(server.accepted), server.doubled) == (1000, set())
        assert 200 <= server.connections <= 204
        assert Counter((row["status"], row["attempts"]) for row in rows(shop)) == {
            ("sent", 1): 1000
        }


def test_a_provider_that_takes_a_hundred_a_minute_gets_2500_in_half_an_hour(shop: Shop):
    limit = Limit(100, timedelta(minutes=1), shop.clock.now, "450 4.7.0 rate limit exceeded")
    with SmtpServer({"mail": limit}) as server:
        send_to(shop, server, 2500)
        began = shop.clock.now()
        while len(server.accepted) < 2500 and shop.clock.now() < began + timedelta(hours=2):
            shop.run()
            shop.clock.move(timedelta(seconds=5))

        assert (len(server.accepted), server.doubled) == (2500, set())
        assert shop.clock.now() - began < timedelta(minutes=30)  # each pause a little too long
        assert {row["status"] for row in rows(shop)} == {"sent"}
