"""Layer + machine -> work: which core owns which output block and which output rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from hwsim.arch import SUB_BANKS, Arch
from hwsim.errors import ArchError
from hwsim.layer import Layer


@dataclass(frozen=True, eq=False)
class Mapping:
    """How an array shares a layer (docs/architecture.md, *Sharing a layer*); equal only to itself.

    Attributes:
        units: output blocks, or channel groups of a depthwise layer.
        unit_channels: output channels of a unit; the last one may have fewer.
        groups: the output rows, int64 ascending, of every row group.
        cores: of the array.
    """

    units: int
    unit_channels: int
    groups: tuple[np.ndarray, ...]
    cores: int

    @property
    def items(self) -> int:
        """Passes of the layer, over all cores."""
        return self.units * len(self.groups)

    @cached_property
    def rounds(self) -> tuple[tuple[tuple[int, int, int], ...], ...]:
        """(core, unit, group) of every pass of every round; a core makes at most one pass a round."""
        work = [(n % self.cores, *divmod(n, len(self.groups))) for n in range(self.items)]
        return tuple(tuple(work[n : n + self.cores]) for n in range(0, self.items, self.cores))

    @cached_property
    def users(self) -> tuple[dict[int, list[int]], ...]:
        """Of every round, the cores that work on each unit."""
        users: tuple[dict[int, list[int]], ...] = tuple({} for _ in self.rounds)
        for work, cores in zip(self.rounds, users, strict=True):
            for core, unit, _ in work:
                cores.setdefault(unit, []).append(core)
        return users

    def channels(self, unit: int, layer: Layer) -> range:
        """Output channels of a unit."""
        first = unit * self.unit_channels
        return range(first, min(first + self.unit_channels, layer.out_shape[0]))


def channel_group(layer: Layer, arch: Arch) -> int:
    """Channels that a pass of this layer drains together; also the most that a segment of its maps may hold.

    Raises:
        ArchError: the layer is of a kind that the machine lacks, or needs more accumulators or weight memory
            than it has.
    """
    if layer.special:
        raise ArchError(
            f"layer {layer.name}: {layer.special} are in the trace, this machine does not run them"
        )
    group = arch.columns
    if layer.kind == "depthwise":
        while group > 1 and not _fits(layer, group, arch):
            group //= 2
    channels = group if layer.kind == "depthwise" else 1
    if not _fits(layer, channels, arch):
        raise ArchError(
            f"layer {layer.name} needs {layer.kernel[0] + 1} rows of {layer.out_shape[2]} accumulators a "
            f"bank, in {SUB_BANKS} sub-banks of {arch.accumulators // SUB_BANKS} words: raise accumulators"
        )
    words = weight_words(layer, group, arch)
    if words > arch.weight_words:
        raise ArchError(
            f"layer {layer.name} needs {words} weight words a core, the machine has {arch.weight_words}: "
            "raise weight_words"
        )
    return group


def _fits(layer: Layer, channels: int, arch: Arch) -> bool:
    """Whether a bank holds the ring of a pass: Kh + 1 rows, each in whole sub-banks."""
    sub_banks = -(-channels * layer.out_shape[2] // (arch.accumulators // SUB_BANKS))
    return (layer.kernel[0] + 1) * sub_banks <= SUB_BANKS


def weight_words(layer: Layer, channels: int, arch: Arch) -> int:
    """M-wide words of weight memory that a pass over ``channels`` output channels needs."""
    taps = layer.kernel[0] * layer.kernel[1]
    if layer.kind == "depthwise":
        return channels * -(-taps // arch.columns)
    return layer.in_shape[0] * taps


def map_blocks(layers: Sequence[Layer], arch: Arch) -> dict[str, int]:
    """Channels of a segment of every map: the fewest that a producer or a consumer asks for."""
    blocks: dict[str, int] = {}
    for layer in layers:
        group = channel_group(layer, arch)
        for name in (layer.input, layer.output):
            if name is not None:
                blocks[name] = min(blocks.get(name, arch.columns), group)
    return blocks


def map_layer(layer: Layer, arch: Arch, row_counts: np.ndarray, block: int) -> Mapping:
    """Share a layer so that its slowest core has the least to do.

    Args:
        layer: geometry.
        arch: the machine.
        row_counts: int64 (H,), values of each input row that cost cycles: the non-zeros, or all if dense.
        block: channels of a segment of the input map; a depthwise pass covers one segment a row.
    """
    unit_channels = block if layer.kind == "depthwise" else arch.columns
    units = -(-layer.out_shape[0] // unit_channels)
    costs = row_costs(layer, row_counts)
    drain = min(unit_channels, layer.out_shape[0]) * layer.out_shape[2]
    share = 1 / units if layer.kind == "depthwise" else 1.0
    heaviest_first = np.argsort(-costs, kind="stable")
    owner = _best_split(costs, heaviest_first, units, arch.cores, drain, share, arch.row_split == "balanced")
    groups = tuple(np.flatnonzero(owner == group) for group in np.unique(owner))
    return Mapping(units, unit_channels, groups, arch.cores)


def row_costs(layer: Layer, row_counts: np.ndarray) -> np.ndarray:
    """Cycles that each output row asks of a core, about: float64 (Ho,).

    A value costs its taps; along x their mean is taken. The mapper may estimate: only the cut depends on it.
    """
    kernel = layer.kernel[0]
    y = np.arange(layer.out_shape[1])[:, None] * layer.stride[0] - layer.padding[0] + np.arange(kernel)
    inside = (y >= 0) & (y < len(row_counts))
    values = np.where(inside, row_counts[np.clip(y, 0, len(row_counts) - 1)], 0).sum(axis=1)
    per_value = 1 / kernel if layer.kind == "depthwise" else max(1.0, float(layer.taps(1).mean()))
    return values * per_value


@njit(cache=True)
def _best_split(costs, heaviest_first, units, cores, drain, share, balanced):
    """Owner of every row, for the number of groups whose rounds take the fewest cycles; ``drain`` a row."""
    best = np.zeros(len(costs), np.int64)
    fewest = np.inf
    for count in range(1, min(cores, len(costs)) + 1):
        owner = _longest_first(heaviest_first, costs, count) if balanced else _cut(costs, count)
        load = np.zeros(count)
        rows = np.zeros(count)
        for row in range(len(costs)):
            load[owner[row]] += costs[row]
            rows[owner[row]] += 1
        slowest = np.maximum(load * share, rows * drain).max() + drain
        rounds = -(-units * np.count_nonzero(rows) // cores)
        if rounds * slowest < fewest:
            fewest = rounds * slowest
            best = owner
    return best


@njit(cache=True)
def _longest_first(order, costs, count):
    """Owner of every row: heaviest rows first, each to the group with the least so far (LPT, Graham 1969)."""
    load = np.zeros(count)
    owner = np.empty(len(costs), np.int64)
    for row in order:
        group = np.argmin(load)
        owner[row] = group
        load[group] += costs[row]
    return owner


@njit(cache=True)
def _cut(costs, count):
    """Owner of every row: contiguous ranges whose largest sum is least (bisection on the bound)."""
    low = costs.max()
    high = costs.sum()
    for _ in range(50):
        bound = (low + high) / 2
        if _ranges(costs, bound)[-1] < count:
            high = bound
        else:
            low = bound
    return _ranges(costs, high)


@njit(cache=True)
def _ranges(costs, bound):
    owner = np.empty(len(costs), np.int64)
    group = 0
    load = 0.0
    for row in range(len(costs)):
        if load > 0 and load + costs[row] > bound:
            group += 1
            load = 0.0
        load += costs[row]
        owner[row] = group
    return owner
