"""The tables of ASEG: the one place that defines its level codes (the format: hwsim/codec/aseg.py)."""

from __future__ import annotations

import numpy as np

from hwsim.codec.checks import MAX_BITS, MAX_ORDER
from hwsim.codec.coder import bit_length
from hwsim.codec.huffman import canonical_codes

SIZES = MAX_BITS + 1
"""Binary digits of a value: 0 .. 16."""
LEVELS = 10
"""0: zero; 1: below 2^(k - 3); 2 .. 8: bit length k - 2 .. k + 4; 9: above."""
USUAL = 5
"""The level of bit length k + 1."""
STATES = 9
"""The level of the value before, 9 taken as 8; 0: after a run of zeros."""
TABLES = 2
"""0 for maps of the usual density, 1 for sparse ones."""
START = 1
"""The state at the start of a segment."""
LUT_BITS = 9
"""Of the longest code of a level."""
RUN_ORDERS = 4
DEFAULT_RUN_ORDER = 1

CODE_LENGTHS = np.array(
    [
        [  # level 0 .. 9
            [0, 5, 3, 2, 2, 2, 4, 6, 7, 7],
            [2, 6, 4, 3, 2, 2, 5, 7, 8, 8],
            [2, 5, 3, 3, 2, 3, 4, 6, 7, 7],
            [2, 6, 4, 3, 2, 2, 5, 7, 8, 8],
            [3, 7, 6, 4, 1, 2, 5, 8, 9, 9],
            [4, 8, 6, 5, 2, 1, 3, 7, 9, 9],
            [4, 7, 6, 5, 4, 2, 1, 4, 8, 8],
            [5, 8, 7, 6, 5, 3, 2, 1, 5, 8],
            [5, 8, 8, 7, 6, 4, 4, 2, 1, 4],
        ],
        [
            [0, 6, 5, 3, 1, 2, 4, 7, 8, 8],
            [1, 5, 4, 4, 3, 3, 4, 6, 7, 7],
            [1, 6, 4, 3, 3, 3, 5, 7, 8, 8],
            [1, 6, 5, 3, 3, 3, 4, 7, 8, 8],
            [1, 7, 6, 4, 2, 3, 5, 8, 9, 9],
            [1, 7, 6, 5, 3, 2, 4, 8, 9, 9],
            [2, 7, 6, 5, 3, 2, 2, 4, 8, 8],
            [2, 8, 7, 5, 4, 3, 2, 2, 6, 8],
            [2, 8, 8, 6, 5, 4, 3, 2, 2, 7],
        ],
    ],
    np.uint8,
)
"""Bits of the code of a level (column) in a state (row): (TABLES, STATES, LEVELS). No zero follows a run.

Huffman lengths of the transitions in real maps, as benchmarks/fit_aseg.py finds them.
"""


def level_codes() -> np.ndarray:
    """The codes, uint64 (TABLES, STATES, LEVELS): canonical, by length, then by level (T.81, annex C)."""
    codes = np.zeros(CODE_LENGTHS.shape, np.uint64)
    for row in np.ndindex(TABLES, STATES):
        lengths = CODE_LENGTHS[row].astype(np.int64)
        levels = np.flatnonzero(lengths)
        levels = levels[np.argsort(lengths[levels], kind="stable")]
        codes[(*row, levels)] = canonical_codes(lengths[levels])
    return codes


def level_lut() -> np.ndarray:
    """What the next LUT_BITS bits begin with: length of the code << 4 | level.

    uint8, flat, by table, state and bits: TABLES x STATES x 2^LUT_BITS.
    """
    codes, lut = level_codes(), np.zeros((TABLES, STATES, 1 << LUT_BITS), np.uint8)
    for table, state, level in np.argwhere(CODE_LENGTHS):
        length = int(CODE_LENGTHS[table, state, level])
        first = int(codes[table, state, level]) << (LUT_BITS - length)
        lut[table, state, first : first + (1 << (LUT_BITS - length))] = length << 4 | level
    return lut.reshape(-1)


def levels_of(sizes: np.ndarray, order: np.ndarray | int) -> np.ndarray:
    """Level of values of so many binary digits in an order, int64."""
    return np.where(sizes == 0, 0, np.clip(sizes - 1 - order + USUAL, 1, LEVELS - 1))


def raw_digits(bits: int) -> np.ndarray:
    """Digits behind the code of a level, int64 (orders, LEVELS); none where the level has no value."""
    order = np.arange(MAX_ORDER + 1)[:, None]
    level = np.arange(LEVELS)
    digits = np.where(level == 1, order - 3, np.where(level == LEVELS - 1, bits, order + level - USUAL))
    return np.where(level == 0, 0, np.maximum(digits, 0))


def value_ranges(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """What to add to the digits of a level, and its smallest value: int64 (orders, LEVELS), twice.

    Both are beyond every value where a level has none.
    """
    order = np.arange(MAX_ORDER + 1)[:, None]
    level = np.arange(LEVELS)
    whole = (level == 1) | (level == LEVELS - 1)
    offsets = np.where(whole, 0, 1 << raw_digits(bits))
    smallest = np.where(level == LEVELS - 1, 1 << (order + LEVELS - 1 - USUAL), np.where(whole, 1, offsets))
    return offsets, np.where(order + level < USUAL, 1 << 2 * MAX_BITS, smallest)


def size_costs(bits: int, lengths: np.ndarray) -> np.ndarray:
    """Bits of a value, without those of a run of zeros: int64 (SIZES + 1, SIZES, orders).

    Axis 0: binary digits of the value before; the last one is the start of a segment. Axis 1: digits of the
    value; a zero costs something where a run begins, nothing behind a zero. Axis 2: order k. ``lengths``: of
    the codes, (STATES, LEVELS).
    """
    order = np.arange(MAX_ORDER + 1)
    level = levels_of(np.arange(SIZES)[:, None], order)
    state = np.concatenate([np.minimum(level, STATES - 1), np.full((1, MAX_ORDER + 1), START)])
    return lengths[state[:, None], level].astype(np.int64) + raw_digits(bits)[order, level]


def run_costs(longest: int) -> np.ndarray:
    """Bits of the lengths of runs 0 .. ``longest``, nothing for 0: int64 (longest + 1, RUN_ORDERS)."""
    run_order = np.arange(RUN_ORDERS)
    run = np.arange(longest + 1)[:, None]
    return np.where(run == 0, 0, 2 * bit_length(np.maximum(run, 1) - 1 + (1 << run_order)) - 1 - run_order)


def size_codes(bits: int) -> np.ndarray:
    """What to write for a value, by table and order, state, digits: uint64 (TABLES x orders, STATES, SIZES).

    From bit 0 the code and room for the raw digits, from 32 how many these are, from 40 the length of both,
    from 48 the next state.
    """
    table, order, state = (axis[..., None] for axis in np.ogrid[:TABLES, : MAX_ORDER + 1, :STATES])
    level = levels_of(np.arange(SIZES), order)
    raw = raw_digits(bits)[order, level].astype(np.uint64)
    length = CODE_LENGTHS[table, state, level].astype(np.uint64) + raw
    after = np.minimum(level, STATES - 1).astype(np.uint64)
    code = level_codes()[table, state, level] << raw
    return (code | raw << 32 | length << 40 | after << 48).reshape(-1, STATES, SIZES)
