"""Arrays behind AXI4-Stream ports, in the Verilog that is emitted of them: cores of one lane, and of two."""

import pytest
from simulate import run_verilog

from hwsim.arch import Arch
from hwsim_rtl.emit import NAME, verilog

FIELDS = {"cores": 2, "columns": 4, "accumulators": 256, "weight_words": 640, "fifo_depth": 8, "lanes": 1}


@pytest.mark.parametrize("stalls", [False, True])
def test_two_cores_take_the_cycles_of_the_model_and_make_the_words_of_the_reference(stalls):
    run_verilog(verilog(Arch(**FIELDS)), NAME, "top", arch=FIELDS, stalls=stalls)


def test_one_core_is_aborted_beside_one_that_works():
    fields = {**FIELDS, "columns": 2, "accumulators": 16}
    run_verilog(verilog(Arch(**fields)), NAME, "top_abort", arch=fields)


@pytest.mark.parametrize(
    ("rate", "latency", "busy"), [(64, 20, ["port"]), (10, 0, ["port", "other"]), (2, 90, ["other"])]
)
def test_whole_layers_take_the_cycles_of_the_schedule(rate, latency, busy):
    fields = {**FIELDS, "bytes_per_cycle": rate, "dram_latency": latency}
    run_verilog(verilog(Arch(**fields)), NAME, "schedule", arch=fields, busy=busy)


@pytest.mark.parametrize(
    ("cores", "rate", "latency", "map_buffer", "late"),
    [(1, 64, 20, 1 << 19, [False]), (2, 4, 20, 256, [True]), (3, 16, 60, 0, [True, False])],
)
def test_whole_layers_on_cores_of_two_lanes_take_the_cycles_of_the_schedule(
    cores, rate, latency, map_buffer, late
):
    fields = {**FIELDS, "cores": cores, "lanes": 2, "map_buffer": map_buffer}
    fields |= {"bytes_per_cycle": rate, "dram_latency": latency}
    run_verilog(verilog(Arch(**fields)), NAME, "lane_schedule", arch=fields, late=late)


def test_aborts_and_resets_at_many_moments_leave_no_trace_in_cores_of_two_lanes():
    fields = {**FIELDS, "columns": 2, "accumulators": 16, "lanes": 2}
    run_verilog(verilog(Arch(**fields)), NAME, "lane_abort", arch=fields, step=7)
