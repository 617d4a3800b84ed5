"""A seeded sample of `make fuzz`, and all that it ever found, under its bounds on memory and time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import TARGETS

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
CASES = {"coders": 4000, "traces": 60, "toml": 100, "topologies": 60, "onnx": 60, "sweeps": 40, "results": 99}


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks(target, tmp_path):
    if target == "onnx":
        pytest.importorskip("onnxruntime")
    command = [sys.executable, "-m", "fuzz", target, "--cases", str(CASES[target]), "--seed", "7"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\nRepeat: cd tests && {' '.join(command[1:])}"
    assert f"{CASES[target]} inputs from seed 7" in done.stdout
    assert ", 0 read" not in done.stdout
