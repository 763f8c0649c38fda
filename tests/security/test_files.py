"""Attacks by whoever shares the machine, or may propose a change to the workspace."""

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from adapters.email.base import OutgoingEmail
from adapters.email.outbox import Outbox
from rekindle.cli.app import main
from rekindle.errors import ProviderUnavailable
from rekindle.private_files import make_private_folder, open_private, write_new, write_whole
from rekindle.state import state_folder
from rekindle.workspace.files import FOLDERS, load_files
from rekindle.workspace.library import read_settings
from tests.shop import LAYOUT, Shop

OTHERS = stat.S_IRWXG | stat.S_IRWXO
UMASKS = [0o000, 0o022, 0o077]
SECRET = "a word that nobody may see"
OUR_FILES = {"rekindle.db", "rekindle.db-wal", "rekindle.db-shm", "secret.key"}


@pytest.fixture(params=UMASKS, ids="{:03o}".format)
def umask(request: pytest.FixtureRequest):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(*files: Path) -> dict[str, int]:
    """What anybody but the owner may do with these."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) & OTHERS for file in files}


def test_all_that_the_engine_keeps_is_its_owners_alone(tmp_path: Path, now, umask: int):
    """A journey that mails somebody, in the workspace's own database."""
    state = tmp_path / ".rekindle"
    shop = Shop(tmp_path, f"sqlite:///{state_folder(tmp_path) / 'rekindle.db'}", now, {})
    shop.write("templates/layouts/brand.html.j2", LAYOUT)
    shop.mail("hello")
    shop.write("journeys/hello.yaml", HELLO)
    shop.apply()
    shop.services.announce("a test")
    shop.customer("ana")
    shop.happens("order.completed", "ana")
    shop.process.run_until_idle()

    kept = [*state.iterdir(), *(tmp_path / "outbox").iterdir()]
    found = modes(state, tmp_path / "outbox", *kept)
    shop.services.close()

    assert found.keys() >= {*OUR_FILES, "outbox", "1.eml"}
    assert [name for name in found if name.endswith(".running")]
    assert {name: mode for name, mode in found.items() if mode} == {}


HELLO = """
journey: hello
topic: service
start: [{event: order.completed}]
steps:
  - send: hello
"""


def test_a_database_that_lies_elsewhere_is_its_owners_alone(tmp_path: Path, umask: int):
    file = tmp_path / "elsewhere.db"

    assert main(["db", "upgrade", "--database", f"sqlite:///{file}"]) == 0

    assert modes(*tmp_path.glob("elsewhere.db*")) == {"elsewhere.db": 0}


@pytest.fixture
def shop(tmp_path: Path, capsys) -> Path:
    folder = tmp_path / "shop"
    assert main(["init", str(folder)]) == 0
    capsys.readouterr()
    return folder


def test_what_commands_write_of_customers_is_their_owners_alone(shop, tmp_path, umask, capsys):
    events = tmp_path / "events.csv"
    events.write_text("customer_id,event,occurred_at\nana,order.completed,never\n")
    plan, scores = tmp_path / "plan.json", tmp_path / "scores.csv"
    plan.touch(0o666)  # there before, and open
    log = tmp_path / "log.csv"
    days = [f"2026-01-{day:02}" for day in range(1, 28)]
    log.write_text("customer_id,ts,channel\n" + "".join(f"c,{day},web\n" for day in days))

    main(["import", str(events), "--workspace", str(shop)])
    main(["plan", "--out", str(plan), "--workspace", str(shop)])
    main(["drift", "--events", str(log), "--as-of", "2026-02-01", "--out", str(scores)])

    capsys.readouterr()
    written = [events.with_name("events.csv.rejects.jsonl"), plan, scores]
    assert modes(*written) == {file.name: 0 for file in written}


def test_what_stood_open_is_closed_by_the_next_command(shop: Path, capsys):
    assert main(["users", "list", "--workspace", str(shop)]) == 0
    (shop / "outbox").mkdir()
    opened = [shop / ".rekindle", shop / "outbox", shop / ".rekindle/rekindle.db",
              shop / ".rekindle/secret.key"]  # fmt: skip
    for file in opened:
        file.chmod(0o777 if file.is_dir() else 0o666)

    assert main(["users", "list", "--workspace", str(shop)]) == 0

    assert not any(modes(*opened).values())


