"""Decoder against the golden model of a lane, cycle for cycle."""

import pytest
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.codec.decoder import Decoder


@pytest.mark.parametrize(
    ("activation_bits", "run_max", "longest", "passes"), [(16, 16, 49, 64), (8, 16, 48, 40), (4, 3, 20, 40)]
)
def test_symbols_and_cycles_of_both_lanes_equal_the_golden_model(activation_bits, run_max, longest, passes):
    arch = Arch(activation_bits=activation_bits, run_max=run_max)
    run_bench(
        Decoder(arch),
        "decoder",
        activation_bits=activation_bits,
        run_max=run_max,
        longest=longest,
        passes=passes,
    )
