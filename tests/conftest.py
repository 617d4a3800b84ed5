"""What all tests share."""

import pytest
from hypothesis import settings

from hwsim.cli import main

# The first call of a compiled loop takes seconds, so no example has a deadline.
settings.register_profile("hwsim", deadline=None, print_blob=True)
settings.load_profile("hwsim")


@pytest.fixture
def hwsim(capsys):
    """Run the program in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run
