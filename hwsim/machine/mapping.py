"""Layer + machine -> work: which core owns which output block and which output rows."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np

from hwsim.arch import SUB_BANKS, WEIGHT_PORT_WORDS, Arch
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.descriptors import check_layer, weight_loads
from hwsim.machine.rows import row_order
from hwsim.machine.sharing import LATENCIES, WEIGHTS, best_share
from hwsim.machine.units import Unit, block_limits, units_of


@dataclass(frozen=True, eq=False)
class Mapping:
    """How an array shares a layer (docs/architecture.md, *Sharing a layer*); equal only to itself.

    Attributes:
        parts: the units: which channels their passes make and read.
        groups: the output rows, int64, of every row group, in the order of draining.
        order: int64 (units,), in which the units are worked on.
        core: int64 (units, row groups), which core makes the pass.
        cores: of the array.
    """

    parts: tuple[Unit, ...]
    groups: tuple[np.ndarray, ...]
    order: np.ndarray
    core: np.ndarray
    cores: int

    @property
    def units(self) -> int:
        """How many there are."""
        return len(self.parts)

    @cached_property
    def kinds(self) -> list[int]:
        """Of every unit, a number that those have in common whose passes take the same time.

        They read the same channels and make as many.
        """
        numbers: dict[tuple[int, int], int] = {}
        return [numbers.setdefault((unit.reads.start, len(unit.makes)), len(numbers)) for unit in self.parts]

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


def channel_group(layer: Layer, arch: Arch) -> int:
    """Channels that a pass of this layer drains together at most.

    Raises:
        ArchError: the layer is of a kind that the machine lacks, or needs more accumulators or weight memory
            than it has.
    """
    check_layer(layer, 1)
    ring, group = row_order(layer).ring, arch.columns
    if ring > SUB_BANKS:
        raise ArchError(
            f"layer {layer.name}: {ring - 1} output rows are open at once, for which no core has "
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
    reads = (
        group if layer.kind == "depthwise" else max(len(u.reads) for u in units_of(layer, arch.columns, 1))
    )
    words = weight_words(layer, reads, arch)
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


def weight_words(layer: Layer, reads: int, arch: Arch) -> int:
    """M-wide words of weight memory of a pass that reads so many input channels."""
    taps = layer.kernel[0] * layer.kernel[1]
    return reads * (-(-taps // arch.columns) if layer.kind == "depthwise" else taps)


def map_blocks(layers: Sequence[Layer], arch: Arch) -> dict[str, int]:
    """Channels of a segment of every map: the fewest that a producer or a consumer asks for."""
    blocks: dict[str, int] = {}
    for layer in layers:
        group = channel_group(layer, arch)
        read, made = block_limits(layer, arch.columns)
        for name, limit in ((layer.input, read), *((name, made) for name in layer.makes)):
            blocks[name] = min(blocks.get(name, arch.columns), group, limit)
    for layer in layers:
        check_layer(layer, blocks[layer.input])
    return blocks


def segment_blocks(layers: Sequence[Layer], blocks: MappingOf[str, int]) -> dict[str, int]:
    """Channels of a segment of every map: of a depthwise pass half, so that both lanes have work.

    Args:
        layers: all of them.
        blocks: of every map (:func:`map_blocks`).
    """
    halved = {layer.input for layer in layers if layer.kind == "depthwise"}
    return {name: max(1, block // 2) if name in halved else block for name, block in blocks.items()}


def map_layer(layer: Layer, arch: Arch, counts: np.ndarray, block: int) -> Mapping:
    """Share a layer so that its slowest core is done first (docs/architecture.md, *Sharing a layer*).

    Args:
        layer: geometry.
        arch: the machine.
        counts: int64 (H, channel blocks), values of each segment that cost cycles, as far as they are known
            beforehand (:mod:`hwsim.machine.compiled`).
        block: channels of a segment of the input map; a depthwise pass covers one segment a row.
    """
    parts = units_of(layer, arch.columns, block)
    rows = row_order(layer)
    window = (rows.first, rows.end, rows.tapped, rows.ring, layer.in_shape[2])
    mapping = Mapping(parts, (), np.zeros(0, np.int64), np.zeros((0, 0), np.int64), arch.cores)
    first_of = {kind: unit for unit, kind in reversed(list(enumerate(mapping.kinds)))}
    chosen = [parts[first_of[kind]] for kind in range(len(first_of))]
    of_kind = [counts[:, part.reads.start // block : -(-part.reads.stop // block)] for part in chosen]
    owner, order, core = best_share(
        np.array([each.sum(axis=1, dtype=np.int64)[rows.reads] for each in of_kind]),
        np.array([len(part.makes) for part in chosen]) * layer.out_shape[2] * layer.in_shape[2],
        np.array(mapping.kinds),
        value_costs(layer, arch.columns),
        window,
        arch.cores,
        (arch.row_split in ("best", "contiguous"), arch.row_split in ("best", "balanced")),
        LATENCIES,
        WEIGHTS,
    )
    groups = tuple(rows.makes[owner == group] for group in range(core.shape[1]))
    return replace(mapping, groups=groups, order=order, core=core)


def value_costs(layer: Layer, columns: int) -> tuple[int, int]:
    """Cycles of W values, one a column: for the first owned row that they reach, and for each further one."""
    taps = layer.taps(1)
    if layer.kind == "depthwise":  # all taps of a value at once, in all rows
        return int(np.where(taps, -(-layer.kernel[0] * layer.kernel[1] // columns), 1).sum()), 0
    return int(np.maximum(taps, 1).sum()), int(taps.sum())
