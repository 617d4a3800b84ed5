"""Mutation testing knows every module that it is for, and tells one change from another."""

from pathlib import Path

import mutants

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


def test_annotations_and_decorators_are_left_alone():
    found = mutants.mutants_of("hwsim/machine/totals.py")
    lines = (ROOT / "hwsim/machine/totals.py").read_text().splitlines()
    assert not [m for m in found if lines[m.place[0] - 1].lstrip().startswith("@")]
