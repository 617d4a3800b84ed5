"""Runs tests on broken code, for ``mutants.py``: one process a module, a fork of it a mutant.

The process imports a copy of the project, collects a file of tests that are meant for the module and runs
them once unchanged, which says what each of them calls and how long it takes. For every mutant of a function
a fork puts the changed code into the living function and runs the tests that call it, the shortest first,
until one fails: with a few examples of each property, then with all, or as many as take ten seconds. What is
not within a function that they call is tried by all tests of the file on the changed module, since only a new
import shows it. What survives goes to the next file of tests. Compiled loops of the module run uncompiled.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from few_examples import FEW, take_examples

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "build" / "mutants"
IMPORTED = ("hypothesis", "numba", "numpy", "pydantic", "zarr")  # here once, for all processes
OPTIONS = ("-x", "-q", "--tb=no", "-m", "not slow", "-p", "no:cacheprovider", "--hypothesis-seed=0")
FAILS, SURVIVES, NEVER_ENDS, UNKNOWN = 1, 0, 2, 3  # of a process that tried a mutant
PR_SET_PDEATHSIG = 1  # of Linux's prctl
MOST = 10  # seconds that the examples of a property take, which has fewer else
LONGEST = 1800  # seconds, after which a process that waits for something is ended


def make_copy() -> None:
    """The project as git has it, with what is changed and not committed; compiled loops are kept."""
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for path in COPY.rglob("*"):
        if (
            path.is_file()
            and path.suffix not in (".nbi", ".nbc")
            and str(path.relative_to(COPY)) not in names
        ):
            path.unlink()
    for name in names:
        (COPY / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, COPY / name)


def verdicts(module: str, tests: Sequence[str], sources: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(number, ``noticed``, ``noticed: it never ends`` or ``SURVIVED``) of each changed source of a module.

    Each as soon as it is known, so not in their order.

    Raises:
        RuntimeError: the tests fail without any change.
    """
    for name in IMPORTED:
        __import__(name)
    passed = list(range(len(sources)))
    for path in tests:  # the later ones see only what those before let pass
        left, passed = passed, []
        for place, code in _tried(module, path, [sources[i] for i in left]):
            if code == SURVIVES:
                passed.append(left[place])
            else:
                yield left[place], "noticed: it never ends" if code == NEVER_ENDS else "noticed"
    yield from ((i, "SURVIVED") for i in passed)


def _tried(module: str, tests: str, sources: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(number, what some tests say) of each changed source, as soon as they say it."""
    if not sources:
        return
    reader, writer = os.pipe()
    process = _forked(lambda: _run(module, tests, FEW, _Trials(module, sources, writer)))
    os.close(writer)
    unknown, answered = [], 0
    with os.fdopen(reader, encoding="utf-8") as answers:
        for number, line in enumerate(answers):
            answered += 1
            if int(line) == UNKNOWN:
                unknown.append(number)
            else:
                yield number, int(line)
    os.waitpid(process, 0)
    if answered < len(sources):
        raise RuntimeError(f"the tests of {module} in {tests} fail without any change")
    for number in unknown:
        few = _tried_anew(module, tests, sources[number], FEW)
        yield number, few or _tried_anew(module, tests, sources[number], None)


def _tried_anew(module: str, tests: str, source: str, examples: int | None) -> int:
    """Try a mutant by all tests of a file, with the changed source in the place of the module."""
    path = COPY / module
    original = path.read_bytes()
    path.write_text(source, encoding="utf-8")
    try:
        return _ended(_forked(lambda: _run(module, tests, examples)))
    finally:
        path.write_bytes(original)


def _forked(work: Callable[[], int]) -> int:
    """Number of a silent process that does ``work``, whose result is its exit code."""
    process = os.fork()
    if process == 0:
        code = UNKNOWN
        try:
            os.setpgid(0, 0)  # so that what it starts ends with it; no session, which the CPU serves apart
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # it ends with the run
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            code = work()
        finally:
            os._exit(code)
    return process


def _ended(process: int) -> int:
    """What a process found; one that used up its time, or waits for longer than LONGEST, never ends."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code in (SURVIVES, UNKNOWN) else NEVER_ENDS if code == -signal.SIGXCPU else FAILS
        time.sleep(0.01)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return NEVER_ENDS


def _run(module: str, tests: str, examples: int | None, *plugins: Any) -> int:
    """Run pytest in the copy, with the module's loops uncompiled; 0 if all tests pass.

    Each property has so many ``examples`` at most; all that it asks for if None.
    """
    os.chdir(COPY)
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(COPY / part) for part in (".", "rtl", "tests", "tests/rtl")]
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:4])
    from uncompiled import leave_uncompiled

    leave_uncompiled(module.removesuffix(".py").replace("/", "."))
    return int(pytest.main([*OPTIONS, tests], plugins=[_Quick(examples), *plugins]))


