"""What a pool costs in cycles: lines of the map buffer, counted one value at a time."""

import random

import pytest

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.chain import Link
from hwsim.machine.remade import remade_cycles

NAMES = ("rows", "columns", "vertical_stride", "horizontal_stride", "top", "left")


def layer(channels: int, height: int, width: int) -> Layer:
    return Layer("l", "conv", "x", (1, height, width), (channels, height, width))


def lines_read(
    shape: tuple[int, int, int], pool: dict[str, int], block: int, segments: int, bits: int
) -> int:
    """Every window, row by row and value by value."""
    channels, height, width = shape
    per_word = 64 // bits
    place = -(-block * width * bits // 64)
    cycles = 0
    for top in range(-pool["top"], height + pool["top"] - pool["rows"] + 1, pool["vertical_stride"]):
        for left in range(
            -pool["left"], width + pool["left"] - pool["columns"] + 1, pool["horizontal_stride"]
        ):
            for channel in range(channels):
                for y in range(top, top + pool["rows"]):
                    lines = set()
                    for x in range(left, left + pool["columns"]):
                        if 0 <= y < height and 0 <= x < width:
                            number = channel % block * width + x
                            word = (y * segments + channel // block) * place + number // per_word
                            lines.add(word // 8)
                    cycles += max(1, len(lines))
    return cycles


def test_a_window_costs_a_cycle_for_each_line_in_which_its_rows_lie():
    rng = random.Random(5)
    crossed = 0
    for _ in range(200):
        shape = rng.randint(1, 9), rng.randint(1, 12), rng.randint(1, 40)
        pool = {name: rng.randint(1, 4) for name in NAMES[:4]}
        pool |= {"top": rng.randrange(min(pool["rows"], 3)), "left": rng.randrange(min(pool["columns"], 3))}
        pool["rows"] = min(pool["rows"], shape[1] + 2 * pool["top"])
        pool["columns"] = min(pool["columns"], shape[2] + 2 * pool["left"])
        block, bits = rng.choice([1, 2, 4]), rng.choice([4, 8, 16])
        segments = -(-shape[0] // block) + rng.randrange(2)
        due = lines_read(shape, pool, block, segments, bits)
        found = remade_cycles(layer(*shape), Link(pool), block, segments, Arch(activation_bits=bits))
        assert found == due, (shape, pool, block, segments, bits)
        rows = (shape[1] + 2 * pool["top"] - pool["rows"]) // pool["vertical_stride"] + 1
        columns = (shape[2] + 2 * pool["left"] - pool["columns"]) // pool["horizontal_stride"] + 1
        crossed += due > shape[0] * rows * columns * pool["rows"]
    assert 20 < crossed < 180


@pytest.mark.parametrize(
    ("link", "cycles"),
    # Of two channels of 4 x 6 values, three words a row: 20 windows of two rows, and one in two lines, since
    # the third row begins with word 6, and its second channel two values before a line's end. Or each value.
    [
        (Link(dict(zip(NAMES, (2, 2, 2, 1, 0, 0), strict=True))), 2 * 2 * 5 * 2 + 1),
        (Link({}, True), 48),
        (Link(), 0),
    ],
)
def test_what_is_laid_out_anew_costs_a_cycle_a_value_and_what_is_not_remade_nothing(link, cycles):
    assert remade_cycles(layer(2, 4, 6), link, 2, 1, Arch()) == cycles
