"""Area of a machine on an ECP5: an estimate, from the synthesis of its components.

LUTs, flip-flops and DSPs of a component are linear in a few features of the machine, fitted by least squares
to the runs in ``data/ecp5_synthesis.json`` (made by ``hwsim rtl synth --model``; docs/synthesis.md). Block
RAMs follow from the shapes of the memories, as yosys lays them out.

The reader was counted on one machine, and is taken to be the same on all.

What is added to a core's results comes through a decoder of its own, which the RTL does not have; it is
counted as one more of the core's.

The map buffer is counted by its block RAMs. Left out: what joins the cores of an array, what reads and
writes the map buffer, the DRAM channel (parts of the RTL that were not synthesized), and the multiplexers of
accumulator banks of more than 4096 words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hwsim.arch import BURST_BYTES, LANES, SUB_BANKS, WEIGHT_PASSES, WEIGHT_PORT_WORDS, Arch
from hwsim.machine.descriptors import sub_bank_depth
from hwsim.machine.energy import ACCUMULATOR_BITS, MARK_BITS, READERS

RESULTS = Path(__file__).parent / "data" / "ecp5_synthesis.json"
FITTED = ("luts", "ffs", "dsps")
DEVICE = {"luts": 83640, "ffs": 83640, "dsps": 156, "brams": 208}  # what an LFE5U-85F has
SCALE_BITS = 48  # of a channel: bias 32, multiplier 16
RAM_ROWS = 16  # a distributed RAM is 16 x 4 bits
RAM_COLUMNS = 4
BLOCK_WORDS, BLOCK_BITS = 512, 36  # of a block RAM; its narrower shapes hold no more
BYTE = 9  # bits that a block RAM writes together
BLOCK_COST = 20  # distributed RAMs for which yosys takes a block RAM instead: it is between 18 and 24
WEIGHT_RAM = 2048  # words of a RAM of the weight memory


@dataclass(frozen=True)
class Area:
    """Cells of an ECP5: ``luts``, flip-flops ``ffs``, ``dsps`` (MULT18X18D), ``brams`` (DP16KD, 18 Kbit)."""

    luts: int
    ffs: int
    dsps: int
    brams: int


Points = list[tuple[Arch, list[int]]]  # machines, and what was counted on each

# What each component grows with, beside its constant part. "rest" is what the core has beside its parts.
FEATURES: dict[str, Callable[[Arch], tuple[float, ...]]] = {
    "reader": lambda a: (),
    "decoder": lambda a: (a.activation_bits, a.run_max),
    "position": lambda a: (a.activation_bits, math.log2(a.columns)),
    "items": lambda a: (a.activation_bits,),
    "choice": lambda a: (a.activation_bits,),
    "scatter": lambda a: (a.activation_bits, a.columns, _table_of_logic(a)),
    "weights": lambda a: (_word(a), _word(a) * WEIGHT_PORT_WORDS * _blocks(_loads(a), WEIGHT_RAM)),
    "columns": lambda a: (a.columns, a.columns * a.activation_bits, _word(a)),
    "drain": lambda a: (a.activation_bits, a.columns),
    "encoder": lambda a: (a.activation_bits,),
    "rest": lambda a: (a.columns,),
}
IN_A_CORE = {"items": LANES}  # how many of a component a core has, if not one
CORE = "core"  # all of it
ADDITIONS = "additions"  # the decoder of what is added to results


def area(arch: Arch) -> Area:
    """Estimated area of a machine: its cores, and the block RAMs of its map buffer.

    :func:`fit_error` says how far the fit of a core is from its data.
    """
    parts = _core_parts(arch).values()
    luts, ffs, dsps = (arch.cores * round(sum(counts)) for counts in zip(*parts, strict=True))
    return Area(luts, ffs, dsps, arch.cores * core_brams(arch) + buffer_brams(arch))


def fpga_machine() -> Arch:
    """The machine of two cores that an LFE5U-85F holds (docs/synthesis.md, *A machine for an LFE5U-85F*).

    Its clock is one that a whole core, placed and routed, reaches, its channel a DDR3 of 16 bits at about
    60 % of 1.6 GB/s, with 200 ns to the first data.
    """
    return Arch(
        cores=2,
        columns=8,
        accumulators=512,
        weight_words=9216,
        map_buffer=128 * 1024,
        clock_mhz=60.0,
        bytes_per_cycle=16,
        dram_latency=12,
    )


def core_luts(arch: Arch) -> dict[str, float]:
    """Estimated LUTs of a core, by component."""
    return {component: counts[0] for component, counts in _core_parts(arch).items()}


def placed_clocks() -> dict[str, float]:
    """MHz of each component placed alone, on the machine of which the shipped results have most."""
    clocks: dict[str, dict[str, float]] = {}
    for run in _runs():
        if run.get("timing"):
            clocks.setdefault(json.dumps(run["machine"]), {})[run["component"]] = run["timing"]["fmax_mhz"]
    placed = max(clocks.values(), key=len)
    return {component: placed[component] for component in FEATURES if component in placed}


def slowest_part(without: Collection[str] = ()) -> tuple[str, float]:
    """A core's slowest part, placed alone, and its MHz: what a core reaches at best, whatever its size.

    Args:
        without: parts that are left out.
    """
    clocks = {part: mhz for part, mhz in placed_clocks().items() if part not in without}
    return min(clocks.items(), key=lambda found: found[1])


def whole_core_mhz() -> float | None:
    """The clock of a whole core, placed and routed, the median of its seeds; None if none was."""
    timed = [run["timing"]["fmax_mhz"] for run in _runs() if run["component"] == CORE and run["timing"]]
    return median(timed) if timed else None


def _core_parts(arch: Arch) -> dict[str, list[float]]:
    """Of every component of a core, what it takes of each of FITTED."""
    fitted = _coefficients()
    parts = {component: _estimate(component, arch, fitted) for component in fitted}
    return {**parts, ADDITIONS: parts["decoder"]}


def core_brams(arch: Arch) -> int:
    """Block RAMs of a core: accumulators, their marks, weights, channel scales, table of taps."""
    accumulators = SUB_BANKS * sub_bank_depth(arch)
    full, rest = divmod(_loads(arch), WEIGHT_RAM)
    return (
        arch.columns
        * READERS
        * (block_rams(accumulators, ACCUMULATOR_BITS + MARK_BITS) + block_rams(accumulators, MARK_BITS))
        + WEIGHT_PORT_WORDS * (full * block_rams(WEIGHT_RAM, _word(arch)) + block_rams(rest, _word(arch)))
        + block_rams(WEIGHT_PASSES * arch.columns, SCALE_BITS)
        + (not _table_of_logic(arch))
    )


def buffer_brams(arch: Arch) -> int:
    """Block RAMs of the map buffer, which gives and takes a line in a cycle."""
    return block_rams(-(-arch.map_buffer // BURST_BYTES), 8 * BURST_BYTES)


def block_rams(depth: int, width: int) -> int:
    """Block RAMs that yosys takes for a memory of one read and one write port; 0: it takes distributed RAM.

    The words of a row of RAMs, filled up to bytes of nine bits, and those of the next rows lie side by side,
    and so may share a RAM.
    """
    padded = _blocks(width, BYTE) * BYTE
    blocks = _blocks(_blocks(depth, BLOCK_WORDS) * padded, BLOCK_BITS)
    distributed = _blocks(depth, RAM_ROWS) * _blocks(width, RAM_COLUMNS)
    return 0 if distributed < BLOCK_COST * blocks else blocks


@cache
def fit_error() -> dict[str, float]:
    """Largest deviation of the fitted LUTs from the data, by component, as a part of the measured count."""
    points, fitted = _points(), _coefficients()
    return {
        component: max(
            abs(_estimate(component, arch, fitted)[0] / counts[0] - 1) for arch, counts in points[component]
        )
        for component in fitted
        if component != "rest"
    }


@cache
def _coefficients() -> dict[str, list[list[float]]]:
    """Of every component, for each of FITTED, its constant part and one number a feature.

    Only the constant part may be negative, so that a larger machine never takes less.
    """
    points = _points()
    fitted = {component: _fit(component, points[component]) for component in FEATURES if component != "rest"}
    # Beside its parts, of which few were measured on every core: those that were not are estimated.
    rest: Points = []
    for arch, core in points[CORE]:
        parts = [_measured(name, arch, points[name]) or _estimate(name, arch, fitted) for name in fitted]
        rest.append((arch, [whole - round(sum(part)) for whole, *part in zip(core, *parts, strict=True)]))
    return {**fitted, "rest": _fit("rest", rest)}


def _fit(component: str, points: Points) -> list[list[float]]:
    """Of each of FITTED, the constant part and one number a feature of a component."""
    from scipy.optimize import nnls

    ones = np.ones(len(points))
    features = np.array([FEATURES[component](arch) for arch, _ in points], float)
    columns = np.column_stack([ones, -ones, features])
    solutions = [nnls(columns, counts)[0] for counts in np.array([n for _, n in points], float).T]
    return [[above - below, *slopes] for above, below, *slopes in map(np.ndarray.tolist, solutions)]


def _estimate(component: str, arch: Arch, fitted: Mapping[str, list[list[float]]]) -> list[float]:
    """What a component takes of each of FITTED."""
    features = FEATURES[component](arch)
    return [
        constant + sum(slope * feature for slope, feature in zip(slopes, features, strict=True))
        for constant, *slopes in fitted[component]
    ]


@cache
def _points() -> dict[str, Points]:
    """Measured counts of FITTED by component, of as many as a core has, the core among them."""
    found: dict[str, Points] = {component: [] for component in (*FEATURES, CORE)}
    for run in _runs():
        component = run["component"]
        counts = [IN_A_CORE.get(component, 1) * run["cells"][name] for name in FITTED]
        found[component].append((Arch(**run["machine"]), counts))
    return found


@cache
def _runs() -> list[dict[str, Any]]:
    """The shipped runs of synthesis."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))["runs"]


def _measured(component: str, arch: Arch, points: Points) -> list[int] | None:
    """Counts of a machine on which the component is the one of ``arch``, as far as its features go."""
    features = FEATURES[component]
    return next((counts for other, counts in points if features(other) == features(arch)), None)


def _table_of_logic(arch: Arch) -> bool:
    """Whether yosys makes the table of depthwise taps of logic: for 8, 16 and 32 columns; not for 4, where it
    takes a block RAM."""
    return arch.columns > 4


def _loads(arch: Arch) -> int:
    """Loads that the weight memory holds, each of whose words has RAMs of its own."""
    return arch.weight_words // WEIGHT_PORT_WORDS


def _word(arch: Arch) -> int:
    """Bits of a weight word."""
    return arch.columns * arch.weight_bits


def _blocks(size: int, block: int) -> int:
    return -(-size // block)
