"""What is published: the wheel holds the two packages and the traces, and nothing of anybody else's name."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_installs_two_packages_and_no_other_name(wheel):
    with zipfile.ZipFile(wheel) as archive:
        top = {name.split("/")[0] for name in archive.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"hwsim", "hwsim_rtl"}


def test_the_wheel_has_every_module_data_file_and_trace(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for here, there in (("hwsim", "hwsim"), ("rtl/hwsim_rtl", "hwsim_rtl"), ("traces", "hwsim/_traces")):
        tracked = subprocess.run(
            ["git", "ls-files", here], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split()
        assert tracked
        assert {there + name.removeprefix(here) for name in tracked} <= names


def test_the_wheel_is_fit_for_an_index(wheel):
    pytest.importorskip("twine")
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def commands_of_use() -> list[list[str]]:
    """What the README's *Use* says to type, its placeholders filled in."""
    use = (ROOT / "README.md").read_text(encoding="utf-8").split("## Use")[1].split("```")[0]
    typed = [line.split(" # ")[0].strip() for line in use.splitlines() if line.startswith("    hwsim")]
    given = {"TRACE": "lenet5_digits/sparse", "DIR": "out", "A": "lenet5_digits/baseline"}
    given |= {"B": "lenet5_digits/sparse", "resnet18": "lenet5", "resnet18.zarr.zip": "made.zarr.zip"}
    return [[given.get(word, word) for word in shlex.split(line)][1:] for line in typed]


def test_the_wheel_alone_does_all_that_the_readme_says_to_use(wheel, tmp_path):
    """Installed outside the checkout, its dependencies from where the tests have them."""
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site]
    subprocess.run([*pip, wheel], check=True)
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment["PYTHONPATH"] = str(site)

    def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=here, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert python("import hwsim; print(hwsim.__file__)").stdout.startswith(str(site))
    (here / "machine.toml").write_text("cores = 4\n")
    commands = commands_of_use()
    assert {words[0] for words in commands} >= {"run", "compare", "info", "traces", "doctor", "synth"}
    for words in commands:
        done = python("from hwsim.cli import main; main()", *words)
        assert (done.returncode, "fault of hwsim" in done.stderr) == (0, False), (words, done.stderr)
        assert done.stdout, words
    assert (here / "out" / "report.html").is_file()
