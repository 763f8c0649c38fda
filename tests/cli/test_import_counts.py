"""Whatever a file holds: accepted, duplicates and rejected are all of its records."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.files.packing import Source
from rekindle.cli.importing import Wishes, import_file, prepare_file
from rekindle.clock import FixedClock
from rekindle.migrating import upgrade
from rekindle.services import Services, open_services
from store.session import Store

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEADER = "customer_id,event,occurred_at,note\n"
IDS = st.sampled_from(["c1", "c2", "", "\0c3", "c" * 300])
DAYS = st.sampled_from(["2026-01-02", "2026-01-03T08:00:00Z", "2026-13-40", "soon", ""])
NOTES = st.sampled_from(["", "tea", "té", '"a, b"', '"say ""no"""', "a,b", 'a"b', '"x"y', "1"])
RECORDS = st.builds(lambda id_, at, note: f"{id_},cart.viewed,{at},{note}\n", IDS, DAYS, NOTES)
names = count()


def open_shop(folder: Path) -> Services:
    url = f"sqlite:///{folder / 'rekindle.db'}"
    store = Store(url)
    upgrade(store)
    store.close()
    return open_services(folder, FixedClock(NOW), database=url, environment={})


def test_every_record_is_accepted_a_duplicate_or_rejected(tmp_path: Path):
    with open_shop(tmp_path) as services:

        @given(st.lists(RECORDS, max_size=12), st.none() | st.integers(0, 12))
        @settings(max_examples=40, suppress_health_check=list(HealthCheck))
        def check(records: list[str], stray: int | None):
            if stray is not None and records:  # one quote that opens and never closes
                records[stray % len(records)] = 'c9,cart.viewed,2026-01-02,"oops\n'
            file = tmp_path / f"{next(names)}.csv"
            file.write_text(HEADER + "2,cart.viewed,2026-01-02,\n" + "".join(records), "utf-8")

            prepared = prepare_file(Source(file), Wishes(), services.settings)
            found = import_file(services, prepared, lambda _line: None).progress
            again = import_file(services, prepared, lambda _line: None).progress

            assert found.accepted + found.duplicates + found.rejected == 1 + len(records)
            assert (again.accepted, again.rejected) == (0, found.rejected)
            noted = file.with_name(f"{file.name}.rejects.jsonl")
            lines = noted.read_text("utf-8").splitlines() if noted.exists() else []
            assert len(lines) == again.rejected + again.unusable_addresses

        check()
