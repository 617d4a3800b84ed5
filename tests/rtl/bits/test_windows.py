"""Windows against strings of bits, and the rules of their words."""

import pytest
from simulate import run_bench

from hwsim_rtl.bits.windows import Windows


@pytest.mark.parametrize(("max_bits", "taken_bits"), [(49, 17), (33, 16), (5, 5)])
def test_bits_and_word_times_equal_the_rules(max_bits, taken_bits):
    run_bench(Windows(taken_bits), "windows", max_bits=max_bits, taken_bits=taken_bits, passes=12)


@pytest.mark.parametrize("taken_bits", [0, 50])
def test_widths_out_of_range_are_refused(taken_bits):
    with pytest.raises(ValueError, match="must be"):
        Windows(taken_bits)
