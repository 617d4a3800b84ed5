"""A process that is killed before each of its changes to the file system in turn."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def deaths(work: Callable[[], object], torn: bool = False, again: bool = False) -> Iterator[int]:
    """Do the work in a child that dies by SIGKILL before its first change, then in one that dies before its
    second, and so on until one lives; yields the number after each death.

    Args:
        work: what to do; everything that it imports should be imported already.
        torn: the file that was opened last for writing is cut in half before death, as if the kill had come
            while it was written.
        again: every child goes on from what the one before it left; without it, the caller cleans up.
    """
    for number in range(1, 10_000):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                sys.dont_write_bytecode = True
                death = _Death(number, torn)
                sys.addaudithook(death)
                work()
                death.at_the_end()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"the work failed before its change {number}"
            assert number > 1 or again, "the work changed nothing"
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield number
    raise AssertionError("the work never ends")


class _Death:
    def __init__(self, number: int, torn: bool) -> None:
        self.left, self.torn, self.last, self.writing = number, torn, "", False

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.left == 0:  # of its own cutting
            return
        opens = event == "open" and arguments[2] & WRITES
        if not (opens or event in CHANGES):
            return
        self.left -= 1
        if self.left == 0:
            self._die()
        self.writing = opens and "a" not in (arguments[1] or "")
        if self.writing:
            self.last = os.fspath(arguments[0])

    def at_the_end(self) -> None:
        """What was opened last, and nothing was done with since, may have been cut in half, too."""
        if self.torn and self.writing and self.left == 1:
            self._die()

    def _die(self) -> None:
        self.left = 0
        if self.torn and self.last and os.path.exists(self.last):
            os.truncate(self.last, os.path.getsize(self.last) // 2)
        os.kill(os.getpid(), signal.SIGKILL)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a path, folders too (None), by its path."""
    if folder.is_file():
        return {".": folder.read_bytes()}
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }
