"""What one layer of one image did on one machine: the exact counts that every account starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

CAUSES = ("compute", "taps", "decode", "dram", "weights", "drain", "pool", "imbalance")
DramKind = Literal["weights", "scales", "programs", "index", "maps_in", "maps_out", "pooled", "residuals"]
DRAM_KINDS: tuple[DramKind, ...] = get_args(DramKind)
MAP_KINDS: tuple[DramKind, ...] = ("index", "maps_in", "maps_out", "pooled", "residuals")  # bytes of maps
Mode = Literal["skipping", "dense"]
MODES: tuple[Mode, ...] = ("skipping", "dense")


@dataclass(frozen=True)
class LayerRun:
    """One layer of one image on one machine, skipping or dense.

    Attributes:
        name, kind, image: which.
        start, end, cycles: in cycles since the image began; ``cycles = end - start``.
        least_cycles: the fewest that the multipliers need (:func:`hwsim.machine.totals.least_cycles`).
        macs, nonzero_macs: valid MACs, and those with a non-zero activation.
        elements, nonzeros: of the input map.
        causes: core-cycles by cause (:data:`CAUSES`); they sum to cycles x cores.
        dram: bytes over the channel, by :data:`DRAM_KINDS`.
        map_bytes: the input map as coded, index included.
        events: counts of what costs energy (hwsim.machine.energy.EVENTS).
        energy_pj: by component (hwsim.machine.energy.COMPONENTS).
        rounds, row_groups, block: of the mapping.
    """

    name: str
    kind: str
    image: int
    start: int
    end: int
    cycles: int
    least_cycles: int
    macs: int
    nonzero_macs: int
    elements: int
    nonzeros: int
    causes: dict[str, int]
    dram: dict[str, int]
    map_bytes: int
    events: dict[str, int]
    energy_pj: dict[str, float]
    rounds: int
    row_groups: int
    block: int


@dataclass(frozen=True)
class LayerResult:
    """One layer of one image: the machine, and the same machine as dense baseline."""

    skipping: LayerRun
    dense: LayerRun

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.skipping.name

    @property
    def kind(self) -> str:
        """Kind of the layer: conv, depthwise or linear."""
        return self.skipping.kind

    @property
    def image(self) -> int:
        """Number of the image in the trace."""
        return self.skipping.image
