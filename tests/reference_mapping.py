"""The mapper by brute force, for small layers: the reference of hwsim.machine.mapping.

Written from docs/architecture.md, *Sharing a layer*: in fractions of cycles, cuts are tried one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np

from hwsim.arch import DECODE_LATENCY, DRAIN_LATENCY, MAC_LATENCY, Arch
from hwsim.layer import Layer

Groups = list[list[int]]


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
    def units(self) -> list[int]:
        """Channels of every unit."""
        width = self.block if self.depthwise else self.arch.columns
        channels = self.layer.out_shape[0]
        return [min(width, channels - first) for first in range(0, channels, width)]

    def values(self, unit: int, y: int) -> int:
        """Values of an input row that a pass of a unit reads."""
        return int(self.counts[y, unit] if self.depthwise else self.counts[y].sum())

    def value_cycles(self, reach: int) -> Fraction:
        """t(r): mean over the columns."""
        kernel, cycles = self.layer.kernel, []
        for x in range(self.layer.in_shape[2]):
            taps = 0
            for q in range(self.layer.out_shape[2]):
                taps += 0 <= x - (q * self.layer.stride[1] - self.layer.padding[1]) < kernel[1]
            if self.depthwise:
                cycles.append(-(-kernel[0] * kernel[1] // self.arch.columns) if taps else 1)
            else:
                cycles.append(max(1, reach * taps))
        return Fraction(sum(cycles), len(cycles))

    def reached(self, owned: Sequence[int], y: int) -> list[int]:
        """Numbers q of the owned rows that an input row reaches."""
        first = [r * self.layer.stride[0] - self.layer.padding[0] for r in owned]
        return [q for q, top in enumerate(first) if 0 <= y - top < self.layer.kernel[0]]

    def pass_cycles(self, unit: int, owned: Sequence[int]) -> Fraction:
        """Cost of a pass."""
        rows = [y for y in range(self.layer.in_shape[1]) if self.reached(owned, y)]
        ring, drain = self.layer.kernel[0] + 1, self.units[unit] * self.layer.out_shape[2]
        through = Fraction(1 + DECODE_LATENCY)
        drained: list[Fraction] = []
        for number, y in enumerate(rows):
            reach = self.reached(owned, y)
            if max(reach) >= ring:
                through = max(through, drained[max(reach) - ring])
            through += max(Fraction(1), self.values(unit, y) * self.value_cycles(len(reach)))
            ahead = {q for later in rows[number + 1 :] for q in self.reached(owned, later)}
            for q in range(len(drained), len(owned)):
                if q in ahead or q > max(reach):
                    break
                begin = max(through + MAC_LATENCY, drained[-1] + 1 if drained else Fraction(0))
                drained.append(begin + drain - 1)
        assert len(drained) == len(owned)
        return drained[-1] + 1 + DRAIN_LATENCY

    def range_cycles(self, owned: Sequence[int]) -> Fraction:
        """What rows cost as a group, over all units, when rows are cut."""
        work = drain = Fraction(0)
        for unit in range(len(self.units)):
            for y in range(self.layer.in_shape[1]):
                reach = len(self.reached(owned, y))
                work += self.values(unit, y) * self.value_cycles(reach) if reach else 0
            drain += len(owned) * self.units[unit] * self.layer.out_shape[2]
        return max(work, drain)

    def cuts(self, groups: int) -> Iterator[Groups]:
        """All ways to cut the rows into at most so many ranges."""
        rows = self.layer.out_shape[1]
        for count in range(1, min(groups, rows) + 1):
            for ends in combinations(range(1, rows), count - 1):
                bounds = [0, *ends, rows]
                yield [list(range(*pair)) for pair in pairwise(bounds)]

    def contiguous(self, groups: int) -> Groups:
        """The cut whose largest range is least; each range, from the top, as long as that allows."""
        least = min(max(map(self.range_cycles, cut)) for cut in self.cuts(groups))
        found: Groups = [[]]
        for row in range(self.layer.out_shape[1]):
            if self.range_cycles([*found[-1], row]) > least:
                found.append([])
            found[-1].append(row)
        return found

    def balanced(self, groups: int) -> Groups:
        """Longest processing time first."""
        rows = sorted(range(self.layer.out_shape[1]), key=lambda row: (-self.range_cycles([row]), row))
        found: Groups = [[] for _ in range(groups)]
        for row in rows:
            min(found, key=lambda group: sum(self.range_cycles([r]) for r in group)).append(row)
        return [sorted(group) for group in found if group]

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
            rounds.append(dict(zip(passes, cores, strict=False)))
            for each, core in rounds[-1].items():
                load[core] += cost[each]
        return max(load), rounds

    def candidates(self) -> Iterator[Groups]:
        """All that the mapper tries, in its order."""
        for count in range(1, min(self.arch.cores, self.layer.out_shape[1]) + 1):
            if self.arch.row_split != "balanced":
                yield self.contiguous(count)
            if self.arch.row_split != "contiguous":
                yield self.balanced(count)


def _split(items: list[int], count: int) -> tuple[list[int], list[int]]:
    return items[:count], items[count:]
