"""Processor time of commands on a shipped trace, as multiples of a bare import of numpy, numba and zarr.

    python benchmarks/start_time.py [TIMES]

Each command runs so many times (7) in turn with the others, in a process of its own; the least time of each
counts. The first round fills numba's cache and counts for nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

TRACE = "lenet5_digits/sparse"
PROGRAM = "from hwsim.cli import main; main()"


def seconds(*arguments: str) -> float:
    """Processor time of a Python process, user and system."""
    process = subprocess.Popen([sys.executable, "-c", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{arguments} failed")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "import numpy, numba, zarr": ("import numpy, numba, zarr",),
            "hwsim --help": (PROGRAM, "--help"),
            f"hwsim run {TRACE}": (PROGRAM, "run", TRACE),
            f"hwsim run {TRACE} --out DIR": (PROGRAM, "run", TRACE, "--out", folder),
        }
        rounds = [{name: seconds(*command) for name, command in commands.items()} for _ in range(times + 1)]
        found = {name: min(times[name] for times in rounds[1:]) for name in commands}
    base = next(iter(found.values()))
    for name, taken in found.items():
        print(f"{taken:6.2f} s {taken / base:6.2f} x  {name}")


if __name__ == "__main__":
    main()
