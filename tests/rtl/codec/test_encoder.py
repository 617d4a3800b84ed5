"""SegEncoder against its golden model, bit for bit, with the latencies of its docstring."""

import pytest
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.codec.encoder import SegEncoder


@pytest.mark.parametrize(("activation_bits", "longest", "passes"), [(16, 33, 34), (4, 9, 27)])
def test_words_and_index_equal_the_golden_model(activation_bits, longest, passes):
    run_bench(
        SegEncoder(Arch(activation_bits=activation_bits)),
        "encoder",
        activation_bits=activation_bits,
        longest=longest,
        passes=passes,
    )
