"""The wheel carries the engine's folders out of everybody's way, and works from anywhere."""

import os
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("packaging")  # built and installed once

ROOT = Path(__file__).parents[1]
DECOY = {
    "pyproject.toml": """
        [build-system]
        requires = ["hatchling"]
        build-backend = "hatchling.build"
        [project]
        name = "segments"
        version = "9.9"
        [tool.hatch.build.targets.wheel]
        packages = ["segments"]
        """,
    "segments/__init__.py": "WHOSE = 'theirs'\n",
}


@dataclass(frozen=True)
class Installed:
    """A virtual environment with our wheel beside a stranger's distribution called `segments`."""

    folder: Path

    def run(self, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        program = str(self.folder / "bin" / command[0])
        whole = [program, *command[1:]]
        return subprocess.run(
            whole, cwd=cwd, env=clean, text=True, capture_output=True, check=False
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    decoy = tmp_path_factory.mktemp("decoy")
    for name, content in DECOY.items():
        (decoy / name).parent.mkdir(exist_ok=True)
        (decoy / name).write_text(content)
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True)
    install(folder, built(decoy, decoy / "dist"), wheel)
    lend_dependencies(folder)
    return Installed(folder)


def built(project: Path, into: Path) -> Path:
    """The wheel of `project`, built without network by the backend that is installed here."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return next(into.glob("*.whl"))


def install(folder: Path, *wheels: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    offline = ["--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, *offline, *map(str, wheels)], check=True)


def lend_dependencies(folder: Path) -> None:
    """Make what is installed here importable there, after its own; `.pth` files do not nest."""
    theirs = next(folder.glob("lib/python*/site-packages"))
    here = Path(pytest.__file__).parents[1]
    (theirs / "zz_dependencies.pth").write_text(f"{here}\n")


def test_the_wheel_brings_one_name_only(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names}
    assert tops == {"rekindle", next(top for top in tops if top.endswith(".dist-info"))}


def test_the_wheel_carries_everything_that_processes_read(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    bundle = {name.removeprefix("rekindle/_bundle/") for name in names if "_bundle" in name}
    assert {"migrations/env.py", "store/tables.py", "starter/rekindle.yaml"} <= bundle
    assert any(name.startswith("migrations/versions/") for name in bundle)
    assert any(name.startswith("templates/web/") for name in bundle)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not any(name.endswith(".pyc") for name in names)


def test_a_strangers_segments_survive(installed, tmp_path):
    said = installed.run("python", "-c", "import segments; print(segments.WHOSE)", cwd=tmp_path)

    assert said.stdout.strip() == "theirs"


def test_our_processes_import_our_segments_beside_a_strangers(installed, tmp_path):
    code = "import rekindle, segments.definition as ours; print(ours.__file__)"

    said = installed.run("python", "-c", code, cwd=tmp_path)

    assert "rekindle/_bundle/segments" in said.stdout, said.stderr


def test_check_in_an_empty_folder_says_what_is_wrong(installed, tmp_path):
    said = installed.run("rekindle", "check", cwd=tmp_path)

    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert "rekindle.yaml" in said.stdout + said.stderr


def test_the_starter_made_from_the_wheel_is_sound(installed, tmp_path):
    made = installed.run("rekindle", "init", "shop", cwd=tmp_path)
    checked = installed.run("rekindle", "check", "--workspace", "shop", cwd=tmp_path)

    assert made.returncode == 0, made.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_database_is_migrated_from_the_wheel(installed, tmp_path):
    upgraded = installed.run("rekindle", "db", "upgrade", cwd=tmp_path)
    checked = installed.run("rekindle", "db", "check", cwd=tmp_path)

    assert upgraded.returncode == 0, upgraded.stderr
    assert checked.returncode == 0, checked.stderr
