"""Mutation testing knows every module that it is for, and tells one change from another."""

from collections import Counter
from pathlib import Path

import mutants
import mutants_run
import pytest
from mutants_run import changed_function

ROOT = Path(__file__).parents[1]


def test_every_module_of_the_engine_and_the_exports_has_tests_that_are_meant_for_it():
    modules = [path for folder in ("machine", "export") for path in (ROOT / "hwsim" / folder).glob("*.py")]
    named = {str(path.relative_to(ROOT)) for path in modules if path.name != "__init__.py"}
    assert named <= set(mutants.MEANT_FOR)


def test_the_tests_that_are_meant_for_a_module_are_there():
    for module, tests in mutants.MEANT_FOR.items():
        for path in (module, *tests):
            assert (ROOT / path).exists(), path


def test_a_sample_takes_one_change_at_a_place_and_some_of_every_module():
    everything = [mutants.Mutant("a.py", "op", i, (i // 3, 0)) for i in range(300)]
    everything += [mutants.Mutant("b.py", "op", 0, (1, 0))]
    chosen = mutants.sample(everything, 20, seed=1)
    places = [(mutant.module, mutant.place) for mutant in chosen]
    assert len(places) == len(set(places))
    assert {mutant.module for mutant in chosen} == {"a.py", "b.py"}
    assert chosen == mutants.sample(everything, 20, seed=1) != mutants.sample(everything, 20, seed=2)


def test_what_changes_nothing_is_neither_noticed_nor_missed():
    counts = Counter({"noticed": 3, "SURVIVED": 1, "equivalent": 2, "no Python": 5})
    assert mutants.share_noticed(counts) == 0.75
    assert mutants.summary(counts).startswith("3 of 4 noticed, 75.0%; 2 are known to change nothing;")
    assert mutants.share_noticed(Counter()) == 1


def test_what_changes_nothing_stands_in_the_code_as_it_is():
    for module, before, after in mutants.equivalents():
        lines = [line.strip() for line in (ROOT / module).read_text(encoding="utf-8").splitlines()]
        assert before in lines, (module, before)
        assert after not in lines, (module, after)


def test_annotations_and_decorators_are_left_alone():
    found = mutants.mutants_of("hwsim/machine/totals.py")
    lines = (ROOT / "hwsim/machine/totals.py").read_text().splitlines()
    assert not [m for m in found if lines[m.place[0] - 1].lstrip().startswith("@")]


def test_every_break_by_hand_is_a_change_of_what_is_there_and_has_tests():
    known, tests = mutants.breaks()
    for each in known:
        compile(each.source(), each.module, "exec")
        assert all((ROOT / path).exists() for path in tests[each.module]), each.module
    assert {entry.module for entry in known} >= set(tests) - set(mutants.MEANT_FOR)


CODE = """
LIMIT = 3
def double(value, by=2):
    return [value * by for _ in range(LIMIT)]
class Of:
    unit = "pJ"
    def all(self):
        def inner():
            return 1 + 1
        return inner
"""


@pytest.mark.parametrize(
    ("before", "after", "function"),
    [
        ("value * by", "value + by", "double"),
        ("range(LIMIT)", "range(LIMIT + 1)", "double"),
        ("1 + 1", "1 - 1", "Of.all"),
        ("LIMIT = 3", "LIMIT = 4", None),  # only a new import sees these
        ("by=2", "by=3", None),
        ('"pJ"', '"nJ"', None),
        ("pJ", "pJ", None),
    ],
)
def test_a_change_is_put_into_the_outermost_function_that_it_is_in(tmp_path, before, after, function):
    path = tmp_path / "module.py"
    path.write_text(CODE)
    found = changed_function(path, CODE.replace(before, after))
    assert (found and found[0].co_qualname) == function
    if found:
        names: dict = {}
        exec(CODE, names)
        living = names["double"] if function == "double" else names["Of"].all
        told = living(5) if function == "double" else living(None)()
        living.__code__ = found[1]
        assert told != (living(5) if function == "double" else living(None)())


def test_a_living_function_is_changed_and_the_tests_that_call_it_notice(tmp_path, monkeypatch):
    code = "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x // 2\n"
    (tmp_path / "module.py").write_text(code)
    (tmp_path / "test_module.py").write_text(
        "import module\n\n\ndef test_double():\n    assert module.double(2) == 4\n"
    )
    monkeypatch.setattr(mutants_run, "COPY", tmp_path)
    # Nothing is tried in a new process, which would notice as well, but after ten times as long.
    monkeypatch.setattr(mutants_run, "_tried_anew", lambda *_: mutants_run.SURVIVES)
    changes = (("2 * x", "3 * x"), ("2 * x", "2 + x"), ("// 2", "// 3"))
    found = mutants_run.verdicts(
        "module.py", ["test_module.py"], [code.replace(*change) for change in changes]
    )
    assert dict(found) == {0: "noticed", 1: "SURVIVED", 2: "SURVIVED"}  # 2 + 2 is 4, and nobody calls half
