"""Attacks on the secret key: half written, empty, short, made twice, replaced, leaked."""

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from rekindle.cli.app import main
from rekindle.clock import wall_now
from rekindle.errors import NotFound, WrongUse
from rekindle.private_files import write_whole
from rekindle.secret_keys import (
    FALLBACKS_NAME,
    FALLBACKS_VARIABLE,
    FILE_NAME,
    KEEP_FALLBACKS,
    SHORTEST_KEY_BYTES,
    VARIABLE,
    Fallback,
    KeyRing,
    drop_from_file,
    load_secret_keys,
    rotate_file,
)
from rekindle.services import open_services
from rekindle.state import state_folder
from templates.links import Signer

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = date(2028, 3, 1)
LONG = "a key of thirty-two bytes or more"
READERS = {
    "click": (lambda signer: signer.sign_click(7, 1, "e"), lambda s, token: s.read_click(token)),
    "address": (
        lambda signer: signer.sign_click(7, "https://shop.example.com"),
        lambda s, token: s.read_click(token),
    ),
    "survey": (lambda signer: signer.sign_survey(7, "csat"), lambda s, token: s.read_survey(token)),
    "unsubscribe": (
        lambda signer: signer.sign_unsubscribe(7, 3, "offers"),
        lambda s, token: s.read_unsubscribe(token),
    ),
    "open": (lambda signer: signer.sign_open(7), lambda s, token: s.read_open(token)),
    "view": (lambda signer: signer.sign_view(7), lambda s, token: s.read_view(token)),
}


@pytest.mark.parametrize("length", [0, 1, SHORTEST_KEY_BYTES - 1, SHORTEST_KEY_BYTES])
@pytest.mark.parametrize("place", ["file", "environment", "fallbacks", "fallbacks variable"])
def test_a_short_key_is_refused_wherever_it_comes_from(tmp_path: Path, length: int, place: str):
    key, environment = "k" * length, {}
    if place == "file":
        (tmp_path / FILE_NAME).write_text(f" {key}\n")
    elif place == "environment":
        environment = {VARIABLE: key}
    elif place == "fallbacks":
        (tmp_path / FILE_NAME).write_text(LONG)
        (tmp_path / "secret.key.fallbacks").write_text(f"2030-01-01:{key}\n")
    else:
        environment = {VARIABLE: LONG, FALLBACKS_VARIABLE: f"2030-01-01:{key}"}

    if length >= SHORTEST_KEY_BYTES:
        keys = load_secret_keys(tmp_path, environment)
        assert key in (keys.newest, *(kept.key for kept in keys.fallbacks))
        return
    with pytest.raises(WrongUse, match="32") as refused:
        load_secret_keys(tmp_path, environment)
    assert length < 2 or key not in str(refused.value)


@pytest.mark.parametrize("written", ["x", "2030-13-01:" + LONG, f"{LONG} 2030-01-01:{LONG}"])
def test_fallbacks_that_make_no_sense_are_refused_without_a_word_of_them(tmp_path, written):
    with pytest.raises(WrongUse, match=FALLBACKS_VARIABLE) as refused:
        load_secret_keys(tmp_path, {VARIABLE: LONG, FALLBACKS_VARIABLE: written})
    assert LONG not in str(refused.value)


def test_every_command_refuses_an_empty_key_with_a_sentence(tmp_path: Path, capsys):
    (tmp_path / ".rekindle").mkdir()
    (tmp_path / ".rekindle" / FILE_NAME).touch()

    assert main(["users", "list", "--workspace", str(tmp_path)]) == 2

    assert "an empty key" in capsys.readouterr().err


STARTING = """
import sys
from pathlib import Path
from rekindle.secret_keys import load_secret_keys
print("ready", flush=True)
sys.stdin.readline()
for folder in sorted(Path(sys.argv[1]).iterdir()):
    print(load_secret_keys(folder, {}).newest)
"""


def test_processes_that_start_together_have_one_whole_key(tmp_path: Path):
    for number in range(60):
        (tmp_path / str(number)).mkdir()
    command = [sys.executable, "-c", STARTING, str(tmp_path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()

    given = [process.communicate()[0].splitlines() for process in processes]

    assert given[0] == given[1] == given[2]
    assert min(map(len, given[0])) >= SHORTEST_KEY_BYTES
    assert {file.name for file in tmp_path.glob("*/*")} == {FILE_NAME}  # and nothing unfinished
    assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("*/*")} == {0o600}


def test_a_process_that_dies_while_it_makes_the_key_leaves_none(tmp_path: Path):
    dying = (
        "import os, sys; from pathlib import Path; import rekindle.private_files as p; "
        "os.fsync = lambda handle: os._exit(9); "
        "from rekindle.secret_keys import load_secret_keys; "
        "load_secret_keys(Path(sys.argv[1]), {})"
    )

    died = subprocess.run([sys.executable, "-c", dying, str(tmp_path)], check=False)

    assert died.returncode == 9
    assert not (tmp_path / FILE_NAME).exists()
    assert len(load_secret_keys(tmp_path, {}).newest) >= SHORTEST_KEY_BYTES


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path):
    file = tmp_path / "no-folder"
    file.touch()

    with pytest.raises(WrongUse, match="cannot be read"):
        load_secret_keys(file, {})


