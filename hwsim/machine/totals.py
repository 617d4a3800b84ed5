"""The account: every sum over layers, images and modes, and every ratio of such sums, made here alone.

Tables, pages, plots, JSON, CSV, sweeps, exports and the tables of ``hwsim reproduce`` read it, so that one
run has one number under one name wherever it stands. One rule holds at every edge: a ratio with nothing to
divide by is None. So where no MAC has a non-zero activation, MAC ratio and efficiency are None, and the rest
stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from hwsim.machine.energy import COMPONENTS, EVENTS, energy_pj, register_table
from hwsim.machine.numbers import Numbers
from hwsim.machine.runs import CAUSES, DRAM_KINDS, MAP_KINDS, MODES, LayerResult, LayerRun, Mode

if TYPE_CHECKING:
    from hwsim.arch import Arch
    from hwsim.layer import Layer

ALL_LAYERS = "all layers"
STALLS = tuple(cause for cause in CAUSES if cause != "compute")
WAITS_FOR_DRAM = ("dram", "weights")  # causes: words of the map, or weights, that are not there yet
Number = TypeVar("Number", int, float)


def ratio(part: float | None, whole: float | None) -> float | None:
    """``part / whole``; None where one of them is not known, or there is nothing to divide by."""
    return part / whole if part is not None and whole else None


def saved(bytes_: float, dense_bytes: float) -> float | None:
    """The part of the baseline's bytes that does not move, below 0 if more does; None if it moves none."""
    left = ratio(bytes_, dense_bytes)
    return None if left is None else 1 - left


def seconds_at(mhz: float, cycles: float) -> float:
    """Seconds that cycles take at a clock."""
    return cycles / (mhz * 1e6)