def test_doctor_names_what_others_may_read(shop: Path, tmp_path: Path, capsys):
    file = tmp_path / "elsewhere.db"
    options = ["--workspace", str(shop), "--database", f"sqlite:///{file}"]
    assert main(["db", "upgrade", *options]) == 0
    main(["doctor", *options])
    before = capsys.readouterr().out
    file.chmod(0o644)

    assert main(["doctor", *options]) == 1

    assert "others on this machine" not in before
    assert f"others on this machine may read {file}" in capsys.readouterr().out


def test_no_device_loses_its_rights(tmp_path: Path):
    before = os.stat(os.devnull).st_mode
    with open(os.devnull, "w", opener=open_private) as device:
        device.write("x")

    assert os.stat(os.devnull).st_mode == before


def test_of_many_who_write_a_file_at_once_one_is_told_that_it_did(tmp_path: Path):
    told: list[bool] = []

    def write(number: int) -> None:
        told.append(write_new(tmp_path / "file", b"%d" % number * 10_000))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == [False] * 7 + [True]
    assert len((tmp_path / "file").read_bytes()) == 10_000
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_replaced_is_left_as_it_was(tmp_path: Path):
    (tmp_path / "file").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "file", b"new")

    assert [file.name for file in tmp_path.iterdir()] == ["file"]


# --- symbolic links


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = make_private_folder(tmp_path / "outside")
    for name in ("page.html.j2", "rows.csv", "hello.yaml", "rekindle.yaml"):
        (folder / name).write_text(SECRET)
    return folder


def said_of(folder: Path) -> dict[str, str]:
    files, problems = load_files(folder)
    assert not any(SECRET in file.text for file in files)
    return {p.place.file: p.message for p in problems if "symbolic link" in p.message}


NAMES = {"template": "page.html.j2", "data": "rows.csv"}


@pytest.mark.parametrize("is_relative", [False, True])
@pytest.mark.parametrize("kind", FOLDERS)
def test_a_symbolic_link_out_of_the_workspace_is_refused_by_name(shop, outside, kind, is_relative):
    name = NAMES.get(kind, "hello.yaml")
    link = shop / FOLDERS[kind] / name
    link.parent.mkdir(exist_ok=True)
    target = outside / name
    link.symlink_to(os.path.relpath(target, link.parent) if is_relative else target)

    assert [*said_of(shop)] == [f"{FOLDERS[kind]}/{name}"]


@pytest.mark.parametrize("name", [*FOLDERS.values(), "outbox"])
def test_a_folder_that_is_a_link_out_of_the_workspace_is_refused_by_name(shop, outside, name):
    shutil.rmtree(shop / name, ignore_errors=True)
    (shop / name).symlink_to(outside)

    assert [*said_of(shop)] == [name]


def test_settings_that_are_a_link_out_of_the_workspace_are_refused(shop: Path, outside: Path):
    (shop / "rekindle.yaml").unlink()
    (shop / "rekindle.yaml").symlink_to(outside / "rekindle.yaml")

    assert [*said_of(shop)] == ["rekindle.yaml"]


@pytest.mark.parametrize(
    "target",
    [".rekindle/secret.key", ".env", ".git/config", "outbox/1.eml", "data/again.csv", "nowhere"],
)
def test_secrets_within_the_workspace_are_out_of_reach_too(shop: Path, target: str):
    """`data/again.csv` is the link itself: a circle."""
    for hidden in (".rekindle/secret.key", ".env", ".git/config", "outbox/1.eml"):
        (shop / hidden).parent.mkdir(exist_ok=True)
        (shop / hidden).write_text(SECRET)
    (shop / "data").mkdir(exist_ok=True)
    (shop / "data/again.csv").symlink_to(shop / target)
    (shop / "data/chain.csv").symlink_to("again.csv")

    said = said_of(shop)

    wanted = set() if target == "nowhere" else {"data/again.csv", "data/chain.csv"}
    assert said.keys() == wanted


def test_a_link_into_a_folder_below_is_refused_by_name_and_not_entered(shop: Path, outside: Path):
    (shop / "templates/more").symlink_to(outside)

    assert [*said_of(shop)] == ["templates/more"]


