"""`make mutants`: breaks the code on purpose, one small change at a time, and sees whether tests notice.

The changes are those of cosmic-ray's operators. Each is made in a copy of the project, and the tests meant
for the module run there, until one fails. A module with compiled loops is tested with the compiler off: a
change of a loop would else be compiled anew each time. What no test can notice, since it changes nothing,
stands with its reason in ``mutants_equivalent.toml``.

    python tests/mutants.py                              # a seeded sample over all modules
    python tests/mutants.py --seed 7 --sample 200
    python tests/mutants.py --all hwsim/machine/energy.py
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "build" / "mutants"
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.toml")
SHARE = 0.95  # of the mutants that a test must notice
SECONDS = 300  # after which a mutant that does not end counts as noticed: the tests would hang
# What each module is tested by; a folder stands for all tests in it. Those likely to notice come first.
MEANT_FOR = {
    "hwsim/machine/area.py": ("tests/machine/test_area.py",),
    "hwsim/machine/descriptors.py": ("tests/machine/test_descriptors.py",),
    "hwsim/machine/dram.py": ("tests/machine/test_dram.py", "tests/machine/test_simulation.py"),
    "hwsim/machine/energy.py": ("tests/machine/test_energy.py",),
    "hwsim/machine/lanes.py": ("tests/export/test_timeline.py", "tests/report/test_timeline.py"),
    "hwsim/machine/mapping.py": ("tests/machine/test_mapping.py", "tests/machine/test_simulation.py"),
    "hwsim/machine/marks.py": ("tests/report/test_marks.py",),
    "hwsim/machine/passes.py": ("tests/machine/test_passes.py",),
    "hwsim/machine/result.py": ("tests/machine/test_result.py", "tests/report/test_one_account.py"),
    "hwsim/machine/rows.py": ("tests/machine/test_rows.py",),
    "hwsim/machine/runs.py": ("tests/machine/test_totals.py",),
    "hwsim/machine/schedule.py": ("tests/machine/test_simulation.py", "tests/machine/test_dram.py"),
    "hwsim/machine/sharing.py": ("tests/machine/test_mapping.py",),
    "hwsim/machine/simulation.py": ("tests/machine/test_energy.py", "tests/machine/test_simulation.py"),
    "hwsim/machine/stored.py": ("tests/machine/test_dram.py", "tests/machine/test_result.py"),
    "hwsim/machine/summary.py": ("tests/machine/test_result.py",),
    "hwsim/machine/symbols.py": ("tests/machine/test_passes.py",),
    "hwsim/machine/totals.py": ("tests/machine/test_totals.py", "tests/report/test_tables.py"),
    "hwsim/machine/workload.py": ("tests/machine/test_workload.py", "tests/machine/test_simulation.py"),
    "hwsim/export/accelergy.py": ("tests/export/test_accelergy.py",),
    "hwsim/export/dram_trace.py": ("tests/export/test_dram_trace.py",),
    "hwsim/export/files.py": ("tests/export",),
    "hwsim/export/scalesim.py": ("tests/export", "tests/networks"),
    "hwsim/export/timeline.py": ("tests/export/test_timeline.py",),
    "hwsim/export/yaml_text.py": ("tests/export",),
    "hwsim/report/tables.py": (
        "tests/report/test_tables.py",
        "tests/report/test_text.py",
        "tests/report/test_measured.py",
    ),
    "hwsim/sweep/evaluate.py": ("tests/sweep",),
    "hwsim/quantize.py": ("tests/test_quantize.py",),
    "hwsim/capture/plan.py": ("tests/capture",),
}
# Removing a decorator changes a loop's speed or turns a property into a method, and identity in the place of
# equality is the same for names and small numbers: both say little.
LEFT_OUT = re.compile(r"core/(RemoveDecorator|ReplaceComparisonOperator_(Eq|NotEq|Lt|LtE|Gt|GtE)_Is(Not)?)")


@dataclass(frozen=True)
class Mutant:
    """A change: the ``occurrence``-th place of an operator in a module, at (line, column) ``place``."""

    module: str
    operator: str
    occurrence: int
    place: tuple[int, int]


def mutants_of(module: str) -> list[Mutant]:
    """All changes of a module, but for those in annotations and decorators, which no result depends on."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / module).read_text(encoding="utf-8")
    silent = list(_of_no_result(ast.parse(source)))
    nodes = list(ast_nodes(get_ast(source)))
    found = []
    for name in sorted(operator_names()):
        kind = get_operator(name)
        if LEFT_OUT.fullmatch(name) or kind.arguments():
            continue
        places = [place for node in nodes for place in kind().mutation_positions(node)]
        for occurrence, (start, end) in enumerate(places):
            if not any(low <= start and end <= high for low, high in silent):
                found.append(Mutant(module, name, occurrence, start))
    return found


