"""The entropy bound."""

import numpy as np
import pytest

from hwsim.codec.entropy import Entropy, Estimate
from hwsim.codec.huffman import Huffman
from hwsim.errors import CodecError


@pytest.mark.parametrize(
    ("values", "bits_per_value", "distinct"),
    [([], 0, 0), ([5] * 9, 0, 1), ([0, 1] * 8, 1, 2), ([0, 0, 1, 2] * 4, 1.5, 3), (range(256), 8, 256)],
)
def test_the_entropy_of_known_histograms(values, bits_per_value, distinct):
    found = Entropy().estimate(np.array(values, np.uint16))
    assert found == Estimate(pytest.approx(bits_per_value), len(values), distinct)
    assert Entropy().encoded_bits(np.array(values, np.uint16)) == len(values) * bits_per_value


def test_a_fraction_of_a_bit_counts_as_a_bit():
    assert Entropy().encoded_bits([0, 1, 2]) == 5  # 3 log2(3) = 4.75


def test_it_bounds_the_codes_of_huffman_from_below_within_a_bit_a_value():
    values = np.random.default_rng(1).geometric(0.1, 5000).astype(np.uint16)
    table = 6 + 17 * 16 + 16 * len(np.unique(values))
    coded = Huffman().encoded_bits(values)
    bound = Entropy().encoded_bits(values)
    assert bound <= coded
    assert coded - table <= bound + len(values)


def test_it_neither_encodes_nor_decodes():
    with pytest.raises(CodecError, match="a bound, not a code"):
        Entropy().encode([1])
    with pytest.raises(CodecError, match="a bound, not a code"):
        Entropy().decode(b"", 0)