def test_a_link_to_another_file_of_the_workspace_is_read(shop: Path):
    (shop / "data").mkdir(exist_ok=True)
    (shop / "data/rows.csv").write_text("a,b\n1,2\n")
    (shop / "data/same.csv").symlink_to("rows.csv")

    assert said_of(shop) == {}
    assert {"rows.csv", "same.csv"} <= {file.name for file in load_files(shop)[0]}


LINKED = [".rekindle", ".rekindle/rekindle.db", ".rekindle/rekindle.db-wal", ".rekindle/.gitignore"]


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("name", LINKED)
def test_state_that_is_linked_to_elsewhere_is_refused_and_left_alone(
    shop: Path, tmp_path: Path, capsys, name: str, is_there: bool
):
    target = tmp_path / "victim"
    if is_there:
        target.mkdir(0o755) if name == ".rekindle" else target.write_text(SECRET)
        target.chmod(0o755)
    (shop / name).parent.mkdir(exist_ok=True)
    (shop / name).symlink_to(target)

    code = main(["keys", "list", "--workspace", str(shop)])

    assert code == 2
    assert f"{shop / name} is a symbolic link" in capsys.readouterr().err
    assert target.exists() is is_there
    if is_there:
        assert stat.S_IMODE(target.stat().st_mode) == 0o755
        assert target.is_dir() or target.read_text() == SECRET


@pytest.mark.parametrize("name", [".rekindle", "outbox"])
def test_a_link_within_the_workspace_is_used_and_what_it_leads_to_keeps_its_rights(shop, name):
    (shop / "state").mkdir(0o755)
    (shop / name).symlink_to("state")

    assert main(["keys", "list", "--workspace", str(shop)]) == 0

    assert modes(shop / "state") == {"state": 0o055}
    made = [path for path in (shop / "state").iterdir() if path.is_file()]
    assert not any(modes(*made).values())


def test_a_linked_secret_key_is_read_and_keeps_its_rights(shop: Path, tmp_path: Path):
    (tmp_path / "key").write_text("k" * 40)
    (tmp_path / "key").chmod(0o644)
    (shop / ".rekindle").mkdir()
    (shop / ".rekindle/secret.key").symlink_to(tmp_path / "key")

    assert main(["keys", "list", "--workspace", str(shop)]) == 0

    assert modes(tmp_path / "key") == {"key": 0o044}


def test_rejects_are_never_written_through_a_link(shop: Path, tmp_path: Path, outside: Path):
    events = tmp_path / "events.csv"
    events.write_text("customer_id,event,occurred_at\nana,order.completed,never\n")
    target = outside / "rows.csv"
    (tmp_path / "events.csv.rejects.jsonl").symlink_to(target)

    assert main(["import", str(events), "--workspace", str(shop)]) == 1

    assert target.read_text() == SECRET
    assert "never" in (tmp_path / "events.csv.rejects.jsonl").read_text()


def test_settings_that_are_linked_from_elsewhere_are_not_read_by_themselves_either(shop, outside):
    (shop / "rekindle.yaml").unlink()
    (outside / "rekindle.yaml").write_text("provider: smtp\n")
    (shop / "rekindle.yaml").symlink_to(outside / "rekindle.yaml")

    assert read_settings(shop, {}) is None


def test_check_and_apply_refuse_and_show_no_line_of_it(shop: Path, outside: Path, capsys):
    (shop / "data").mkdir(exist_ok=True)
    (shop / "data/rows.csv").symlink_to(outside / "rows.csv")

    codes = [main([command, "--workspace", str(shop)]) for command in ("check", "apply")]

    said = "".join(capsys.readouterr())
    assert codes == [1, 1]
    assert "data/rows.csv" in said
    assert SECRET not in said


def test_no_email_is_written_through_a_link(tmp_path: Path, outside: Path):
    (tmp_path / "outbox").symlink_to(outside)
    before = sorted(outside.iterdir())
    email = OutgoingEmail(1, "1@x", "a@example.com", "b@example.com", b"x", "", "", "")

    with pytest.raises(ProviderUnavailable, match="symbolic link"):
        Outbox(tmp_path / "outbox").open().send(email, lambda: None)

    assert sorted(outside.iterdir()) == before
