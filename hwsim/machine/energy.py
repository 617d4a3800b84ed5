"""Energy from per-event tables.

Sources:
    Horowitz, "Computing's energy problem", ISSCC 2014, figure 1.1.9 (45 nm, 0.9 V): 8-bit integer
    multiplication 0.2 pJ, 32-bit integer addition 0.1 pJ, 64-bit access of an 8 KiB / 32 KiB / 1 MiB SRAM
    10 / 20 / 100 pJ, 64-bit DRAM access 1.3 to 2.6 nJ (the lower end is taken).
    The energy of a multiplication grows with the product of its widths; that of an SRAM access is
    interpolated between Horowitz's sizes on logarithmic axes and grows with its width.
    A decoded symbol and an encoded value are taken as a 64-bit shift and a priority search: about five
    32-bit additions, an assumption until the RTL is synthesized.

Every entry can be replaced in the ``[energy]`` table of a machine's TOML file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from hwsim.arch import Arch
from hwsim.errors import ArchError

MULTIPLY_8X8_PJ = 0.2
ADD_32_PJ = 0.1
SRAM_64_PJ = {8 * 1024: 10.0, 32 * 1024: 20.0, 1024 * 1024: 100.0}  # bytes -> pJ per 64-bit access
DRAM_64_PJ = 1300.0
CODEC_ADDS = 5

ACCUMULATOR_BITS = 32
EVENTS = {
    "mac": "one multiplication",
    "accumulator": "one accumulator word read, added to and written",
    "drain": "one accumulator word read and requantized",
    "weight_word": "one M-wide word of weights read",
    "weight_byte_loaded": "one byte written into weight memory",
    "map_word": "one 64-bit word of a map read from or written to the map buffer",
    "symbol": "one symbol decoded",
    "encoded": "one value encoded",
    "dram_byte": "one byte over the DRAM channel",
}
COMPONENTS = {
    "mac": ("mac",),
    "accumulators": ("accumulator", "drain"),
    "weights": ("weight_word", "weight_byte_loaded"),
    "decode": ("symbol",),
    "encode": ("encoded",),
    "map_buffer": ("map_word",),
    "dram": ("dram_byte",),
}


def sram_pj(bits: int, size: float) -> float:
    """Energy of one access of ``bits`` bits to an SRAM of ``size`` bytes (Horowitz, interpolated), pJ."""
    sizes, energies = list(SRAM_64_PJ), list(SRAM_64_PJ.values())
    segment = 0 if size < sizes[1] else 1
    ratio = energies[segment + 1] / energies[segment]
    slope = math.log(ratio) / math.log(sizes[segment + 1] / sizes[segment])
    return energies[segment] * (max(size, 256.0) / sizes[segment]) ** slope * bits / 64


def event_table(arch: Arch) -> dict[str, float]:
    """Energy of every event of :data:`EVENTS` on this machine, pJ.

    Raises:
        ArchError: the machine's ``energy`` names an event that does not exist.
    """
    unknown = set(arch.energy) - set(EVENTS)
    if unknown:
        raise ArchError(f"energy: no event {sorted(unknown)[0]!r}; there are {', '.join(EVENTS)}")
    word = arch.columns * arch.weight_bits
    weight_bytes = arch.weight_words * word / 8
    bank_bytes = arch.accumulators * ACCUMULATOR_BITS / 8
    multiply = MULTIPLY_8X8_PJ * arch.activation_bits * arch.weight_bits / 64
    table = {
        "mac": multiply,
        "accumulator": ADD_32_PJ + 2 * sram_pj(ACCUMULATOR_BITS, bank_bytes),
        "drain": sram_pj(ACCUMULATOR_BITS, bank_bytes) + 4 * MULTIPLY_8X8_PJ + ADD_32_PJ,
        "weight_word": sram_pj(word, weight_bytes),
        "weight_byte_loaded": sram_pj(8, weight_bytes),
        "map_word": sram_pj(64, arch.map_buffer),
        "symbol": CODEC_ADDS * ADD_32_PJ,
        "encoded": CODEC_ADDS * ADD_32_PJ,
        "dram_byte": DRAM_64_PJ / 8,
    }
    return {**table, **arch.energy}


def energy_pj(events: Mapping[str, int], table: Mapping[str, float]) -> dict[str, float]:
    """Energy by component, pJ, from counts of events."""
    return {part: sum(events[event] * table[event] for event in names) for part, names in COMPONENTS.items()}
