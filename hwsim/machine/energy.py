"""Energy from per-event tables, and an estimate of a dense machine that keeps its sums in registers.

Sources:
    Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, pages 10 to 14, doi
    10.1109/ISSCC.2014.6757323, figure 1.1.9 (45 nm, 0.9 V): 8-bit integer multiplication 0.2 pJ, 32-bit
    integer addition 0.1 pJ, 64-bit access of an 8 KiB / 32 KiB / 1 MiB SRAM 10 / 20 / 100 pJ, 64-bit DRAM
    access 1.3 to 2.6 nJ (the lower end is taken). The paper was not at hand: its figures are
    taken as others quote them, who agree (Frontiers in Neurology 2022, PMC8934428, table 3: 0.1 and 3.1 pJ,
    and 5 pJ for half of a 64-bit access of 8 KiB; the whole table in several public simulators).
    The energy of a multiplication grows with the product of its widths (his 32-bit one takes 3.1 pJ, 16 times
    the 8-bit one's); that of an SRAM access is interpolated between his sizes on logarithmic axes, goes on so
    beyond them, down to 256 bytes, and grows with its width.
    A decoded symbol and an encoded value are taken as a 64-bit shift and a priority search: about five
    32-bit additions, an assumption: no activity was counted in the RTL. A comparison is taken as an addition
    of numbers as wide as the values.

What happens how often is what the hardware does (docs/architecture.md, *Energy*): a sum lies in two copies of
a RAM, one for each reader, and both are written. Every entry can be replaced in the ``[energy]`` table of a
machine's TOML file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from hwsim.arch import EVENTS, REGISTER_SUM, Arch
from hwsim.quantize import MULTIPLIER_BITS

MULTIPLY_8X8_PJ = 0.2
ADD_32_PJ = 0.1
SRAM_64_PJ = {8 * 1024: 10.0, 32 * 1024: 20.0, 1024 * 1024: 100.0}  # bytes -> pJ per 64-bit access
SMALLEST_SRAM = 256  # bytes
DRAM_64_PJ = 1300.0
CODEC_ADDS = 5
# An assumption: an addition and the clocking of a register beside it. Horowitz gives no register; in Eyeriss
# (Chen et al., ISCA 2016, table IV) an access of a small register file takes the energy of a MAC at most.
REGISTER_SUM_PJ = 0.2

ACCUMULATOR_BITS = 32
MARK_BITS = 1  # beside each sum, and in the drain's RAM of marks
READERS = 2  # taps and drain: a copy of each RAM for each
COMPONENTS = {
    "mac": ("mac",),
    "accumulators": ("accumulator", "drain", "requantize", "compared"),
    "weights": ("weight_word", "weight_load"),
    "decode": ("symbol",),
    "encode": ("encoded",),
    "map_buffer": ("map_word",),
    "dram": ("dram_byte",),
}


def sram_pj(bits: int, size: float) -> float:
    """Energy of one access of ``bits`` bits to an SRAM of ``size`` bytes (Horowitz, interpolated), pJ."""
    small, middle, large = SRAM_64_PJ
    begin, end = (small, middle) if size < middle else (middle, large)
    low, high = SRAM_64_PJ[begin], SRAM_64_PJ[end]
    slope = (math.log(high) - math.log(low)) / (math.log(end) - math.log(begin))
    return low * (max(size, SMALLEST_SRAM) / begin) ** slope * bits / 64


def multiply_pj(one: int, other: int) -> float:
    """Energy of one multiplication of numbers of so many bits (Horowitz, scaled), pJ."""
    return MULTIPLY_8X8_PJ * one * other / 64


def accumulator_bytes(arch: Arch) -> int:
    """Bytes of all accumulators with their marks, every copy of them."""
    return arch.peak_macs * arch.accumulators * READERS * (ACCUMULATOR_BITS + 2 * MARK_BITS) // 8


def event_table(arch: Arch) -> dict[str, float]:
    """Energy of every event of :data:`hwsim.arch.EVENTS` on this machine, pJ."""
    word = arch.columns * arch.weight_bits
    weight_word = sram_pj(word, arch.weight_words * word / 8)
    stored = ACCUMULATOR_BITS + MARK_BITS
    sum_ = sram_pj(stored, arch.accumulators * stored / 8)
    mark = sram_pj(MARK_BITS, arch.accumulators * MARK_BITS / 8)
    table = {
        "mac": multiply_pj(arch.activation_bits, arch.weight_bits),
        "accumulator": ADD_32_PJ + sum_ + mark + READERS * sum_,
        "drain": ADD_32_PJ + sum_ + mark + READERS * mark,
        "requantize": multiply_pj(ACCUMULATOR_BITS, MULTIPLIER_BITS) + 2 * ADD_32_PJ,
        "weight_word": weight_word,
        "weight_load": weight_word,
        "map_word": sram_pj(64, arch.map_buffer),
        "symbol": CODEC_ADDS * ADD_32_PJ,
        "encoded": CODEC_ADDS * ADD_32_PJ,
        "compared": ADD_32_PJ * arch.activation_bits / 32,
        "dram_byte": DRAM_64_PJ / 8,
    }
    return {**table, **{event: energy for event, energy in arch.energy.items() if event in EVENTS}}


def register_table(arch: Arch) -> dict[str, float]:
    """An estimate: :func:`event_table` of a machine that keeps each sum in a register until it is done, pJ.

    Adding a product takes :data:`REGISTER_SUM_PJ`, and there is nothing to drain; all else is taken as it is.
    The machine would have to visit all values of an output one after the other, which the scatter of this one
    does not: its cycles are not simulated.
    """
    return {**event_table(arch), "accumulator": arch.energy.get(REGISTER_SUM, REGISTER_SUM_PJ), "drain": 0.0}


def energy_pj(events: Mapping[str, int], table: Mapping[str, float]) -> dict[str, float]:
    """Energy by component, pJ, from counts of events."""
    return {part: sum(events[event] * table[event] for event in names) for part, names in COMPONENTS.items()}
