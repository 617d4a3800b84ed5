"""Layer + machine -> work: which core owns which output block and which output rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from hwsim.arch import SUB_BANKS, WEIGHT_PORT_WORDS, Arch
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.descriptors import check_layer, weight_loads
from hwsim.machine.rows import row_order
from hwsim.machine.sharing import LATENCIES, RowWindow, best_share


@dataclass(frozen=True, eq=False)
class Mapping:
    """How an array shares a layer (docs/architecture.md, *Sharing a layer*); equal only to itself.

    Attributes:
        units: output blocks, or channel groups of a depthwise layer.
        unit_channels: output channels of a unit; the last one may have fewer.
        groups: the output rows, int64, of every row group, in the order of draining.
        order: int64 (units,), in which the units are worked on.
        core: int64 (units, row groups), which core makes the pass.
        cores: of the array.
    """

    units: int
    unit_channels: int
    groups: tuple[np.ndarray, ...]
    order: np.ndarray
    core: np.ndarray
    cores: int

    @cached_property
    def rounds(self) -> tuple[tuple[tuple[int, int, int], ...], ...]:
        """(core, unit, group) of every pass of every round.

        A unit is worked on in one round alone; a core makes at most one pass a round.
        """
        order, core, together = self.order.tolist(), self.core.tolist(), self.cores // len(self.groups)
        work = [[(made_by, unit, group) for group, made_by in enumerate(core[unit])] for unit in order]
        rounds = range(0, self.units, together)
        return tuple(tuple(chain.from_iterable(work[first : first + together])) for first in rounds)

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
    check_layer(layer, 1)
    ring, group = row_order(layer).ring, arch.columns
    if ring > SUB_BANKS:
        raise ArchError(
            f"layer {layer.name}: an input row meets {ring - 1} output rows at once, for which no core has "
            f"accumulators: at most {SUB_BANKS - 1}"
        )
    if layer.kind == "depthwise":
        while group > 1 and not _fits(layer, group, arch):
            group //= 2
    channels = group if layer.kind == "depthwise" else 1
    if not _fits(layer, channels, arch):
        least = SUB_BANKS * -(-channels * layer.out_shape[2] // (SUB_BANKS // ring))
        raise ArchError(
            f"layer {layer.name} needs {ring} rows of {layer.out_shape[2]} accumulators a bank, in "
            f"{SUB_BANKS} sub-banks of {arch.accumulators // SUB_BANKS} words: raise accumulators to {least}"
        )
    words = weight_words(layer, group, arch)
    least = weight_loads(words) * WEIGHT_PORT_WORDS
    if least > arch.weight_words:
        raise ArchError(
            f"layer {layer.name} needs {words} weight words a core, the machine has {arch.weight_words}: "
            f"raise weight_words to {least}"
        )
    return group


def _fits(layer: Layer, channels: int, arch: Arch) -> bool:
    """Whether a bank holds the ring of a pass, each row in whole sub-banks."""
    sub_banks = -(-channels * layer.out_shape[2] // (arch.accumulators // SUB_BANKS))
    return row_order(layer).ring * sub_banks <= SUB_BANKS


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
        for name in (layer.input, *layer.makes):
            blocks[name] = min(blocks.get(name, arch.columns), group)
    for layer in layers:
        check_layer(layer, blocks[layer.input])
    return blocks


def map_layer(layer: Layer, arch: Arch, counts: np.ndarray, block: int) -> Mapping:
    """Share a layer so that its slowest core is done first (docs/architecture.md, *Sharing a layer*).

    Args:
        layer: geometry.
        arch: the machine.
        counts: int64 (H, channel blocks), values of each segment that cost cycles: the non-zeros that its
            index says, or all if dense.
        block: channels of a segment of the input map; a depthwise pass covers one segment a row.
    """
    depthwise = layer.kind == "depthwise"
    unit_channels = block if depthwise else arch.columns
    units = -(-layer.out_shape[0] // unit_channels)
    rows = row_order(layer)
    window = RowWindow(rows.first, rows.end, rows.tapped, rows.ring, layer.in_shape[2])
    # Units whose passes may differ: all if depthwise, else those of full width and the last.
    kinds = np.arange(units)
    if not depthwise:
        kinds = np.minimum(kinds, 0)
        kinds[-1] = layer.out_shape[0] % unit_channels > 0 and units > 1
        counts = np.repeat(counts.sum(axis=1, keepdims=True), kinds[-1] + 1, axis=1)
    channels = np.minimum(unit_channels, layer.out_shape[0] - unit_channels * np.arange(units))
    row_drain = channels * layer.out_shape[2] * window.width
    owner, order, core = best_share(
        np.ascontiguousarray(counts.T[:, rows.reads], dtype=np.int64),
        row_drain if depthwise else np.unique(row_drain)[::-1].copy(),
        kinds,
        value_costs(layer, arch.columns),
        window,
        arch.cores,
        arch.row_split != "balanced",
        arch.row_split != "contiguous",
        LATENCIES,
    )
    groups = tuple(rows.makes[owner == group] for group in range(core.shape[1]))
    return Mapping(units, unit_channels, groups, order, core, arch.cores)


def value_costs(layer: Layer, columns: int) -> tuple[int, int]:
    """Cycles of W values, one a column: for the first owned row that they reach, and for each further one."""
    taps = layer.taps(1)
    if layer.kind == "depthwise":  # all taps of a value at once, in all rows
        return int(np.where(taps > 0, -(-layer.kernel[0] * layer.kernel[1] // columns), 1).sum()), 0
    return int(np.maximum(taps, 1).sum()), int(taps.sum())