def _of_no_result(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Begin and end of every annotation, decorator, and of what is imported for types alone."""
    for node in ast.walk(tree):
        parts: list[ast.expr | ast.stmt | None] = []
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            everyone = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            parts = [node.returns, *(each.annotation for each in everyone), *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.decorator_list]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.annotation]
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            parts = [node]
        for part in parts:
            if part is not None:
                end = part.end_lineno or part.lineno, part.end_col_offset or part.col_offset
                yield (part.lineno, part.col_offset), end


def sample(mutants: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """Some of the mutants: one change each at places of every module in proportion, and at least at one."""
    places: dict[str, dict[tuple[int, int], list[Mutant]]] = {}
    for mutant in mutants:
        places.setdefault(mutant.module, {}).setdefault(mutant.place, []).append(mutant)
    chance = random.Random(seed)
    total = sum(map(len, places.values()))
    chosen = []
    for of_module in places.values():
        count = max(1, round(size * len(of_module) / total))
        picked = chance.sample(sorted(of_module), min(count, len(of_module)))
        chosen += [chance.choice(of_module[place]) for place in picked]
    return chosen


def make_copy() -> None:
    """The project as git has it, with what is changed and not committed."""
    shutil.rmtree(COPY, ignore_errors=True)
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    files = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)


def noticed(module: str, source: str) -> bool:
    """Whether a test of the module fails when ``source`` is in its place.

    Tests run in a child of this process, which has the libraries loaded and nothing of the project.
    """
    path = COPY / module
    original = path.read_text(encoding="utf-8")
    path.write_text(source, encoding="utf-8")
    child = os.fork()
    if child == 0:
        os.setsid()
        os._exit(_run_tests(module, "njit" in original))
    try:
        return _ended(child) != 0
    finally:
        path.write_text(original, encoding="utf-8")


def _run_tests(module: str, compiled: bool) -> int:
    """Run the tests that are meant for a module, until the first that fails; the exit code of pytest."""
    os.chdir(COPY)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(COPY / part) for part in (".", "rtl", "tests", "tests/rtl")]
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:4])
    import numba
    import pytest

    numba.config.DISABLE_JIT = compiled  # type: ignore[attr-defined]
    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    return int(pytest.main([*options, *MEANT_FOR[module]]))


def _ended(child: int) -> int:
    """Exit code of a child, which is killed after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


def mutated(mutant: Mutant) -> str:
    """The module with the change made."""
    from cosmic_ray.mutating import MutationVisitor
    from cosmic_ray.plugins import get_operator

    source = (ROOT / mutant.module).read_text(encoding="utf-8")
    return MutationVisitor.mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)


def changed_lines(mutant: Mutant, source: str) -> tuple[str, str]:
    """What stood there, and what stands there now, without the blanks around."""
    before = (ROOT / mutant.module).read_text(encoding="utf-8").splitlines()
    pairs = [(old, new) for old, new in zip(before, source.splitlines(), strict=False) if old != new]
    return (pairs[0][0].strip(), pairs[0][1].strip()) if pairs else ("", "")


def equivalents() -> set[tuple[str, str, str]]:
    """(module, line before, line after) of every change that no test can notice."""
    known = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")).get("mutant", [])
    return {(entry["module"], entry["before"], entry["after"]) for entry in known}


def main() -> None:
    """Break, test, count; exit code 1 if fewer than SHARE are noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="modules to break; all of the table if none is given")
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--sample", type=int, default=60, help="about how many (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    args = parser.parse_args()
    modules = args.modules or list(MEANT_FOR)
    everything = [mutant for module in modules for mutant in mutants_of(module)]
    chosen = everything if args.all else sample(everything, args.sample, args.seed)
    make_copy()
    import hypothesis  # noqa: F401  # loaded here once, for all children
    import numba  # noqa: F401
    import numpy  # noqa: F401
    import pydantic  # noqa: F401
    import pytest  # noqa: F401
    import zarr  # noqa: F401

    whole = {module for module in {mutant.module for mutant in chosen} if noticed(module, _unchanged(module))}
    if whole:
        sys.exit(f"the tests of {', '.join(sorted(whole))} fail without any change")
    known, counts, survivors = equivalents(), Counter[str](), []
    for number, mutant in enumerate(chosen, 1):
        source = mutated(mutant)
        before, after = changed_lines(mutant, source)
        if not _is_python(source):
            verdict = "no Python"
        elif (mutant.module, before, after) in known:
            verdict = "equivalent"
        else:
            verdict = "noticed" if noticed(mutant.module, source) else "SURVIVED"
        counts[verdict] += 1
        print(
            f"{number}/{len(chosen)} {verdict} {mutant.module}:{mutant.place[0]} {mutant.operator}",
            flush=True,
        )
        if verdict == "SURVIVED":
            survivors.append(
                f'[[mutant]]\nmodule = "{mutant.module}"\nbefore = {before!r}\nafter = {after!r}'
            )
            print(f"    - {before}\n    + {after}", flush=True)
    judged = counts["noticed"] + counts["SURVIVED"]
    share = counts["noticed"] / judged if judged else 1.0
    print("\n".join(["", *survivors, ""]))
    known_ones = f"{counts['equivalent']} are known to change nothing"
    print(f"{counts['noticed']} of {judged} noticed, {share:.1%}; {known_ones}")
    sys.exit(share < SHARE)


def _is_python(source: str) -> bool:
    """Whether it compiles: cosmic-ray takes the stars of an unpacking for an operator."""
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _unchanged(module: str) -> str:
    return (ROOT / module).read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
