"""The image that docs/integration.md works out by hand is the one that the compiler writes."""

import re

import numpy as np
from image_page import FILE_BYTES, PAGE, RESULT, machine, page_bytes
from page_parser import tables
from random_programs import WholeTrace

from hwsim.layer import Layer
from hwsim.program import compile_network
from hwsim.quantize import Requantize

ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \|.*\| (\d+) \| (\d+) \| `([0-9a-f ]+)` \|$", re.MULTILINE)
MAP = [[[0, 3, 0], [0, 0, 5], [1, 0, 0]], [[0, 0, 0], [2, 0, 1], [0, 0, 7]]]
WEIGHTS = [[[[1, 2], [3, 4]], [[-1, 0], [0, 5]]], [[[6, -2], [0, 7]], [[8, 9], [-3, 10]]]]


class Example(WholeTrace):
    """The layer of the page."""

    def weights(self, layer: Layer) -> np.ndarray:
        return np.array(WEIGHTS, np.int16)

    def requantize(self, layer: Layer) -> Requantize:
        return Requantize(np.array([100, -3]), np.array([1 << 14, 1 << 15]), 15, True, 8, False, 2)


def test_every_byte_of_the_page_is_the_compilers():
    layer = Layer("l", "conv", "image", (2, 3, 3), (2, 2, 2), (2, 2), relu=True)
    trace = Example((layer,), {"image": np.array([MAP], np.uint16)}, order=2, bits=8)
    assert page_bytes()[:FILE_BYTES] == compile_network(trace, machine()).to_bytes()


def test_the_fields_of_the_descriptor_add_up_to_its_bytes_at_the_bits_of_their_table():
    _, _, descriptor, _ = tables()
    made = bytearray(64)
    rows = ROW.findall(PAGE)
    assert len(rows) == 39
    for name, value, bit, byte, digits in rows:
        number, adds = int(value.replace(",", "")), bytes.fromhex(digits)
        assert descriptor[name][0] == int(bit), name
        assert int(byte) == int(bit) // 8, name
        assert int.from_bytes(adds, "little") == number << int(bit) % 8, name
        for at, part in enumerate(adds, int(byte)):
            assert not made[at] & part, name
            made[at] |= part
    assert made == page_bytes()[192:256]


def test_its_result_is_that_of_a_convolution_in_loops():
    data = page_bytes()
    for channel, (bias, multiplier) in enumerate(((100, 1 << 14), (-3, 1 << 15))):
        for y, x in np.ndindex(2, 2):
            total = sum(WEIGHTS[channel][c][i][j] * MAP[c][y + i][x + j] for c, i, j in np.ndindex(2, 2, 2))
            value = max(0, ((total + bias) * multiplier + (1 << 14)) >> 15)
            assert data[RESULT + 32 * y + 2 * channel + x] == value