def rotated(folder: Path, until: date = LATER) -> tuple[Signer, Signer]:
    """The signers before and after."""
    before = KeyRing(folder, {}, lambda: NOW).signer()
    rotate_file(folder, until, NOW)
    return before, KeyRing(folder, {}, lambda: NOW).signer()


@pytest.mark.parametrize("purpose", READERS)
def test_every_link_of_the_old_key_is_read_until_the_date_and_no_longer(tmp_path, purpose):
    sign, read = READERS[purpose]
    old, new = rotated(tmp_path)
    last = datetime(2028, 2, 29, 23, 59, tzinfo=UTC)
    after = KeyRing(tmp_path, {}, lambda: last + timedelta(minutes=1)).signer()

    assert sign(old) != sign(new)
    assert read(new, sign(old)) == read(old, sign(old)) is not None
    assert read(KeyRing(tmp_path, {}, lambda: last).signer(), sign(old)) is not None
    assert read(after, sign(old)) is None
    assert read(after, sign(new)) is not None


def test_a_link_to_sign_in_is_never_read_by_an_old_key(tmp_path: Path):
    old, new = rotated(tmp_path)
    forged = old.sign_in("nonce", NOW + timedelta(minutes=5))

    assert old.read_sign_in(forged, NOW) is not None
    assert new.read_sign_in(forged, NOW) is None


def test_a_leaked_key_can_be_given_up_at_once(tmp_path: Path):
    old, new = rotated(tmp_path, NOW.date())

    assert new.read_open(old.sign_open(7)) is None


def test_keys_that_were_replaced_again_and_again_are_all_read(tmp_path: Path):
    tokens = []
    for _ in range(4):
        tokens.append(KeyRing(tmp_path, {}, lambda: NOW).signer().sign_open(7))
        rotate_file(tmp_path, LATER, NOW)

    last = KeyRing(tmp_path, {}, lambda: NOW).signer()
    assert [last.read_open(token) for token in tokens] == [7] * 4


def test_keys_whose_date_is_over_are_forgotten_with_the_next_rotation(tmp_path: Path):
    load_secret_keys(tmp_path, {})
    rotate_file(tmp_path, LATER, NOW)

    keys = rotate_file(tmp_path, LATER + KEEP_FALLBACKS, NOW + 2 * KEEP_FALLBACKS)

    assert [kept.until for kept in keys.fallbacks] == []


def test_a_running_process_uses_the_new_key_within_seconds(tmp_path: Path, monkeypatch):
    seconds = [100.0]
    monkeypatch.setattr("rekindle.secret_keys.seconds_running", lambda: seconds[0])
    ring = KeyRing(tmp_path, {}, lambda: NOW)
    old = ring.signer().sign_open(7)
    rotate_file(tmp_path, LATER, NOW)

    seconds[0] += 2
    new = ring.signer()

    assert new.sign_open(7) != old
    assert new.read_open(old) == 7


def test_a_running_process_goes_on_with_its_key_while_the_file_is_no_good(tmp_path, monkeypatch):
    seconds = [100.0]
    monkeypatch.setattr("rekindle.secret_keys.seconds_running", lambda: seconds[0])
    ring = KeyRing(tmp_path, {}, lambda: NOW)
    token = ring.signer().sign_open(7)
    for spoil in (lambda file: file.write_text(""), lambda file: file.unlink()):
        spoil(tmp_path / FILE_NAME)
        seconds[0] += 2

        assert ring.signer().sign_open(7) == token
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("dies_at", [1, 2])
def test_a_rotation_that_dies_half_way_breaks_no_link(tmp_path: Path, monkeypatch, dies_at: int):
    token = KeyRing(tmp_path, {}, lambda: NOW).signer().sign_open(7)
    written = []

    def write(file: Path, content: bytes) -> None:
        written.append(file)
        if len(written) == dies_at:
            raise KeyboardInterrupt
        write_whole(file, content)

    monkeypatch.setattr("rekindle.secret_keys.write_whole", write)
    with pytest.raises(KeyboardInterrupt):
        rotate_file(tmp_path, LATER, NOW)
    monkeypatch.undo()

    assert KeyRing(tmp_path, {}, lambda: NOW).signer().read_open(token) == 7
    rotate_file(tmp_path, LATER, NOW)
    assert KeyRing(tmp_path, {}, lambda: NOW).signer().read_open(token) == 7


def test_the_command_rotates_the_file_and_old_unsubscribe_links_work_for_two_years(
    tmp_path: Path, capsys
):
    state_folder(tmp_path)
    with open_services(tmp_path, environment={}) as services:
        token = services.signer.sign_unsubscribe(7, 3, "offers")

    assert main(["keys", "rotate-secret", "--workspace", str(tmp_path)]) == 0

    assert "work until 20" in capsys.readouterr().out
    with open_services(tmp_path, environment={}) as services:
        assert services.signer.read_unsubscribe(token) is not None
        assert services.signer.sign_unsubscribe(7, 3, "offers") != token
    kept = load_secret_keys(tmp_path / ".rekindle", {}).fallbacks
    assert kept[0].until - datetime.now(UTC).date() >= timedelta(days=729)  # noqa: TID251


