"""The tour of the README, typed as it stands there."""

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from urllib.request import urlopen

import pytest

from rekindle.cli.app import main
from rekindle.workspace.folder import load_workspace
from tests.servers import free_port

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
TOUR = README[README.index("## Ten minutes") : README.index("## What you can rely on")]
BLOCKS = [dedent(block) for block in re.findall(r"(?:^    .*\n)+", TOUR, re.MULTILINE)]
FILES = re.findall(r"```yaml\n# (\S+)\n(.*?)```", TOUR, re.DOTALL)
CUSTOMERS = "customer_id,email,first_name\n17,ana@example.com,Ana\n18,bob@example.com,Bob\n"
SERVES = "rekindle up"


def typed() -> list[str]:
    """The lines that somebody types, with what stands behind `#` left out."""
    lines = [line for block in BLOCKS for line in block.splitlines()]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines
            if line.startswith("rekindle ")]  # fmt: skip


def shown(name: str) -> str:
    """What the tour shows of a file with `$ head`."""
    [block] = [block for block in BLOCKS if block.startswith("$ head") and name in block]
    return block.partition("\n")[2]


def give_files(shop: Path) -> None:
    """What the reader brings."""
    (shop / "customers.csv").write_text(CUSTOMERS)
    (shop / "orders.csv").write_text(shown("orders.csv"))


def commands() -> Iterator[list[str]]:
    for line in typed():
        yield from (shlex.split(part) for part in line.replace("'&&'", "&&").split(" && "))


def test_every_line_of_the_tour_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REKINDLE_DATABASE_URL", raising=False)
    said: dict[str, str] = {}
    for words in commands():
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            give_files(Path.cwd())
        elif words != SERVES.split():
            assert main(words[1:]) == 0, (words, capsys.readouterr())
            said[" ".join(words[1:])] = capsys.readouterr().out

    assert said["check"] == "All is in order.\n"
    assert said["import customers.csv --kind customers"].startswith("2 accepted")
    assert "win_back" in said["plan"]
    assert said["apply"] == said["plan"]
    assert "order.completed" in said["customer 17"]
    assert "Usually buys every 7 days" in said["drift 17"]
    assert "not in drifting_regulars" in said["segment drifting_regulars --explain 17"]


def test_the_files_of_the_tour_are_in_order_in_the_workspace(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "shop")]) == 0
    for name, text in FILES:
        (tmp_path / "shop" / name).write_text(text)

    problems = load_workspace(tmp_path / "shop", {}).problems
    # the stories are about the starter's journey, which does more than the one that is shown
    found = [str(problem) for problem in problems if not problem.place.file.startswith("tests/")]

    assert len(FILES) == 2
    assert found == []


@pytest.mark.deep
def test_the_tour_works_in_a_shell(tmp_path: Path) -> None:
    """Line by line, as one shell would read them, and then the servers come up."""
    shop, port = tmp_path / "shop", free_port()
    lines = [line for line in typed() if line != SERVES]
    first = lines[0].replace("'&&'", "&&")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(tmp_path)}
    subprocess.run(["bash", "-ec", first], cwd=tmp_path, env=environment, check=True)
    give_files(shop)
    script = "\n".join(lines[1:])
    subprocess.run(["bash", "-ec", script], cwd=shop, env=environment, check=True)
    served = [*SERVES.split(), "--port", str(port)]
    served[0] = str(Path(sys.executable).parent / "rekindle")
    process = subprocess.Popen(served, cwd=shop, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz")
    finally:
        process.terminate()
        assert process.wait(60) == 0


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            with urlopen(url) as answer:  # our own server
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")