def added(values: Iterable[float | None]) -> float | None:
    """The sum, None if one of the values is not known."""
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def least_cycles(layer: Layer, macs: int, arch: Arch) -> int:
    """The fewest cycles in which the multipliers can do ``macs`` MACs of a layer: the bound on compute.

    An array does at most cores x columns MACs a cycle. In a depthwise layer a value meets its Kh x Kw
    weights, and nothing else, in ceil(Kh Kw / columns) cycles of a core: that many MACs in as many cycles.
    """
    if layer.kind != "depthwise":
        return -(-macs // arch.peak_macs)
    taps = layer.kernel[0] * layer.kernel[1]
    return -(-macs * -(-taps // arch.columns) // (taps * arch.cores))


@dataclass(frozen=True)
class Speed:
    """MACs and cycles of a machine and of its dense baseline over the same work.

    Attributes:
        dense_macs, macs: MACs performed: by the baseline all valid ones, by a machine that skips zeros those
            with a non-zero activation.
        dense_cycles, cycles: that these took.
    """

    dense_macs: int
    macs: int
    dense_cycles: int
    cycles: int

    @classmethod
    def of(cls, layers: Iterable[tuple[int, int, int, int]]) -> Speed:
        """Layers added up, each as (dense MACs, MACs, dense cycles, cycles)."""
        rows = [(0, 0, 0, 0), *layers]
        return cls(*(sum(column) for column in zip(*rows, strict=True)))

    @property
    def speedup(self) -> float | None:
        """Cycles of the baseline / cycles."""
        return ratio(self.dense_cycles, self.cycles)

    @property
    def mac_ratio(self) -> float | None:
        """MACs of the baseline / MACs: what skipping saves in multiplications. No bound on the speedup."""
        return ratio(self.dense_macs, self.macs)

    @property
    def efficiency(self) -> float | None:
        """Speedup / MAC ratio; above 1 where the baseline spends more core-cycles a MAC than the machine."""
        return ratio(self.dense_cycles * self.macs, self.cycles * self.dense_macs) if self.macs else None


@dataclass(frozen=True)
class Totals:
    """Sums over some layers of some images, all skipping or all dense; fields as in :class:`LayerRun`."""

    cycles: int
    least_cycles: int
    macs: int
    nonzero_macs: int
    elements: int
    nonzeros: int
    map_bytes: int
    causes: dict[str, int]
    dram: dict[str, int]
    events: dict[str, int]
    energy_pj: dict[str, float]

    @classmethod
    def of(cls, runs: Iterable[LayerRun]) -> Totals:
        """Runs added up."""
        known = list(runs)
        return cls(
            cycles=sum(run.cycles for run in known),
            least_cycles=sum(run.least_cycles for run in known),
            macs=sum(run.macs for run in known),
            nonzero_macs=sum(run.nonzero_macs for run in known),
            elements=sum(run.elements for run in known),
            nonzeros=sum(run.nonzeros for run in known),
            map_bytes=sum(run.map_bytes for run in known),
            causes=_by_key(CAUSES, [run.causes for run in known]),
            dram=_by_key(DRAM_KINDS, [run.dram for run in known]),
            events=_by_key(EVENTS, [run.events for run in known]),
            energy_pj=_by_key(COMPONENTS, [run.energy_pj for run in known]),
        )

    @property
    def performed_macs(self) -> int:
        """MACs that were multiplied."""
        return self.events["mac"]

    @property
    def core_cycles(self) -> int:
        """Cycles x cores."""
        return sum(self.causes.values())

    @property
    def dram_wait_core_cycles(self) -> int:
        """Core-cycles that wait for DRAM (:data:`WAITS_FOR_DRAM`)."""
        return sum(self.causes[cause] for cause in WAITS_FOR_DRAM)

    @property
    def dram_bytes(self) -> int:
        """Bytes over the channel."""
        return sum(self.dram.values())

    @property
    def dram_map_bytes(self) -> int:
        """Bytes of maps over the channel, in and out, with index and second readings."""
        return sum(self.dram[kind] for kind in MAP_KINDS)

    @property
    def total_energy_pj(self) -> float:
        """Energy of all components, pJ."""
        return sum(self.energy_pj.values())

    @property
    def largest_stall(self) -> str | None:
        """The cause with the most core-cycles besides compute; None if there is no other."""
        cause = max(STALLS, key=lambda cause: self.causes[cause])
        return cause if self.causes[cause] else None


@dataclass(frozen=True)
class Account:
    """Some layers of some images: the machine, its dense baseline, and what sets the two apart.

    Attributes:
        name, kind: of the layer; :data:`ALL_LAYERS` and nothing for several.
        arch: the machine.
        images: how many.
        skipping, dense: sums over the layers and images.
    """

    name: str
    kind: str
    arch: Arch
    images: int
    skipping: Totals
    dense: Totals

    @classmethod
    def of(cls, layers: Sequence[LayerResult], arch: Arch) -> Account:
        """All layers of some images added up."""
        return cls(
            ALL_LAYERS,
            "",
            arch,
            len({layer.image for layer in layers}),
            *(Totals.of(getattr(layer, mode) for layer in layers) for mode in MODES),
        )

    @classmethod
    def per_layer(cls, layers: Sequence[LayerResult], arch: Arch) -> dict[str, Account]:
        """One account a layer, by its name, in the order in which the layers come first."""
        found: dict[str, list[LayerResult]] = {}
        for layer in layers:
            found.setdefault(layer.name, []).append(layer)
        return {
            name: replace(cls.of(same, arch), name=name, kind=same[0].kind) for name, same in found.items()
        }

    def totals(self, mode: Mode) -> Totals:
        """Sums of one mode."""
        return self.skipping if mode == "skipping" else self.dense

    @cached_property
    def speed(self) -> Speed:
        """What the speedup is made of."""
        return Speed(
            self.dense.performed_macs, self.skipping.performed_macs, self.dense.cycles, self.skipping.cycles
        )

    @property
    def speedup(self) -> float | None:
        """As :attr:`Speed.speedup`."""
        return self.speed.speedup

    @property
    def mac_ratio(self) -> float | None:
        """As :attr:`Speed.mac_ratio`."""
        return self.speed.mac_ratio

    @property
    def density(self) -> float | None:
        """Fraction of the input maps' elements that is not zero."""
        return ratio(self.skipping.nonzeros, self.skipping.elements)

    @property
    def speedup_less_dram(self) -> float | None:
        """The speedup with the core-cycles that wait for DRAM left out of both machines."""
        dense, skipping = (
            totals.core_cycles - totals.dram_wait_core_cycles for totals in (self.dense, self.skipping)
        )
        return ratio(dense, skipping)

    def utilization(self, mode: Mode) -> float | None:
        """MACs performed / those that cores x columns multipliers could do in these cycles: 1 at most.

        The efficiency is the machine's utilization / the baseline's.
        """
        totals = self.totals(mode)
        return ratio(totals.performed_macs, totals.cycles * self.arch.peak_macs)

    @property
    def beyond(self) -> str | None:
        """Where the speedup exceeds the MAC ratio: what the baseline spends its extra core-cycles a MAC on.

        The speedup is the MAC ratio x (core-cycles a MAC of the baseline / those of the machine). The cause
        is the one of which the baseline has most more a MAC; None if the speedup is within the MAC ratio.
        """
        macs, dense_macs = self.speed.macs, self.speed.dense_macs
        extra = {
            cause: self.dense.causes[cause] * macs - self.skipping.causes[cause] * dense_macs
            for cause in CAUSES
        }
        if not macs or sum(extra.values()) <= 0:
            return None
        return max(CAUSES, key=lambda cause: extra[cause])

    @cached_property
    def register_energy_by_part_pj(self) -> dict[str, float]:
        """An estimate: the baseline's energy by component, were its sums in registers, pJ.

        See :func:`hwsim.machine.energy.register_table`.
        """
        return energy_pj(self.dense.events, register_table(self.arch))

    @property
    def register_energy_pj(self) -> float:
        """An estimate: :attr:`register_energy_by_part_pj` of all components, pJ."""
        return sum(self.register_energy_by_part_pj.values())

    def mean(self, total: float) -> float:
        """Of an image."""
        return total / self.images

    @cached_property
    def numbers(self) -> Numbers:
        """All numbers, as every output has them."""
        dense, skipping, mean = self.dense, self.skipping, self.mean
        moved, cycles = self.arch.dram_rate
        return {
            "macs": mean(skipping.macs),
            "nonzero_macs": mean(skipping.nonzero_macs),
            "density": self.density,
            "dense_cycles": mean(dense.cycles),
            "cycles": mean(skipping.cycles),
            "seconds": seconds_at(self.arch.clock_mhz, mean(skipping.cycles)),
            "speedup": self.speed.speedup,
            "mac_ratio": self.speed.mac_ratio,
            "efficiency": self.speed.efficiency,
            "speedup_less_dram": self.speedup_less_dram,
            "dense_utilization": self.utilization("dense"),
            "utilization": self.utilization("skipping"),
            "dense_least_cycles": mean(dense.least_cycles),
            "least_cycles": mean(skipping.least_cycles),
            "dense_channel_cycles": mean(dense.dram_bytes) * cycles / moved,
            "channel_cycles": mean(skipping.dram_bytes) * cycles / moved,
            "dense_dram_wait": ratio(dense.dram_wait_core_cycles, dense.core_cycles),
            "dram_wait": ratio(skipping.dram_wait_core_cycles, skipping.core_cycles),
            "dense_dram_weights": mean(dense.dram["weights"]),
            "dense_dram_scales": mean(dense.dram["scales"]),
            "dense_dram_programs": mean(dense.dram["programs"]),
            "dense_dram_index": mean(dense.dram["index"]),
            "dense_dram_maps_in": mean(dense.dram["maps_in"]),
            "dense_dram_maps_out": mean(dense.dram["maps_out"]),
            "dense_dram_pooled": mean(dense.dram["pooled"]),
            "dense_dram_residuals": mean(dense.dram["residuals"]),
            "dense_dram_bytes": mean(dense.dram_bytes),
            "dram_weights": mean(skipping.dram["weights"]),
            "dram_scales": mean(skipping.dram["scales"]),
            "dram_programs": mean(skipping.dram["programs"]),
            "dram_index": mean(skipping.dram["index"]),
            "dram_maps_in": mean(skipping.dram["maps_in"]),
            "dram_maps_out": mean(skipping.dram["maps_out"]),
            "dram_pooled": mean(skipping.dram["pooled"]),
            "dram_residuals": mean(skipping.dram["residuals"]),
            "dram_bytes": mean(skipping.dram_bytes),
            "dense_dram_maps": mean(dense.dram_map_bytes),
            "dram_maps": mean(skipping.dram_map_bytes),
            "maps_saved": saved(skipping.dram_map_bytes, dense.dram_map_bytes),
            "dram_saved": saved(skipping.dram_bytes, dense.dram_bytes),
            "dense_energy_uj": mean(dense.total_energy_pj) / 1e6,
            "energy_uj": mean(skipping.total_energy_pj) / 1e6,
            "register_energy_uj": mean(self.register_energy_pj) / 1e6,
            "energy_ratio": ratio(dense.total_energy_pj, skipping.total_energy_pj),
            "register_energy_ratio": ratio(self.register_energy_pj, skipping.total_energy_pj),
        }

    @cached_property
    def row(self) -> dict[str, Any]:
        """The numbers with what they are of, and with core-cycles by cause and energy by component.

        ``cause_*`` are shares, ``core_cycles_*`` means of an image, which sum to cycles x cores.
        """
        row: dict[str, Any] = {"layer": self.name, "kind": self.kind, **self.numbers, "beyond": self.beyond}
        for totals, prefix in ((self.skipping, ""), (self.dense, "dense_")):
            stall = totals.largest_stall
            row[f"{prefix}largest_stall"] = stall
            row[f"{prefix}largest_stall_share"] = (
                ratio(totals.causes[stall], totals.core_cycles) if stall else None
            )
            for cause, cycles in totals.causes.items():
                row[f"{prefix}cause_{cause}"] = ratio(cycles, totals.core_cycles)
            for cause, cycles in totals.causes.items():
                row[f"{prefix}core_cycles_{cause}"] = self.mean(cycles)
            for part, energy in totals.energy_pj.items():
                row[f"{prefix}energy_uj_{part}"] = self.mean(energy) / 1e6
        return row


def _by_key(keys: Iterable[str], rows: Sequence[Mapping[str, Number]]) -> dict[str, Number]:
    return {key: sum(row[key] for row in rows) for key in keys}