@dataclass
class _Quick:
    """Examples that fail are not made smaller, nor kept; there are so many of a property at most."""

    examples: int | None

    def pytest_sessionstart(self) -> None:
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings(), phases=phases, database=None)
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        take_examples(items, self.examples)


@dataclass
class _Seen:
    """What the unchanged code does in a test: functions of the module that it calls, and its seconds."""

    item: pytest.Item
    calls: set[str] = field(default_factory=set)
    seconds: float = 0.0

    @property
    def examples(self) -> int:
        """As many of a property as take MOST seconds."""
        return max(FEW, int(FEW * MOST / max(self.seconds, 0.001)))


class _Trials:
    """A plugin that runs the tests once, and then some of them for every mutant, in a fork."""

    def __init__(self, module: str, sources: Sequence[str], answers: int) -> None:
        self.path = COPY / module
        self.sources = sources
        self.answers = answers
        self.seconds = 0.0  # of processor time, of all tests
        self.living: list[FunctionType] = []  # of the module

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        begin = time.process_time()
        seen = [self._watched(item, after) for item, after in _in_turn(session.items)]
        self.seconds = time.process_time() - begin
        if session.testsfailed:
            return True
        for known in gc.get_objects():
            if isinstance(known, functools._lru_cache_wrapper):
                known.cache_clear()
        gc.collect()
        everything = gc.get_objects()  # which tells of none that is frozen
        self.living = [f for f in everything if isinstance(f, FunctionType) and self._of_module(f)]
        gc.freeze()
        for source in self.sources:
            code = _ended(_forked(lambda: self._try(session, seen, source)))  # noqa: B023
            os.write(self.answers, f"{code}\n".encode())
        return True

    def _of_module(self, function: FunctionType) -> bool:
        return function.__code__.co_filename == str(self.path)

    def _watched(self, item: pytest.Item, after: pytest.Item | None) -> _Seen:
        seen, path = _Seen(item), str(self.path)

        def called(frame: FrameType, event: str, argument: Any) -> None:
            if frame.f_code.co_filename == path:
                seen.calls.add(frame.f_code.co_qualname)

        begin = time.process_time()
        sys.settrace(called)
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        finally:
            sys.settrace(None)
        seen.seconds = time.process_time() - begin
        return seen

    def _try(self, session: pytest.Session, seen: Sequence[_Seen], source: str) -> int:
        """Change the living code and run the tests that call what is changed."""
        changed = changed_function(self.path, source)
        if changed is None:
            return UNKNOWN
        old, new = changed
        changing = [function for function in self.living if function.__code__ == old]
        # What a fixture calls is seen in the first test of a file that uses it, and matters to all of them.
        calling = [each for each in seen if old.co_qualname in each.calls]
        if not changing or not calling:
            return UNKNOWN
        for function in changing:
            function.__code__ = new
        chosen = sorted(seen, key=lambda each: (old.co_qualname not in each.calls, each.seconds))
        items = [each.item for each in chosen]
        if self._fails(session, items, int(3 * self.seconds) + 5):
            return FAILS
        more = take_examples([each.item for each in calling], FEW)
        for each in calling:
            take_examples([each.item], each.examples)
        return FAILS if self._fails(session, more, 10 * MOST * len(more) + 60) else SURVIVES

    def _fails(self, session: pytest.Session, items: Sequence[pytest.Item], seconds: int) -> bool:
        """Whether one of the tests fails; the process ends if they take longer."""
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        for item, after in _in_turn(items):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if session.testsfailed:
                return True
        return False


def _in_turn(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Every test, and the one after it."""
    return zip(items, [*items[1:], None], strict=True)


def changed_function(path: Path, source: str) -> tuple[CodeType, CodeType] | None:
    """Code of the one outermost function that a change is in, before and after; None if it is in none."""
    texts = path.read_text(encoding="utf-8"), source
    before, after = (compile(text, str(path), "exec", dont_inherit=True) for text in texts)
    return _changed(before, after)


def _changed(before: CodeType, after: CodeType) -> tuple[CodeType, CodeType] | None:
    inner = [[part for part in code.co_consts if isinstance(part, CodeType)] for code in (before, after)]
    if len(inner[0]) != len(inner[1]) or _own(before) != _own(after):
        return None
    pairs = [(old, new) for old, new in zip(*inner, strict=True) if old != new]
    if len(pairs) != 1:
        return None
    old, new = pairs[0]
    is_class = "__module__" in old.co_names and "__qualname__" in old.co_names
    if is_class:
        return _changed(old, new)
    return (old, new) if old.co_freevars == new.co_freevars else None


def _own(code: CodeType) -> tuple[Any, ...]:
    """What a body does, apart from the functions in it."""
    constants = tuple("" if isinstance(part, CodeType) else (type(part), part) for part in code.co_consts)
    return code.co_code, constants, code.co_names
