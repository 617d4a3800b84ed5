"""`make mutants`: breaks the code on purpose, one small change at a time, and sees whether tests notice.

The changes are those of cosmic-ray's operators. Each is made in a copy of the project, where the tests meant
for the module run until one fails (``mutants_run.py``). What no test can notice, since it changes nothing,
stands with its reason in ``mutants_equivalent.toml``.

    python tests/mutants.py                              # a seeded sample over all modules
    python tests/mutants.py --seed 7 --sample 200
    python tests/mutants.py --all hwsim/machine/energy.py
    python tests/mutants.py --breaks                     # those thought out by hand, in breaks.toml
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import resource
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutants_run import ROOT, make_copy, verdicts

EQUIVALENT = Path(__file__).with_name("mutants_equivalent.toml")
BREAKS = Path(__file__).with_name("breaks.toml")
SHARE = 0.95  # of the mutants that a test must notice
# What each module is tested by; a folder stands for all tests in it. Those likely to notice come first.
MEANT_FOR = {
    "hwsim/machine/additions.py": ("tests/machine/test_traffic.py", "tests/machine/test_simulation.py"),
    "hwsim/machine/area.py": ("tests/machine/test_area.py",),
    "hwsim/machine/chain.py": ("tests/machine/test_chain.py", "tests/program/test_image.py"),
    "hwsim/machine/compiled.py": ("tests/machine/test_compiled.py",),
    "hwsim/machine/descriptors.py": (
        "tests/machine/test_descriptors.py",
        "tests/machine/test_programs.py",
        "tests/machine/test_mapping.py",
    ),
    "hwsim/machine/dram.py": ("tests/machine/test_dram.py", "tests/machine/test_simulation.py"),
    "hwsim/machine/energy.py": ("tests/machine/test_energy.py",),
    "hwsim/machine/fetches.py": ("tests/machine/test_schedule.py", "tests/machine/test_simulation.py"),
    "hwsim/machine/fit.py": ("tests/machine/test_fit.py", "tests/cli/test_run_fit.py"),
    "hwsim/machine/around.py": (
        "tests/machine/test_accounts_by_hand.py",
        "tests/machine/test_schedule.py",
        "tests/machine/test_whole.py",
    ),
    "hwsim/machine/activity.py": ("tests/machine/test_activity.py", "tests/export/test_timeline.py"),
    "hwsim/machine/known_passes.py": (
        "tests/machine/test_accounts_by_hand.py",
        "tests/machine/test_workload.py",
        "tests/machine/test_simulation.py",
    ),
    "hwsim/machine/lanes.py": ("tests/machine/test_accounts_by_hand.py", "tests/machine/test_passes.py"),
    "hwsim/machine/lines.py": (
        "tests/machine/test_lines.py",
        "tests/machine/test_accounts_by_hand.py",
        "tests/machine/test_workload.py",
        "tests/machine/test_simulation.py",
    ),
    "hwsim/machine/mapping.py": ("tests/machine/test_mapping.py", "tests/machine/test_simulation.py"),
    "hwsim/machine/marks.py": ("tests/report/test_marks.py",),
    "hwsim/machine/memory_map.py": ("tests/program", "tests/export/test_dram_trace.py"),
    "hwsim/machine/passes.py": ("tests/machine/test_lines.py", "tests/machine/test_passes.py"),
    "hwsim/machine/numbers.py": ("tests/machine/test_totals.py",),
    "hwsim/machine/programs.py": ("tests/machine/test_programs.py", "tests/program"),
    "hwsim/machine/remade.py": ("tests/machine/test_remade.py", "tests/machine/test_whole.py"),
    "hwsim/machine/result.py": ("tests/machine/test_result.py", "tests/report/test_one_account.py"),
    "hwsim/machine/row_walk.py": ("tests/machine/test_whole.py",),
    "hwsim/machine/rows.py": ("tests/machine/test_rows.py",),
    "hwsim/machine/runs.py": ("tests/machine/test_totals.py",),
    "hwsim/machine/storage.py": ("tests/machine/test_storage.py", "tests/machine/test_traffic.py"),
    "hwsim/machine/traffic.py": (
        "tests/machine/test_accounts_by_hand.py",
        "tests/machine/test_traffic.py",
        "tests/machine/test_simulation.py",
    ),
    "hwsim/machine/schedule.py": (
        "tests/machine/test_accounts_by_hand.py",
        "tests/machine/test_chain_by_hand.py",
        "tests/machine/test_schedule.py",
        "tests/machine/test_simulation.py",
        "tests/machine/test_whole.py",
        "tests/export/test_dram_trace.py",
    ),
    "hwsim/machine/sharing.py": ("tests/machine/test_mapping.py",),
    "hwsim/machine/simulation.py": (
        "tests/machine/test_accounts_by_hand.py",
        "tests/machine/test_chain_by_hand.py",
        "tests/machine/test_energy.py",
        "tests/machine/test_simulation.py",
    ),
    "hwsim/machine/slots.py": ("tests/machine/test_accounts_by_hand.py",),
    "hwsim/machine/stored.py": ("tests/machine/test_result.py",),
    "hwsim/machine/summary.py": ("tests/machine/test_result.py",),
    "hwsim/machine/symbols.py": (
        "tests/machine/test_accounts_by_hand.py",
        "tests/machine/test_passes.py",
    ),
    "hwsim/machine/totals.py": (
        "tests/machine/test_totals.py",
        "tests/report/test_tables.py",
        "tests/report/test_one_account.py",
    ),
    "hwsim/machine/units.py": ("tests/machine/test_mapping.py",),
    "hwsim/machine/whole.py": (
        "tests/machine/test_chain_by_hand.py",
        "tests/machine/test_whole.py",
    ),
    "hwsim/machine/workload.py": (
        "tests/machine/test_accounts_by_hand.py",
        "tests/machine/test_chain_by_hand.py",
        "tests/machine/test_workload.py",
        "tests/machine/test_simulation.py",
    ),
    "hwsim/export/accelergy.py": ("tests/export/test_accelergy.py",),
    "hwsim/export/dram_trace.py": ("tests/export/test_dram_trace.py",),
    "hwsim/export/files.py": ("tests/export",),
    "hwsim/export/scalesim.py": ("tests/export/test_scalesim.py", "tests/networks/test_scalesim.py"),
    "hwsim/export/timeline.py": ("tests/export/test_timeline.py",),
    "hwsim/export/yaml_text.py": ("tests/export/test_yaml_text.py", "tests/export/test_accelergy.py"),
    "hwsim/report/tables.py": (
        "tests/report/test_tables.py",
        "tests/report/test_marks.py",
        "tests/report/test_measured.py",
    ),
    "hwsim/sweep/evaluate.py": (
        "tests/sweep/test_evaluate.py",
        "tests/report/test_one_account.py",
        "tests/report/test_marks.py",
        "tests/sweep/test_run.py",
    ),
    "hwsim/quantize.py": ("tests/test_quantize.py",),
    "hwsim/capture/plan.py": (
        "tests/capture/test_plan.py",
        "tests/capture/test_torch_network.py",
        "tests/capture/test_flow.py",
        "tests/capture/test_quantized.py",
        "tests/capture/test_calibration.py",
        "tests/capture/test_onnx_network.py",
    ),
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
    """Begin and end of annotations, decorators, checks of lengths, and what is imported for types alone."""
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
        elif isinstance(node, ast.Call):  # a check of lengths, which no right caller meets
            parts = [keyword.value for keyword in node.keywords if keyword.arg == "strict"]
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


@dataclass(frozen=True)
class Break:
    """A change thought out by hand: what it is, and one piece of a module's text before and after."""

    module: str
    what: str
    before: str
    after: str

    def source(self) -> str:
        """The module with the change made."""
        source = (ROOT / self.module).read_text(encoding="utf-8")
        if source.count(self.before) != 1:
            sys.exit(
                f"{BREAKS.name}: {self.before!r} stands {source.count(self.before)} times in {self.module}"
            )
        return source.replace(self.before, self.after)


