"""A core under Icarus: every event in its cycle, every word that of the reference."""

import pytest
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.core.core import Core

FIELDS = {"columns": 4, "accumulators": 256, "weight_words": 640}


@pytest.mark.parametrize("stalls", [0.0, 0.4])
def test_every_event_is_that_of_the_page_and_every_word_that_of_the_reference(stalls):
    run_bench(Core(Arch(**FIELDS)), "core", arch=FIELDS, stalls=stalls)


# One cycle in five takes seconds, every cycle minutes.
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("way", ["reset", "pulse", "held"])
def test_a_pass_that_is_cut_off_in_any_cycle_leaves_no_trace(way, step):
    fields = {**FIELDS, "columns": 2, "accumulators": 16}
    run_bench(Core(Arch(**fields)), "moments", arch=fields, way=way, step=step)
