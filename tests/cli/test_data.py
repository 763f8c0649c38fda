"""`rekindle import` and `rekindle export`: everything in once, everything out."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.files.packing import Source
from rekindle.cli.app import main
from rekindle.cli.importing import Wishes, import_file, prepare_file
from rekindle.clock import FixedClock
from rekindle.services import Services, open_services
from rekindle.settings import Settings
from rekindle.state import state_folder
from store.suppressions import find_suppressed
from tests.conftest import MONDAY

ORDERS = "customer_id,event,occurred_at,total\n" + "".join(
    f"c{n % 7},Order Completed,2026-02-{n % 28 + 1:02}T08:00:00Z,{n}.5\n" for n in range(25)
)
NOW = "2026-03-02T09:00:00Z"
Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with `--json` in a workspace of its own; gives what it printed, if good."""

    def run_it(*words: str, code: int = 0) -> Any:
        given = ["--workspace", str(tmp_path), "--now", NOW, "--json"]
        assert main([*words, *given]) == code
        said = capsys.readouterr().out
        if words[0] == "export" and not code:
            return [json.loads(line) for line in said.splitlines()]
        return json.loads(said)

    return run_it


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str], str]:
    def write(name: str, content: str) -> str:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return str(tmp_path / name)

    return write


def taken(accepted: int, *, duplicates: int = 0, rejected: int = 0) -> dict[str, int]:
    """What an import answers where every address could be used."""
    counts = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
    return {**counts, "unusable_addresses": 0}


def test_a_file_is_accepted_once_and_is_duplicates_ever_after(run: Run, file: Run):
    orders = file("orders.csv", ORDERS)

    assert run("import", orders) == {
        "accepted": 25,
        "duplicates": 0,
        "rejected": 0,
        "unusable_addresses": 0,
    }
    assert run("import", orders) == {
        "accepted": 0,
        "duplicates": 25,
        "rejected": 0,
        "unusable_addresses": 0,
    }


def test_an_import_that_was_killed_goes_on_where_it_stopped(run: Run, file: Run, tmp_path: Path):
    rows = "".join(f"c1,Order Completed,2026-02-01T08:00:00Z,{n % 9}\n" for n in range(2_500))
    orders = file("orders.csv", "customer_id,event,occurred_at,total\n" + rows)

    with opened(tmp_path) as services, pytest.raises(KeyboardInterrupt):
        import_file(services, prepare_file(Source(Path(orders)), Wishes(), Settings()), kill)
    stored = len(run("export", "events"))

    assert 0 < stored < 2_500
    assert run("import", orders) == {
        "accepted": 2_500,
        "duplicates": 0,
        "rejected": 0,
        "unusable_addresses": 0,
    }
    assert run("import", orders) == {
        "accepted": 0,
        "duplicates": 2_500,
        "rejected": 0,
        "unusable_addresses": 0,
    }


@contextmanager
def opened(workspace: Path) -> Iterator[Services]:
    state_folder(workspace)
    services = open_services(workspace, FixedClock(MONDAY), environment={})
    try:
        yield services
    finally:
        services.close()


def kill(_line: int) -> None:
    """Called after the first chunk was committed."""
    raise KeyboardInterrupt


def test_bad_rows_are_written_beside_the_file_with_their_line_and_reason(run: Run, file: Run):
    orders = file(
        "orders.csv", "customer_id,event,occurred_at\n1,A B,2026-01-01\n2,A B,soon\n,,x\n"
    )

    counted = run("import", orders, code=1)

    rejects = [
        json.loads(line) for line in Path(orders + ".rejects.jsonl").read_text().splitlines()
    ]
    assert counted == taken(1, rejected=2)
    assert [reject["line"] for reject in rejects] == [3, 4]
    assert "occurred_at" in rejects[0]["reason"]
    assert rejects[0]["row"] == {"customer_id": "2", "event": "A B", "occurred_at": "soon"}


def test_a_mended_file_leaves_no_old_rejects_behind(run: Run, file: Run):
    run("import", file("orders.csv", "customer_id,event,occurred_at\n1,A B,soon\n"), code=1)

    mended = file("orders.csv", "customer_id,event,occurred_at\n1,A B,2026-01-01\n")
    run("import", mended)

    assert not Path(mended + ".rejects.jsonl").exists()


def test_nothing_is_imported_if_one_of_the_files_has_wrong_columns(run: Run, file: Run):
    good, bad = file("orders.csv", ORDERS), file("other.csv", "a,b\n1,2\n")

    told = run("import", good, bad, code=2)

    assert "has no column for customer_id or email, event, occurred_at" in told["error"]
    assert "a, b" in told["error"]
    assert run("export", "events") == []


def test_several_files_are_counted_together(run: Run, file: Run):
    orders = file("orders.csv", ORDERS)
    message = {"type": "page", "userId": "c1", "timestamp": "2026-02-01T00:00:00Z"}
    visits = file("visits.jsonl", json.dumps(message) + "\n{}\n")

    assert run("import", orders, visits, code=1) == {
        "accepted": 26,
        "duplicates": 0,
        "rejected": 1,
        "unusable_addresses": 0,
    }


