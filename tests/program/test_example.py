"""The image that docs/integration.md works out by hand is the one that the compiler writes, and runs."""

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_parser import tables
from random_programs import WholeTrace

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.program import compile_network
from hwsim.quantize import Requantize
from hwsim_rtl.emit import SYSTEM_NAME, emit_system
from hwsim_rtl.kit.system_bench import system_bench

PAGE = (Path(__file__).parents[2] / "docs" / "integration.md").read_text(encoding="utf-8")
RESULT = 192 + 16384  # in the file
BYTES = re.compile(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})  ", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \|.*\| (\d+) \| (\d+) \| `([0-9a-f ]+)` \|$", re.MULTILINE)
MAP = [[[0, 3, 0], [0, 0, 5], [1, 0, 0]], [[0, 0, 0], [2, 0, 1], [0, 0, 7]]]
WEIGHTS = [[[[1, 2], [3, 4]], [[-1, 0], [0, 5]]], [[[6, -2], [0, 7]], [[8, 9], [-3, 10]]]]


class Example(WholeTrace):
    """The layer of the page."""

    def weights(self, layer: Layer) -> np.ndarray:
        return np.array(WEIGHTS, np.int16)

    def requantize(self, layer: Layer) -> Requantize:
        return Requantize(np.array([100, -3]), np.array([1 << 14, 1 << 15]), 15, True, 8, False, 2)


def machine() -> Arch:
    """The machine whose fields the page names."""
    example = PAGE[PAGE.index("## An image by hand") :]
    fields: dict[str, Any] = {name: int(value) for name, value in re.findall(r"`(\w+) = (\d+)`", example)}
    assert len(fields) == 7
    return Arch(**fields)


def page_bytes() -> bytearray:
    """All bytes of the page, by their addresses; what it does not tell is 0."""
    found = BYTES.findall(PAGE)
    data = bytearray(RESULT + 64)
    told = 0
    for address, digits in found:
        given = bytes.fromhex(digits)
        assert int(address, 16) >= told, f"{address}: told twice"
        told = int(address, 16) + len(given)
        data[int(address, 16) : told] = given
    return data


def test_every_byte_of_the_page_is_the_compilers():
    layer = Layer("l", "conv", "image", (2, 3, 3), (2, 2, 2), (2, 2), relu=True)
    trace = Example((layer,), {"image": np.array([MAP], np.uint16)}, order=2, bits=8)
    assert page_bytes()[:12492] == compile_network(trace, machine()).to_bytes()


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
    mask = bytearray(b"\xff" * 12492).ljust(len(expected), b"\0")
    for row in range(2):
        mask[RESULT + 32 * row : RESULT + 32 * row + 4] = b"\xff" * 4
    bench = system_bench(SYSTEM_NAME, expected[:12492], expected, bytes(mask))
    emit_system(machine(), tmp_path, bench=bench)
    build = ["iverilog", "-g2005", "-o", "run", f"{SYSTEM_NAME}_tb.v", f"{SYSTEM_NAME}.v"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    run = subprocess.run(["vvp", "-n", "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    assert re.search(r"^PASS: \d+ cycles$", run.stdout, re.MULTILINE)