def test_a_key_of_the_environment_is_rotated_by_whoever_sets_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{LONG} with spaces")
    monkeypatch.setenv(FALLBACKS_VARIABLE, f"2031-01-01:{LONG}")
    token = Signer(LONG).sign_open(7)

    assert (
        main(["keys", "rotate-secret", "--until", "2030-01-31", "--workspace", str(tmp_path)]) == 0
    )

    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in printed if line.startswith("REKINDLE_")]
    environment = {
        name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)
    }
    ring = KeyRing(tmp_path, environment, lambda: NOW).signer()
    assert ring.read_open(Signer(f"{LONG} with spaces").sign_open(7)) == 7
    assert ring.read_open(token) == 7
    assert ring.sign_open(7) not in (token, Signer(f"{LONG} with spaces").sign_open(7))
    assert not (tmp_path / ".rekindle" / FILE_NAME).exists()


def test_an_old_key_that_leaked_later_is_dropped_by_its_name(tmp_path: Path):
    tokens = []
    for _ in range(3):
        tokens.append(KeyRing(tmp_path, {}, lambda: NOW).signer().sign_open(7))
        keys = rotate_file(tmp_path, LATER, NOW)
    second = keys.fallbacks[1]

    drop_from_file(tmp_path, [second.name], NOW)

    signer = KeyRing(tmp_path, {}, lambda: NOW).signer()
    assert [signer.read_open(token) for token in tokens] == [7, None, 7]
    assert second.name not in second.key
    with pytest.raises(NotFound, match="rotate-secret --until now"):
        drop_from_file(tmp_path, [second.name], NOW)


def test_the_commands_name_what_is_read_and_drop_it(tmp_path: Path, capsys):
    where = ["--workspace", str(tmp_path)]
    for more in ([], ["--until", "now"]):
        assert main(["keys", "rotate-secret", *more, *where]) == 0
    told = capsys.readouterr().out
    assert main(["keys", "list-secrets", "--json", *where]) == 0
    [kept] = json.loads(capsys.readouterr().out)["fallbacks"]

    assert f"Still read: {kept['name']} until 20" in told
    assert main(["keys", "drop-secret", "nothing", *where]) == 1
    assert kept["name"] in capsys.readouterr().err
    assert main(["keys", "drop-secret", kept["name"], *where]) == 0
    capsys.readouterr()
    assert main(["keys", "list-secrets", *where]) == 0
    assert capsys.readouterr().out == "No old key is read.\n"


def test_old_keys_of_the_environment_are_dropped_by_whoever_sets_them(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv(VARIABLE, f"{LONG} 1")
    monkeypatch.setenv(FALLBACKS_VARIABLE, f"2031-01-01:{LONG} 2 2031-01-01:{LONG} 3")
    name = Fallback(f"{LONG} 2", LATER).name

    assert main(["keys", "drop-secret", name, "--workspace", str(tmp_path)]) == 0

    printed = capsys.readouterr().out
    assert f'{FALLBACKS_VARIABLE}="2031-01-01:{LONG} 3"' in printed
    assert f"{LONG} 2" not in printed


def test_today_and_yesterday_are_refused_with_what_to_say_instead(tmp_path: Path, capsys):
    for until in ("2020-01-31", wall_now().date().isoformat()):
        words = ["keys", "rotate-secret", "--until", until, "--workspace", str(tmp_path)]
        assert main(words) == 2
        assert "'--until now'" in capsys.readouterr().err
    assert not (tmp_path / ".rekindle" / FALLBACKS_NAME).exists()


@pytest.mark.parametrize("until", ["soon", "2030-02-30", "-1"])
def test_a_date_that_is_none_rotates_nothing(tmp_path: Path, capsys, until: str):
    state_folder(tmp_path)
    with open_services(tmp_path, environment={}) as services:
        token = services.signer.sign_open(7)

    assert main(["keys", "rotate-secret", f"--until={until}", "--workspace", str(tmp_path)]) == 2

    with open_services(tmp_path, environment={}) as services:
        assert services.signer.sign_open(7) == token


def test_a_key_behind_a_symbolic_link_is_read_and_not_replaced(tmp_path: Path):
    (tmp_path / "elsewhere").write_text(LONG)
    os.symlink(tmp_path / "elsewhere", tmp_path / FILE_NAME)

    assert load_secret_keys(tmp_path, {}).newest == LONG
    with pytest.raises(WrongUse, match="symbolic link"):
        rotate_file(tmp_path, LATER, NOW)
    (tmp_path / "elsewhere").unlink()
    with pytest.raises(WrongUse, match=r"a symbolic link to .*elsewhere, which is not there"):
        load_secret_keys(tmp_path, {})
    assert not (tmp_path / "elsewhere").exists()
