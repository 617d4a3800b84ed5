"""From programs to passes: each part of the sequencer against the model, under Icarus."""

import pytest
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.system.programmed_array import ProgrammedArray
from hwsim_rtl.system.row_steps import RowSteps
from hwsim_rtl.system.sequencer import Sequencer

FIELDS = {"columns": 4, "accumulators": 256, "weight_words": 640}


@pytest.mark.parametrize(("stalls", "late"), [(0, 0), (0.4, 0.3)])
def test_row_steps_find_what_a_pass_reads(stalls, late):
    run_bench(RowSteps(), "row_steps", passes=300, stalls=stalls, late=late)


@pytest.mark.parametrize(("cores", "stalls"), [(1, 0.3), (3, 0)])
def test_programs_become_what_the_model_gives_every_core(cores, stalls):
    fields = {**FIELDS, "cores": cores}
    run_bench(Sequencer(Arch(**fields)), "sequencer", arch=fields, networks=60, stalls=stalls)


def test_a_layer_of_an_image_is_made_on_an_array():
    fields = {**FIELDS, "cores": 2, "map_buffer": 32768}
    run_bench(ProgrammedArray(Arch(**fields)), "programmed_array", arch=fields, networks=20)
