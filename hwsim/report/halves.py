"""What skipping wins without the code, and the code without skipping: a machine's two flags on and off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwsim.machine.result import Result
from hwsim.machine.runs import DRAM_KINDS
from hwsim.report import text
from hwsim.report.tables import Column
from hwsim.report.traffic import KINDS, TITLES

NAMES = {
    (False, False): "neither: the dense baseline",
    (True, False): "zeros skipped, maps raw",
    (False, True): "maps in SEG, no zero skipped",
    (True, True): "both",
}
KEYS = (
    *("cycles", "speedup", *(f"dram_{kind}" for kind in DRAM_KINDS), "dram_maps", "dram_bytes"),
    *("maps_saved", "dram_saved", "energy_uj", "energy_ratio", "register_energy_ratio"),
)
HALVES_COLUMNS = (
    Column("what", "machine", "which of its two flags are on", text.label, 9),
    Column("cycles", "cycles", "of an image", text.whole, 8),
    Column("speedup", "speedup", "cycles of the dense baseline / cycles", text.factor, 8),
    *(
        Column(f"dram_{kind}", TITLES[kind], f"{KINDS[kind]}: bytes over DRAM, an image", text.size, place)
        for kind, place in {**dict.fromkeys(DRAM_KINDS, 1), "weights": 4, "maps_in": 5, "maps_out": 5}.items()
    ),
    Column("dram_bytes", "all DRAM", "bytes over DRAM, an image", text.size, 6),
    Column("dram_saved", "saved", "part of the baseline's bytes that does not move", text.percent, 6),
    Column("energy_uj", "energy", "of an image", text.energy, 7),
    Column("energy_ratio", "of dense", "energy of the dense baseline / energy", text.factor, 7),
    Column(
        "register_energy_ratio",
        "of registers",
        "energy of a dense machine that keeps its sums in registers, an estimate / energy",
        text.factor,
        3,
    ),
)


def half_rows(results: Sequence[Result], name: str = "") -> list[dict[str, Any]]:
    """One row a machine of :func:`hwsim.machine.simulation.halves`; ``name`` goes before each."""
    before = f"{name}: " if name else ""
    return [
        {
            "what": before + NAMES[result.arch.skip_zeros, result.arch.compress],
            "skip_zeros": result.arch.skip_zeros,
            "compress": result.arch.compress,
            **{key: result.overall()[key] for key in KEYS},
        }
        for result in results
    ]
