"""What coders and their sizes are called, and how each is configured for a map."""

import numpy as np
import pytest

from hwsim import codec
from hwsim.codec import labels
from hwsim.codec.registry import coder_class

NAMES = [labels.RAW, *codec.names(), labels.STORED, labels.ZSTD]


def test_every_size_has_a_label_of_its_own_and_a_meaning():
    assert len({labels.label(name) for name in NAMES}) == len(NAMES)
    for name in NAMES:
        assert labels.meaning(name)
        assert not labels.meaning(name).endswith(".")


def test_raw_words_come_first_and_the_bound_last_whatever_is_there():
    assert labels.in_order(reversed(NAMES)) == [
        *("raw", "seg", "seg_stored", "aseg", "exp_golomb", "zvc", "rle", "csr", "huffman", "ebpc"),
        *("zstd", "entropy"),
    ]
    assert labels.in_order(["entropy", "csr", "seg"]) == ["seg", "csr", "entropy"]


@pytest.mark.parametrize(("shape", "columns"), [((4, 3, 5), 5), ((60, 1, 1), 60), ((4, 3, 1), 12)])
def test_a_row_of_csr_is_a_row_of_the_map_or_a_whole_vector(shape, columns):
    assert coder_class("csr").for_map(shape, 8) == codec.get("csr", bits=8, columns=columns)


def test_sizes_are_those_of_each_coder_as_configured_and_with_its_best_order():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 256, (3, 4, 3, 5)) * (rng.random((3, 4, 3, 5)) < 0.5)
    found = codec.sizes(values, 8)
    assert list(found) == list(codec.names())
    for name, bits in found.items():
        coder = codec.get(name, bits=8, **({"columns": 5} if name == "csr" else {}))
        assert bits == min(coder.encoded_bits(values, order) for order in range(16)), name
    given = codec.sizes(values, 8, order=9)
    assert given.pop("seg") == codec.get("seg", bits=8).encoded_bits(values, 9) > found.pop("seg")
    assert given == found
