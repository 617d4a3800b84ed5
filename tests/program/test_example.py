"""The image that docs/integration.md works out by hand is the one that the compiler writes, and runs."""

import re
import subprocess

import numpy as np
import pytest
from image_page import FILE_BYTES, PAGE, RESULT, machine, page_bytes
from page_parser import tables
from random_programs import WholeTrace

from hwsim.layer import Layer
from hwsim.program import compile_network
from hwsim.quantize import Requantize
from hwsim_rtl.emit import SYSTEM_NAME, emit_system
from hwsim_rtl.kit.system_bench import system_bench

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
    _, _, descriptor = tables()
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


@pytest.mark.slow
def test_the_emitted_machine_runs_the_bytes_of_the_page(tmp_path):
    expected = bytes(page_bytes())
    mask = bytearray(b"\xff" * FILE_BYTES).ljust(len(expected), b"\0")
    for row in range(2):
        mask[RESULT + 32 * row : RESULT + 32 * row + 4] = b"\xff" * 4
    bench = system_bench(SYSTEM_NAME, expected[:FILE_BYTES], expected, bytes(mask))
    emit_system(machine(), tmp_path, bench=bench)
    build = ["iverilog", "-g2005", "-o", "run", f"{SYSTEM_NAME}_tb.v", f"{SYSTEM_NAME}.v"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    run = subprocess.run(["vvp", "-n", "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert re.search(r"^PASS: \d+ cycles$", run.stdout, re.MULTILINE)
