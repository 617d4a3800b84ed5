"""An array behind AXI4-Stream ports, in the Verilog that is emitted of it."""

import pytest
from simulate import run_verilog

from hwsim.arch import Arch
from hwsim_rtl.emit import NAME, verilog

FIELDS = {"cores": 2, "columns": 4, "accumulators": 256, "weight_words": 640}


@pytest.mark.parametrize(
    ("cores", "rate", "latency", "map_buffer", "late", "busy"),
    [
        (1, 64, 20, 1 << 19, [False], ["port"]),
        (2, 4, 20, 256, [True], ["other"]),
        (3, 10, 60, 0, [True, False], ["port", "other"]),
    ],
)
def test_whole_layers_take_the_cycles_of_the_schedule(cores, rate, latency, map_buffer, late, busy):
    fields = {**FIELDS, "cores": cores, "map_buffer": map_buffer}
    fields |= {"bytes_per_cycle": rate, "dram_latency": latency}
    run_verilog(verilog(Arch(**fields)), NAME, "schedule", arch=fields, late=late, busy=busy)


def test_aborts_and_resets_at_many_moments_leave_no_trace():
    fields = {**FIELDS, "columns": 2, "accumulators": 16}
    run_verilog(verilog(Arch(**fields)), NAME, "abort", arch=fields, step=7)
