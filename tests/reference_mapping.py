"""The mapper by brute force, for small layers: the reference of hwsim.machine.mapping.

Written from docs/architecture.md, *Sharing a layer*: in fractions of cycles, without bisection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from math import floor

import numpy as np
from reference_rows import (
    channels_read,
    columns_reached,
    order_of_draining,
    order_of_reading,
    owned_taps,
    ring_rows,
    rows_awaited,
)

from hwsim.arch import DRAIN_LATENCY, MAC_LATENCY, Arch
from hwsim.layer import Layer

Groups = list[list[int]]


def known_values(
    layer: Layer, arch: Arch, block: int, calibrated: np.ndarray | None, pictures: int
) -> np.ndarray:
    """n(y) of every segment, (H, channel blocks): what is known of its values before a picture is seen.

    Args:
        layer: that reads them.
        arch: the machine.
        block: channels of a segment.
        calibrated: non-zeros of each row of all calibration pictures together, (C, H), if there are any.
        pictures: how many those are.
    """
    channels, height, width = layer.in_shape
    counts = np.zeros((height, -(-channels // block)), np.int64)
    for y in range(height):
        for b in range(counts.shape[1]):
            own = range(b * block, min((b + 1) * block, channels))
            if arch.skip_zeros and calibrated is not None:
                mean = Fraction(sum(int(calibrated[c, y]) for c in own), pictures)
                counts[y, b] = floor(mean + Fraction(1, 2))
            else:
                counts[y, b] = len(own) * width
    return counts


@dataclass(frozen=True)
class Shared:
    """How an array shares a layer.

    Attributes:
        makes: output channels of every unit.
        groups: output rows of every row group, in the order of draining.
        rounds: (core, unit, group) of every pass of every round, unit by unit.
    """

    makes: list[range]
    groups: Groups
    rounds: list[list[tuple[int, int, int]]]


@dataclass(frozen=True)
class Problem:
    """A layer to share: what the page calls n(y), t(r), and what there is to drain."""

    layer: Layer
    arch: Arch
    counts: np.ndarray  # (H, channel blocks)
    block: int

    @property
    def depthwise(self) -> bool:
        return self.layer.kind == "depthwise"

    @property
    def made(self) -> list[range]:
        """Output channels of every unit: as many whole groups as M holds, or M of the filters of one."""
        channels, lanes = self.layer.out_shape[0], self.arch.columns
        filters = channels // self.layer.groups
        width = filters * max(1, lanes // filters)
        if self.depthwise:
            width = lanes = self.block
        starts = range(0, channels, width)
        wholes = [range(first, min(first + width, channels)) for first in starts]
        return [whole[first : first + lanes] for whole in wholes for first in range(0, len(whole), lanes)]

    @property
    def units(self) -> list[int]:
        """Channels of every unit."""
        return [len(made) for made in self.made]

    def values(self, unit: int, y: int) -> int:
        """Values of an input row that a pass of a unit reads."""
        blocks = {channel // self.block for channel in channels_read(self.layer, self.made[unit])}
        return int(sum(self.counts[y, block] for block in blocks))

    def value_cycles(self, reach: int) -> Fraction:
        """t(r): mean over the columns."""
        kernel, cycles = self.layer.kernel, []
        for x in range(self.layer.in_shape[2]):
            taps = columns_reached(self.layer, x)
            if reach == 0:
                cycles.append(1)
            elif self.depthwise:
                cycles.append(-(-kernel[0] * kernel[1] // self.arch.columns) if taps else 1)
            else:
                cycles.append(max(1, reach * taps))
        return Fraction(sum(cycles), len(cycles))

    def rows(self, owned: Sequence[int]) -> list[int]:
        """Input rows that a pass reads, in its order."""
        awaited = rows_awaited(self.layer)
        return [y for y in order_of_reading(self.layer) if any(y in awaited[r] for r in owned)]

    def pass_cycles(self, unit: int, owned: Sequence[int]) -> Fraction:
        """Cost of a pass."""
        rows, awaited = self.rows(owned), rows_awaited(self.layer)
        ring, drain = ring_rows(self.layer), self.units[unit] * self.layer.out_shape[2]
        through = Fraction(8)  # the cycle before the first item is taken, as the page says
        drained: list[Fraction] = []
        for number, y in enumerate(rows):
            reach = owned_taps(self.layer, owned, y)
            if max(reach, default=0) >= ring:
                through = max(through, drained[max(reach) - ring])
            through += max(Fraction(1), self.values(unit, y) * self.value_cycles(len(reach)))
            for q in range(len(drained), len(owned)):
                if rows.index(awaited[owned[q]][-1]) > number:
                    break
                begin = max(through + MAC_LATENCY, drained[-1] + 1 if drained else Fraction(0))
                drained.append(begin + drain - 1)
        assert len(drained) == len(owned)
        return drained[-1] + 1 + DRAIN_LATENCY

    def range_cycles(self, owned: Sequence[int]) -> Fraction:
        """What rows cost as a group, over all units, when rows are cut."""
        work = drain = Fraction(0)
        for unit in range(len(self.units)):
            for y in self.rows(owned):
                work += self.values(unit, y) * self.value_cycles(len(owned_taps(self.layer, owned, y)))
            drain += len(owned) * self.units[unit] * self.layer.out_shape[2]
        return max(work, drain)

    def cuts(self, groups: int) -> Iterator[Groups]:
        """All ways to cut the rows into at most so many ranges."""
        rows = order_of_draining(self.layer)
        for count in range(1, min(groups, len(rows)) + 1):
            for ends in combinations(range(1, len(rows)), count - 1):
                bounds = [0, *ends, len(rows)]
                yield [rows[begin:end] for begin, end in pairwise(bounds)]

    def contiguous(self, groups: int) -> Groups:
        """The cut whose largest range is least; each range, from the top, as long as that allows."""
        rows = order_of_draining(self.layer)
        cost = cache(lambda begin, end: self.range_cycles(rows[begin:end]))

        @cache
        def largest(begin: int, count: int) -> Fraction:
            """Of the best cut of the rows from one on into at most so many ranges."""
            whole = cost(begin, len(rows))
            if count == 1:
                return whole
            ends = range(begin + 1, len(rows))
            return min([whole, *(max(cost(begin, end), largest(end, count - 1)) for end in ends)])

        least, found = largest(0, groups), list[list[int]]()
        begin = 0
        for end in range(1, len(rows) + 1):
            if end == len(rows) or cost(begin, end + 1) > least:
                found.append(rows[begin:end])
                begin = end
        return found

    def balanced(self, groups: int) -> Groups:
        """Longest processing time first."""
        order = order_of_draining(self.layer)
        rows = sorted(order, key=lambda row: -self.range_cycles([row]))
        found: Groups = [[] for _ in range(groups)]
        for row in rows:
            min(found, key=lambda group: sum(self.range_cycles([r]) for r in group)).append(row)
        return [[row for row in order if row in group] for group in found if group]

    def deal(self, groups: Groups) -> tuple[Fraction, list[dict[tuple[int, int], int]]]:
        """(the most work of a core, of every round the core of each (unit, group))."""
        cost = {
            (unit, g): self.pass_cycles(unit, owned)
            for unit in range(len(self.units))
            for g, owned in enumerate(groups)
        }
        work = [sum(cost[unit, g] for g in range(len(groups))) for unit in range(len(self.units))]
        waiting = sorted(range(len(self.units)), key=lambda unit: (-work[unit], unit))
        place = {unit: n for n, unit in enumerate(waiting)}
        load = [Fraction(0)] * self.arch.cores
        rounds = []
        while waiting:
            now, waiting = _split(waiting, self.arch.cores // len(groups))
            passes = [(unit, g) for unit in now for g in range(len(groups))]
            passes.sort(key=lambda each: (-cost[each], place[each[0]], each[1]))
            cores = sorted(range(self.arch.cores), key=lambda core: (load[core], core))
            made_by = dict(zip(passes, cores, strict=False))
            for each, core in made_by.items():
                load[core] += cost[each]
            rounds.append({(unit, g): made_by[unit, g] for unit in now for g in range(len(groups))})
        return max(load), rounds

    def candidates(self) -> Iterator[tuple[Fraction, Groups]]:
        """All that the mapper tries, in its order, and by how much the work of each is multiplied."""
        for count in range(1, min(self.arch.cores, self.layer.out_shape[1]) + 1):
            if self.arch.row_split != "balanced":
                yield Fraction(33, 32), self.contiguous(count)
            if self.arch.row_split != "contiguous":
                yield Fraction(1), self.balanced(count)

    def shared(self) -> Shared:
        """What the mapper keeps."""
        dealt = [(weight, *self.deal(groups), groups) for weight, groups in self.candidates()]
        _, _, rounds, groups = min(dealt, key=lambda each: each[0] * each[1])
        return Shared(self.made, groups, [[(core, *each) for each, core in work.items()] for work in rounds])


def _split(items: list[int], count: int) -> tuple[list[int], list[int]]:
    return items[:count], items[count:]
