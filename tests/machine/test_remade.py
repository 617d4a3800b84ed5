"""What a pool costs in cycles: lines of the map buffer, counted one value at a time."""

import random

import pytest
from random_chains import wide_chain

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.chain import Link
from hwsim.machine.remade import Remade, remake
from hwsim.machine.simulation import simulate

NAMES = ("rows", "columns", "vertical_stride", "horizontal_stride", "top", "left")
MEAN = {"rows": 8, "columns": 15, "vertical_stride": 8, "horizontal_stride": 15, "top": 0, "left": 0}
MEAN |= {"average": 1, "multiplier": 1, "shift": 1, "relu": 0}


def layer(channels: int, height: int, width: int) -> Layer:
    return Layer("l", "conv", "x", (1, height, width), (channels, height, width))


def stepped(
    shape: tuple[int, int, int], pool: dict[str, int], block: int, segments: int, bits: int
) -> Remade:
    """Every window, row by row and value by value."""
    channels, height, width = shape
    per_word = 64 // bits
    place = -(-block * width * bits // 64)
    cycles = joined = 0
    corners = [
        (top, channel, left)
        for top in range(-pool["top"], height + pool["top"] - pool["rows"] + 1, pool["vertical_stride"])
        for channel in range(channels)
        for left in range(
            -pool["left"], width + pool["left"] - pool["columns"] + 1, pool["horizontal_stride"]
        )
    ]
    segment: list[int] = []  # of what is made: the cycle in which an encoder takes each value
    left_at = -1  # when the latest one left it
    for number, (top, channel, left) in enumerate(corners):
        seen = False
        for y in range(top, top + pool["rows"]):
            part: list[int] = []
            for x in range(left, left + pool["columns"]):
                if x > left and (x - left) % 7 == 0:
                    cycles += max(1, len(set(part)))
                    part = []
                if 0 <= y < height and 0 <= x < width:
                    at = channel % block * width + x
                    word = (y * segments + channel // block) * place + at // per_word
                    part.append(word // 8)
                    joined += seen
                    seen = True
            cycles += max(1, len(set(part)))
        segment.append(cycles - 1 + 4)
        after = corners[number + 1] if number + 1 < len(corners) else (None, 0, 0)
        if after[0] != top or after[1] // block != channel // block:
            ready = segment[-1] + (6 if len(segment) > 1 else 7)
            for _ in segment:
                left_at = max(left_at + 1, ready)
            segment = []
    words = set()
    for channel in range(channels):
        for y in range(height):
            for x in range(width):
                number = channel % block * width + x
                words.add((y, channel // block, number // per_word))
    waits = left_at + 9 - cycles - 17
    return Remade(True, bool(pool["average"]), cycles, waits, len(corners), joined, len(words))


def test_a_window_costs_a_cycle_for_each_line_in_which_parts_of_its_rows_lie_and_joins_its_values():
    rng = random.Random(5)
    crossed = 0
    for _ in range(200):
        shape = rng.randint(1, 9), rng.randint(1, 12), rng.randint(1, 40)
        pool = {name: rng.choice([rng.randint(1, 4), rng.randint(1, 22)]) for name in NAMES[:4]}
        pool |= {"top": rng.randrange(min(pool["rows"], 3)), "left": rng.randrange(min(pool["columns"], 9))}
        pool["average"] = rng.randrange(2)
        pool["rows"] = min(pool["rows"], shape[1] + 2 * pool["top"])
        pool["columns"] = min(pool["columns"], shape[2] + 2 * pool["left"])
        block, bits = rng.choice([1, 2, 4]), rng.choice([4, 8, 16])
        segments = -(-shape[0] // block) + rng.randrange(2)
        due = stepped(shape, pool, block, segments, bits)
        found = remake(layer(*shape), Link(pool), block, segments, Arch(activation_bits=bits))
        assert found == due, (shape, pool, block, segments, bits)
        crossed += due.cycles > due.values * pool["rows"] * -(-pool["columns"] // 7)
    assert 20 < crossed < 180


@pytest.mark.parametrize(
    ("link", "due"),
    # Of two channels of 4 x 6 values, three words a row: 20 windows of two rows and columns, and one row in
    # two lines, since the third row begins with word 6, and its second channel two values before a line's
    # end. Made are rows of two channels of five, of which the last one waits for all ten. Or each value, two
    # of a segment.
    [
        (
            Link(dict(zip(NAMES, (2, 2, 2, 1, 0, 0), strict=True))),
            Remade(True, False, 20 * 2 + 1, 10, 20, 20 * 3, 4 * 3),
        ),
        (Link({}, True), Remade(False, False, 48, 2, 48, 0, 4 * 3)),
        # The mean of eight rows of fifteen columns, in three parts each; four words a row, so two rows fill
        # a line and none lies in two. It is alone in its segment.
        (Link(MEAN), Remade(True, True, 8 * 3, 2, 1, 8 * 15 - 1, 8 * 4)),
        (Link(), None),
    ],
)
def test_what_is_laid_out_anew_costs_a_cycle_a_value_and_what_is_not_remade_nothing(link, due):
    shape = (1, 8, 15) if link.pool is MEAN else (2, 4, 6)
    assert remake(layer(*shape), link, shape[0], 1, Arch()) == due


def test_means_are_scaled_once_more_and_values_of_windows_are_joined():
    layers = simulate(wide_chain(), Arch(), images=[0]).layers
    events = {layer.name: layer.skipping.events for layer in layers}
    # 5 x 9 x 20 values, pooled to the largest; 6 x 5 x 16, of which 6 means are made; 4 logits.
    assert [events[name]["requantize"] for name in ("one", "two", "three")] == [900, 480 + 6, 4]
    # Rows that windows of three see, in steps of two from -1 on: 2, 3, 3, 3, 2. Columns that windows of nine
    # see, in steps of one from -2 on: 7, 8, twelve times 9, 8, 7. There are 5 x 16 windows of 5 channels.
    assert [events[name]["compared"] for name in ("one", "two")] == [5 * (13 * 138 - 80), 6 * 79]