def test_customers_are_exported_with_what_was_imported_of_them(run: Run, file: Run):
    customers = file("customers.csv", "customer_id,email,plan,consent.offers\nana,a@b.c,7,denied\n")

    counted = run("import", customers)

    assert counted == taken(1)
    assert run("export", "customers") == [{"id": "ana", "traits": {"email": "a@b.c", "plan": 7}}]
    assert [row["value"] for row in run("export", "identities")] == ["a@b.c"]
    assert [(row["topic"], row["status"]) for row in run("export", "consents")] == [
        ("offers", "denied")
    ]


def test_an_imported_act_of_an_agent_is_stored_as_theirs(run: Run, file: Run):
    row = "c1,ticket.{},2026-02-01T00:00:00Z,ticket,{}\n"
    acts = row.format("opened", "customer") + row.format("replied", "agent")

    run("import", file("tickets.csv", "customer_id,event,occurred_at,channel,by\n" + acts))

    stored = [(one["name"], one["actor"]) for one in run("export", "events")]
    assert stored == [("ticket.opened", "customer"), ("ticket.replied", "agent")]


def test_suppressions_are_imported_once(run: Run, file: Run):
    addresses = file("gone.csv", "email,reason\nA@b.c,asked us\na@b.c,twice\nd@e.f,\n")

    counted = run("import", addresses, "--kind", "suppressions")

    assert counted == taken(2, duplicates=1)
    assert [(row["address"], row["detail"]) for row in run("export", "suppressions")] == [
        ("a@b.c", "asked us"),
        ("d@e.f", ""),
    ]


def test_what_a_file_suppresses_is_known_from_the_beginning(run: Run, file: Run, tmp_path: Path):
    run("import", file("gone.csv", "email\na@b.c\n"), "--kind", "suppressions")

    with opened(tmp_path) as services, services.store.read() as connection:
        suppressed = find_suppressed(
            connection, ["a@b.c"], MONDAY, known_by=MONDAY - timedelta(days=900)
        )

    assert suppressed == {"a@b.c": "import"}


def test_exported_events_name_their_customer_and_parked_ones_nobody(run: Run, file: Run):
    rows = "1,,Order Completed,2026-01-01T00:00:00Z,x\n,a@b.c,Seen,2026-01-02,\n"
    events = file("events.csv", "customer_id,email,event,occurred_at,sku\n" + rows)

    run("import", events)
    first, second = run("export", "events")

    assert {key: first[key] for key in ("customer", "name", "channel", "occurred_at")} == {
        "customer": "1",
        "name": "order.completed",
        "channel": "store",
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    assert first["properties"] == {"sku": "x"}
    assert second["customer"] is None


@pytest.mark.parametrize(
    "noun",
    [
        "events", "customers", "identities", "messages", "delivery_events", "answers", "decisions",
        "enrollments", "memberships", "suppressions", "consents",
    ],
)  # fmt: skip
def test_every_noun_can_be_exported(run: Run, noun: str):
    assert run("export", noun) == []


def test_an_unknown_noun_is_wrong_use(run: Run):
    assert "choose from" in run("export", "secrets", code=2)["error"]


def test_an_unknown_kind_is_wrong_use(run: Run, file: Run):
    assert "--kind" in run("import", file("a.csv", ORDERS), "--kind", "people", code=2)["error"]


def test_the_whole_of_cdnow_comes_in(run: Run, shared: Path, tmp_path: Path):
    packed = tmp_path / "cdnow_master.csv.gz"
    packed.write_bytes((shared / "data/drift/cdnow_master.csv.gz").read_bytes())
    maps = ("occurred_at=ts", "event=const:order.completed", "channel=const:store")
    words = [str(packed), *(word for m in maps for word in ("--map", m))]

    assert run("import", *words) == {
        "accepted": 69_659,
        "duplicates": 0,
        "rejected": 0,
        "unusable_addresses": 0,
    }
    assert run("import", *words) == {
        "accepted": 0,
        "duplicates": 69_659,
        "rejected": 0,
        "unusable_addresses": 0,
    }


def test_an_import_says_what_waits_for_an_owner_and_parked_settles_it(run: Run, file: Run):
    guests = file(
        "guests.csv",
        "email,event,occurred_at\n"
        "ana@example.com,Order Completed,2026-02-01T08:00:00Z\n"
        "guest@example.com,Order Completed,2026-02-01T08:00:00Z\n",
    )
    run("import", file("customers.csv", "customer_id,email\n7,ana@example.com\n"))

    said = run("import", guests)

    assert said["waiting"] == {"unknown_address": 1}
    assert "waiting" not in run("import", guests)
    [listed] = run("parked")["waiting_for"]
    assert (listed["value"], listed["events"]) == ("guest@example.com", 1)
    assert run("doctor")["notes"][0].startswith("1 event of 1 address waits")
    run("parked", "drop", code=2)
    run("parked", "attach", "nobody", "--all", code=1)
    assert run("parked", "make", "--all") == {"made": 1, "attached": 1, "left": 0}
    assert run("parked", "make", "--all") == {"made": 0, "attached": 0, "left": 0}
    assert run("customer", "guest@example.com")["traits"] == {"email": "guest@example.com"}
