"""``python -m fuzz``: targets in turn for a time, or some cases of one; what fails is kept as a file."""

import argparse
import hashlib
import importlib
import itertools
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from random import Random, SystemRandom

from fuzz import TARGETS

MEMORY = 300 << 20  # bytes that reading an input may take beside what the imports take
SECONDS = 5  # that it may take
SEEDED = "seed "  # begins the name of an input that a seed makes
FOUND = Path("build/fuzz")
CORPUS = Path(__file__).with_name("corpus")  # what was found once


class TookTooLong(BaseException):
    """An input that takes more than its time."""


def main() -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", default=TARGETS, help=f"of {', '.join(TARGETS)}; all if none is given"
    )
    parser.add_argument("--seconds", type=float, default=120, help="for all targets together")
    parser.add_argument("--cases", type=int, help="of each target, instead of a time")
    parser.add_argument("--seed", type=int, help="of the first case; random if not given")
    options = parser.parse_args()
    seed = SystemRandom().randrange(1 << 48) if options.seed is None else options.seed
    failures = 0
    for target in options.targets:
        failures += _in_a_child(target, seed, options.cases, options.seconds / len(options.targets))
    return 1 if failures else 0


def _in_a_child(target: str, seed: int, cases: int | None, seconds: float) -> int:
    """A child that an input kills is a finding, too: the input is what was tried last."""
    FOUND.mkdir(parents=True, exist_ok=True)
    last = FOUND / f"{target}.last"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = _run(target, seed, cases, seconds, last)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        kept = _keep(target, last.read_bytes())
        print(f"{target}: the process died of signal {os.WTERMSIG(status)}: {kept}")
    last.unlink(missing_ok=True)
    if not any(FOUND.iterdir()):
        FOUND.rmdir()
    return 1 if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _run(target: str, seed: int, cases: int | None, seconds: float, last: Path) -> int:
    module = importlib.import_module(f"fuzz.{target}")
    inputs = _made_by_a_child(target, seed)
    module.check(next(inputs)[1])  # imports and compiles what is needed
    if Path("/dev/shm").is_dir():
        tempfile.tempdir = "/dev/shm"  # many small files
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGPROF, _too_long)
    began, failures, longest, number, read = time.monotonic(), 0, 0.0, 0, 0
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, data in inputs:
        if name.startswith(SEEDED):
            if number == cases or (cases is None and time.monotonic() > began + seconds):
                break
            number += 1
        if target != "coders":  # a million of them: written only if one fails
            last.write_bytes(data)
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            read += bool(module.check(data))
        except (Exception, TookTooLong):
            failures += 1
            traceback.print_exc()
            print(f"{target}: {name} failed: {_keep(target, data)}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        longest = max(longest, time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{target}: {number} inputs from seed {seed} in {time.monotonic() - began:.0f} s, "
        f"{read} read, {failures} failures; at most {longest:.2f} s of processor time each, "
        f"and {memory // 1024} MB, {base // 1024} of them before the first"
    )
    return min(failures, 100)


def _made_by_a_child(target: str, seed: int) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of a first input, of what broke something once, and of those of the seeds, without end.

    A child makes them, so that the memory that this takes is not counted as the reader's.
    """
    ours, its = Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        ours.close()
        with suppress(BrokenPipeError):  # there are enough
            for name, data in _inputs(target, seed):
                its.send_bytes(name.encode())
                its.send_bytes(data)
        os._exit(0)
    its.close()
    while True:
        yield ours.recv_bytes().decode(), ours.recv_bytes()


def _inputs(target: str, seed: int) -> Iterator[tuple[str, bytes]]:
    module = importlib.import_module(f"fuzz.{target}")
    yield "the first", module.make(Random(0))
    yield from ((path.name, path.read_bytes()) for path in sorted((CORPUS / target).glob("*")))
    yield from ((name, make()) for name, make in module.KNOWN.items())
    for number in itertools.count(seed):
        yield f"{SEEDED}{number}", module.make(Random(f"{target} {number}"))


def _too_long(*_: object) -> None:
    raise TookTooLong(f"more than {SECONDS} s")


def _keep(target: str, data: bytes) -> Path:
    path = FOUND / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    sys.exit(main())
