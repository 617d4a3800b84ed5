"""Packer against strings of bits."""

import pytest
from simulate import run_bench

from hwsim_rtl.bits.packer import Packer


@pytest.mark.parametrize(("max_length", "low_bits"), [(33, 17), (49, 16), (20, 20)])
def test_words_equal_the_padded_strings(max_length, low_bits):
    run_bench(Packer(max_length, low_bits), "packer", max_length=max_length, low_bits=low_bits, passes=20)


@pytest.mark.parametrize(("max_length", "low_bits"), [(0, 1), (50, 1), (33, 34), (49, 17)])
def test_widths_out_of_range_are_refused(max_length, low_bits):
    with pytest.raises(ValueError, match="must be"):
        Packer(max_length, low_bits)
