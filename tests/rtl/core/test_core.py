"""The core under Icarus, and that it and compiled simulation agree."""

import pytest
from core_cases import handful, prepare
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.core.core import Core
from hwsim_rtl.cosim import build

FIELDS = {"columns": 4, "accumulators": 256, "weight_words": 640, "fifo_depth": 8}


@pytest.mark.parametrize("stalls", [False, True])
def test_icarus_takes_the_cycles_of_the_model_and_makes_the_words_of_the_reference(stalls):
    run_bench(Core(Arch(**FIELDS)), "core", arch=FIELDS, stalls=stalls)


@pytest.mark.parametrize("way", ["reset", "pulse", "held"])
def test_a_pass_that_is_cut_off_in_any_cycle_leaves_no_trace(way):
    fields = {**FIELDS, "columns": 2, "accumulators": 16}
    run_bench(Core(Arch(**fields)), "moments", arch=fields, way=way)


def test_compiled_simulation_of_the_same_passes_does_too():
    arch = Arch(**FIELDS)
    passes = [prepare(case) for case in handful(arch)]
    outcomes = build(arch).run([stimulus for stimulus, _ in passes])
    for outcome, (_, expected) in zip(outcomes, passes, strict=True):
        assert outcome.cycles == expected.timing.cycles
        assert outcome.words.tolist() == expected.words.tolist()
        assert outcome.index.tolist() == expected.index.tolist()
