"""The schedule of the DRAM channel: how long transfers take it, reads in order, writes between them."""

from __future__ import annotations

import numpy as np

from hwsim.arch import Arch
from hwsim.machine.descriptors import weight_loads
from hwsim.machine.storage import whole_beats


def occupancy(size: int, arch: Arch) -> int:
    """Cycles that a transfer of ``size`` bytes occupies the channel: whole beats move."""
    moved, cycles = arch.dram_rate
    return -(-whole_beats(size) * cycles // moved)


def load_cycles(words: int, size: int, arch: Arch) -> int:
    """Cycles that weights and scales of a pass occupy the channel: as many as the array takes them in.

    Args:
        words: M-wide words of weight memory.
        size: bytes in DRAM, in whole beats.
        arch: the machine.
    """
    return max(occupancy(size, arch), weight_loads(words), arch.columns)


def equal_parts(cycles: int, parts: int) -> np.ndarray:
    """How many of a transfer's cycles on the channel each of its parts takes, int64 (parts,)."""
    return np.diff(np.arange(parts + 1) * cycles // parts)


class FreeTime:
    """The cycles that reads leave, counted: in *free time* reads do not exist, and writes queue up alone.

    Args:
        starts, ends: int64, of every read on the channel, ascending and apart.
    """

    def __init__(self, starts: np.ndarray, ends: np.ndarray) -> None:
        self._starts, self._ends = starts, np.concatenate(([0], ends))
        self._busy = np.concatenate(([0], np.cumsum(ends - starts)))  # before each read, and in all
        self._reads = starts - self._busy[:-1]  # where each stands in free time

    def at(self, cycles: np.ndarray) -> np.ndarray:
        """Free time that has passed when ``cycles`` begin."""
        before = np.searchsorted(self._starts, cycles, side="right")
        running = np.maximum(self._ends[before] - cycles, 0)
        return cycles - self._busy[before] + running

    def begin(self, free: np.ndarray) -> np.ndarray:
        """The cycle that is number ``free`` of free time: it lies after all reads that start no later."""
        return free + self._busy[np.searchsorted(self._reads, free, side="right")]

    def end(self, free: np.ndarray) -> np.ndarray:
        """The first cycle when so much of it has passed: before the reads that start just then."""
        return free + self._busy[np.searchsorted(self._reads, free, side="left")]


class Channel:
    """The schedule of the one DRAM channel: reads in order, writes in the cycles that reads leave."""

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._ready: list[np.ndarray] = []  # of every write: cycles in which its parts become ready
        self._cycles: list[np.ndarray] = []  # and how long each part occupies the channel

    def read(self, busy: int, ready: int) -> tuple[int, int]:
        """Request what takes ``busy`` cycles once the reads before are through, not before ``ready``.

        Returns:
            (cycle of the request, cycle in which the last byte is there).
        """
        request = max(self._ends[-1] if self._ends else 0, ready)
        self._starts.append(request)
        self._ends.append(request + busy)
        return request, request + self._arch.dram_latency + busy

    def write(self, ready: np.ndarray, size: int) -> int:
        """Queue ``size`` bytes that become ready in equal parts at the cycles ``ready`` (ascending int64).

        Returns:
            The number of the write, for :meth:`written`.
        """
        self._ready.append(ready)
        self._cycles.append(equal_parts(occupancy(size, self._arch), len(ready)))
        return len(self._ready) - 1

    def written(self, number: int) -> int:
        """Cycle in which a write is through, unless reads unknown now are requested before it."""
        return self.write_span(number)[1]

    def write_span(self, number: int) -> tuple[int, int]:
        """First cycle of a write on the channel, and the cycle in which it is through (as :meth:`written`).

        In free time, a queue of parts is through at the largest of (free time when part k is ready) + (work
        of part k and all later ones).
        """
        free = FreeTime(np.array(self._starts, np.int64), np.array(self._ends, np.int64))
        ready, cycles = (np.concatenate(parts[: number + 1]) for parts in (self._ready, self._cycles))
        worked = np.cumsum(cycles)
        through = np.maximum.accumulate(free.at(ready) - worked + cycles) + worked  # of every part
        first = np.flatnonzero(cycles[-len(self._cycles[number]) :])[0] - len(self._cycles[number])
        return int(free.begin(through[first] - cycles[first])), int(free.end(through[-1]))
