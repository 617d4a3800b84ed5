"""LeadingCount against counting in a string."""

import pytest
from simulate import run_bench

from hwsim_rtl.bits.leading import LeadingCount


@pytest.mark.parametrize(("width", "of"), [(1, 0), (5, 1), (8, 0), (33, 0), (48, 1)])
def test_the_count_is_that_of_the_string(width, of):
    run_bench(LeadingCount(width, of=of), "leading", width=width, of=of)


@pytest.mark.parametrize(("width", "of"), [(0, 0), (4, 2)])
def test_a_width_or_bit_out_of_range_is_refused(width, of):
    with pytest.raises(ValueError, match="must be"):
        LeadingCount(width, of=of)
