"""What all tests share."""

import math
import os

import pytest
from hypothesis import settings

from hwsim.cli import console, main

# Processes side by side have a core each, and what they compute with reads this when it is loaded.
if "PYTEST_XDIST_WORKER" in os.environ:
    for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(threads, "1")

# The first call of a compiled loop takes seconds, so no example has a deadline.
settings.register_profile("hwsim", deadline=None, print_blob=True)
settings.load_profile("hwsim")


@pytest.fixture
def hwsim(capsys, monkeypatch):
    """Run the program in this process: (exit code, stdout, stderr).

    However slow the machine is, it says nothing of its progress, and however wide the terminal that the tests
    were started from, tables are as wide as where the output is piped.
    """
    monkeypatch.setattr(console, "LINE_EVERY", math.inf)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run
