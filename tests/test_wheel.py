"""What is published: the wheel holds the two packages and the traces, and nothing of anybody else's name."""

from __future__ import annotations

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