def breaks() -> tuple[list[Break], dict[str, tuple[str, ...]]]:
    """The breaks, and the tests of every module."""
    known = tomllib.loads(BREAKS.read_text(encoding="utf-8"))
    tests = {module: tuple(paths) for module, paths in known["tests"].items()}
    return [Break(**each) for each in known["break"]], MEANT_FOR | tests


def try_breaks(modules: list[str]) -> int:
    """Make every break of the modules, all if none is given; 1 if one is not noticed."""
    known, tests = breaks()
    unnoticed, judged = 0, 0
    try:
        for module in modules or dict.fromkeys(each.module for each in known):
            mine = [each for each in known if each.module == module]
            for number, verdict in verdicts(module, tests[module], [each.source() for each in mine]):
                print(f"{verdict}: {module}: {mine[number].what}", flush=True)
                judged += 1
                unnoticed += verdict == "SURVIVED"
    finally:  # a run that is stopped says what it found so far
        print(f"{judged - unnoticed} of {judged} noticed")
    return int(unnoticed > 0)


def main() -> None:
    """Break, test, count; exit code 1 if fewer than SHARE are noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", help="modules to break; all of the table if none is given")
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--sample", type=int, default=60, help="about how many (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    parser.add_argument("--breaks", action="store_true", help=f"the changes in {BREAKS.name} instead")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a run that is ended says what it found
    if args.breaks:
        make_copy()
        sys.exit(try_breaks(args.modules))
    modules = args.modules or list(MEANT_FOR)
    everything = [mutant for module in modules for mutant in mutants_of(module)]
    chosen = everything if args.all else sample(everything, args.sample, args.seed)
    make_copy()
    known, counts, survivors = equivalents(), Counter[str](), []
    try:
        for module, verdict, mutant, change in _judged(chosen, known):
            counts[verdict.split(":")[0]] += 1
            place = f"{module}:{mutant.place[0]}"
            print(f"{counts.total()}/{len(chosen)} {verdict} {place} {mutant.operator}")
            if verdict == "SURVIVED":
                before, after = change
                survivors.append(f"[[mutant]]\nmodule = {module!r}\nbefore = {before!r}\nafter = {after!r}")
                print(f"    - {before}\n    + {after}")
            sys.stdout.flush()
    finally:  # a run that is stopped says what it found so far
        print("\n".join(["", *survivors, ""]))
        print(summary(counts))
    sys.exit(share_noticed(counts) < SHARE)


def share_noticed(counts: Counter[str]) -> float:
    """Noticed of those that could be; all if there is none."""
    judged = counts["noticed"] + counts["SURVIVED"]
    return counts["noticed"] / judged if judged else 1.0


def summary(counts: Counter[str]) -> str:
    """What a run found, and what it took."""
    judged = counts["noticed"] + counts["SURVIVED"]
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    minutes = (time.process_time() + use.ru_utime + use.ru_stime) / 60
    return (
        f"{counts['noticed']} of {judged} noticed, {share_noticed(counts):.1%}; "
        f"{counts['equivalent']} are known to change nothing; {minutes:.0f} minutes of processor time"
    )


def _judged(
    chosen: list[Mutant], known: set[tuple[str, str, str]]
) -> Iterator[tuple[str, str, Mutant, tuple[str, str]]]:
    """(module, verdict, mutant, (line before, line after)), module by module."""
    for module in dict.fromkeys(mutant.module for mutant in chosen):
        tried = []
        for mutant in (mutant for mutant in chosen if mutant.module == module):
            source = mutated(mutant)
            change = changed_lines(mutant, source)
            if not _is_python(source):
                yield module, "no Python", mutant, change
            elif (module, *change) in known:
                yield module, "equivalent", mutant, change
            else:
                tried.append((mutant, change, source))
        for number, verdict in verdicts(module, MEANT_FOR[module], [source for _, _, source in tried]):
            mutant, change, _ = tried[number]
            yield module, verdict, mutant, change


def _is_python(source: str) -> bool:
    """Whether it compiles: cosmic-ray takes the stars of an unpacking for an operator."""
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


if __name__ == "__main__":
    main()
