"""What a simulation finds: a layer, a network, on the machine and on its dense baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from hwsim.arch import Arch

CAUSES = ("compute", "taps", "decode", "dram", "weights", "drain", "imbalance")
Mode = Literal["skipping", "dense"]
SCHEMA = 1


@dataclass(frozen=True)
class LayerRun:
    """One layer of one image on one machine, skipping or dense.

    Attributes:
        name, kind, image: which.
        start, end, cycles: in cycles since the image began; ``cycles = end - start``.
        macs, nonzero_macs: valid MACs, and those with a non-zero activation.
        elements, nonzeros: of the input map.
        causes: core-cycles by cause (:data:`CAUSES`); they sum to cycles x cores.
        dram: bytes over the channel: ``weights``, ``maps_in``, ``maps_out``.
        map_bytes: the input map as stored.
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
        """Of the layer."""
        return self.skipping.name

    @property
    def kind(self) -> str:
        """Of the layer."""
        return self.skipping.kind

    @property
    def image(self) -> int:
        """Number of the image in the trace."""
        return self.skipping.image

    @property
    def density(self) -> float:
        """Fraction of the input map that is not zero."""
        return self.skipping.nonzeros / self.skipping.elements

    @property
    def sparsity(self) -> float:
        """1 - density."""
        return 1 - self.density

    @property
    def speedup(self) -> float:
        """Dense cycles / cycles."""
        return self.dense.cycles / self.skipping.cycles

    @property
    def ideal_speedup(self) -> float:
        """Valid MACs / MACs with a non-zero activation."""
        return self.skipping.macs / self.skipping.nonzero_macs if self.skipping.nonzero_macs else float("inf")

    @property
    def efficiency(self) -> float:
        """Speedup / ideal speedup."""
        return self.speedup / self.ideal_speedup


@dataclass(frozen=True)
class Result:
    """A simulated trace: image by image, layer by layer."""

    title: str
    network: str
    variant: str
    synthetic: bool
    provenance: dict[str, Any]
    images: tuple[int, ...]
    arch: Arch
    layers: tuple[LayerResult, ...]

    def runs(self, mode: Mode) -> list[LayerRun]:
        """All layers of all images, skipping or dense."""
        return [getattr(layer, mode) for layer in self.layers]

    def total(self, mode: Mode) -> int:
        """Cycles of all images."""
        return sum(run.cycles for run in self.runs(mode))

    def dram_bytes(self, mode: Mode) -> int:
        """Bytes over the DRAM channel, all images."""
        return sum(sum(run.dram.values()) for run in self.runs(mode))

    def energy_pj(self, mode: Mode) -> float:
        """Energy of all images, pJ."""
        return sum(sum(run.energy_pj.values()) for run in self.runs(mode))

    @property
    def density(self) -> float:
        """Fraction of all input maps' elements that is not zero."""
        return sum(r.nonzeros for r in self.runs("skipping")) / sum(r.elements for r in self.runs("skipping"))

    @property
    def speedup(self) -> float:
        """Dense cycles / cycles, all layers and images."""
        return self.total("dense") / self.total("skipping")

    @property
    def ideal_speedup(self) -> float:
        """All valid MACs / all MACs with a non-zero activation."""
        nonzero = sum(run.nonzero_macs for run in self.runs("skipping"))
        return sum(run.macs for run in self.runs("skipping")) / nonzero if nonzero else float("inf")

    def per_layer(self) -> list[dict[str, Any]]:
        """One row a layer, counts averaged over the images, ratios taken of the sums."""
        rows = []
        for name in dict.fromkeys(layer.name for layer in self.layers):
            layers = [layer for layer in self.layers if layer.name == name]
            rows.append(_row(layers, len(self.images)))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """The whole result as JSON-able data."""
        return {
            "schema": SCHEMA,
            "title": self.title,
            "network": self.network,
            "variant": self.variant,
            "synthetic": self.synthetic,
            "provenance": self.provenance,
            "images": list(self.images),
            "arch": self.arch.model_dump(),
            "totals": {
                "density": self.density,
                "speedup": self.speedup,
                "ideal_speedup": _finite(self.ideal_speedup),
                **{
                    mode: {
                        "cycles": self.total(mode),
                        "dram_bytes": self.dram_bytes(mode),
                        "energy_pj": self.energy_pj(mode),
                    }
                    for mode in ("skipping", "dense")
                },
            },
            "per_layer": self.per_layer(),
            "layers": [
                {"skipping": asdict(layer.skipping), "dense": asdict(layer.dense)} for layer in self.layers
            ],
        }


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _row(layers: Sequence[LayerResult], images: int) -> dict[str, Any]:
    skipping, dense = [layer.skipping for layer in layers], [layer.dense for layer in layers]
    cycles, dense_cycles = sum(r.cycles for r in skipping), sum(r.cycles for r in dense)
    macs, nonzero = sum(r.macs for r in skipping), sum(r.nonzero_macs for r in skipping)
    causes = {cause: sum(r.causes[cause] for r in skipping) for cause in CAUSES}
    core_cycles = sum(causes.values())
    ideal = macs / nonzero if nonzero else float("inf")
    return {
        "layer": layers[0].name,
        "kind": layers[0].kind,
        "density": sum(r.nonzeros for r in skipping) / sum(r.elements for r in skipping),
        "macs": macs // images,
        "cycles": cycles / images,
        "dense_cycles": dense_cycles / images,
        "speedup": dense_cycles / cycles,
        "ideal_speedup": _finite(ideal),
        "efficiency": dense_cycles / cycles / ideal,
        "dram_bytes": sum(sum(r.dram.values()) for r in skipping) / images,
        "dense_dram_bytes": sum(sum(r.dram.values()) for r in dense) / images,
        "energy_uj": sum(sum(r.energy_pj.values()) for r in skipping) / images / 1e6,
        "dense_energy_uj": sum(sum(r.energy_pj.values()) for r in dense) / images / 1e6,
        "bound": max((c for c in CAUSES if c != "compute"), key=lambda c: causes[c]),
        **{f"cause_{cause}": count / core_cycles for cause, count in causes.items()},
    }
