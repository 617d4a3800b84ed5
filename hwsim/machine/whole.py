"""A machine that runs a whole network by itself: what it takes beside the passes of its cores.

docs/architecture.md, *Layer after layer*, states every rule; the RTL is in ``rtl/hwsim_rtl/system``.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from hwsim.arch import BEAT_BYTES, LAYER_BYTES, LOAD_LATENCY, START_LATENCY, WORD_BYTES, Arch
from hwsim.machine import dram
from hwsim.machine.descriptors import weight_loads
from hwsim.machine.remade import Remade
from hwsim.machine.row_walk import row_walk
from hwsim.machine.slots import slot_period
from hwsim.machine.workload import LayerJob, Weights

HEADER_BYTES = 192  # of an image, read before all else

# When something is asked for, in cycles.
FIRST_REQUEST = 2  # from the start of a run to the header
ASK = 3  # from the last beat that says how long it is, and from the unit before it, to a program
FIRST_UNIT = 6  # from a program to the first unit of the layer before it, and a cycle for each row group
LAST_FIRST_UNIT = 8  # from what is asked for before it, where no program follows
NEXT_UNIT = 5  # from a unit to the next one, and a cycle for each row group
ROOM = 2  # from the end of the pass that frees the room of a unit
PLACE = 3  # from the last load of the unit that is UNITS_AHEAD before
UNITS_AHEAD = 4  # that were asked for and are not loaded
INDEX = 2  # from the last unit of the first round to the index of the input map
SEGMENTS = 4  # from the last beat of the index to the first segment

# When a layer begins and ends.
PREPARE = 7  # to the slot of core 0 with which slots are counted anew
INDEX_SLOT = 7  # from the slot in which a core reads its line of the index to the first one of its pass
FLUSH = 3  # from the last pass to where all lies in the map buffer, and FLUSH_TURNS for each core
FLUSH_TURNS = 4
REMADE = 12  # from there, and the cycles of the windows, to the end of a layer whose map is remade
RESULT = 3  # from there to the first beat of the result
WRITTEN = 2  # from the write of the result to the end

# When the first passes of a layer are offered.
FIRST_WORD = (
    2  # from a program's last beat, and from when the last pass of the layer before was told to start
)
FED = 1  # from a program's last word to the request of the program whose place that has
BEHIND = 11  # from the first word of a descriptor to the first one behind it
MASK = 3  # of the mask of a row group
GIVE = 3  # of a pass
ROWS_AHEAD, OUT_ROWS = 32, 64  # rows that are found before a pass begins: that it reads, that it makes


class Asked(NamedTuple):
    """A unit of weights: its first cycle on the channel, and how long it takes it; when a pass can begin."""

    request: int
    busy: int
    there: int


class BesidePasses(NamedTuple):
    """What a machine does beside the passes of a layer.

    Attributes:
        name: ``programs``, until the layer begins; ``sequencer``, until it can tell a core to start;
            ``writers``, until all that cores made lies there; ``pool`` or ``flatten``; ``result``.
        begin, end: first cycle, and first cycle after.
    """

    name: str
    begin: int
    end: int


class WholeMachine:
    """Requests in their order, and when layers begin and end.

    Args:
        arch: the machine.
    """

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        self._asked = FIRST_REQUEST  # when the latest request came to the channel
        self._pace = 0  # before which none comes, since weights are loaded no faster
        self._loads = self._scales = 0  # cycles of the latest load of weights, and of scales
        self._loaded: deque[int] = deque([-PLACE] * UNITS_AHEAD, UNITS_AHEAD)  # of units, both
        self._first_word = 0  # of the next program, for what the layer before takes
        self._fed = 0  # when the place of the latest program is free
        self._slots = 0  # from which slots are counted
        self._offered: dict[int, int] = {}  # core -> cycle in which its first pass is offered

    def read_header(self, channel: dram.Channel) -> int:
        """The cycle from which the first program can be asked for."""
        self._asked = channel.read(dram.occupancy(HEADER_BYTES, self._arch), FIRST_REQUEST)[1] + ASK
        return self._asked

    def next_program(self, there: int) -> int:
        """The cycle from which a program can be asked for; the one before it is ``there``, and the one before
        that has left its place."""
        self._asked = max(max(there, self._asked) + ASK, self._pace, self._fed)
        return self._asked

    def read_unit(
        self, channel: dram.Channel, job: LayerJob, unit: Weights, *, first: bool, last: int | None, room: int
    ) -> Asked:
        """Ask for a unit of weights, and load it.

        Args:
            channel: where.
            job: the layer.
            unit: its sizes.
            first: it is the first one of the layer.
            last: of the last layer, when its program is there; None of others.
            room: from when on there is room for it.
        """
        arch, groups = self._arch, len(job.mapping.groups)
        if not first:
            ready = self._asked + NEXT_UNIT
        elif last is None:
            ready = self._asked + FIRST_UNIT
        else:
            ready = max(last, self._asked) + LAST_FIRST_UNIT
        ready = max(ready + groups, room + ROOM, self._loaded[0] + PLACE, self._pace)
        busy, loads = dram.occupancy(unit.size + unit.scales, arch), weight_loads(unit.words)
        request, there = channel.read(busy, ready)
        self._asked, self._pace = ready, ready + max(unit.scales // BEAT_BYTES + loads, arch.columns)
        begins = request + arch.dram_latency + dram.occupancy(unit.scales, arch) + 1
        self._loads = max(there + 1, max(begins, self._loads) + loads)
        self._scales = max(request + arch.dram_latency + 2, self._scales) + arch.columns
        self._loaded.append(max(self._loads, self._scales))
        return Asked(request, busy, self._loaded[-1] + LOAD_LATENCY)

    def index_ready(self) -> int:
        """The cycle from which the index of the input map, or the map if it has none, can be asked for."""
        self._asked = max(self._asked + INDEX, self._pace)
        return self._asked

    def map_ready(self, index_there: int | None, segments: int) -> int:
        """The cycle from which the segments of the input map can be asked for, one a cycle."""
        ready = self.index_ready() if index_there is None else index_there + SEGMENTS
        self._asked = ready + segments - 1
        return ready

    def begin(self, job: LayerJob, program: int, ready: int) -> None:
        """Prepare a layer.

        Args:
            job: the layer.
            program: when its program is there.
            ready: when all else is.
        """
        self._slots = ready + PREPARE
        self._offered = self._first_passes(job, max(self._first_word, program + FIRST_WORD))

    def able(self, core: int, loaded: int, *, first: bool) -> int:
        """The cycle in which a core can be told to start a pass whose weights are there.

        Args:
            core: which.
            loaded: when it is free and they are.
            first: it is its first one in the layer, whose line of the index is to be read.
        """
        if not first:
            return loaded
        slot = max(self._slots, self._offered[core] - START_LATENCY)
        slot += (self._slots + core - slot) % slot_period(self._arch)
        return max(loaded, slot + INDEX_SLOT - START_LATENCY)

    @property
    def told(self) -> int:
        """The cycle in which the first core can be told to start a pass, were its weights there."""
        return min(self.able(core, 0, first=True) for core in self._offered)

    def slot(self, core: int, able: int) -> int:
        """As :func:`hwsim.machine.slots.first_slot`, of slots that are counted from the layer on."""
        earliest = able + START_LATENCY
        return earliest + (self._slots + core - earliest) % slot_period(self._arch)

    def flushed(self, last_begin: int, done: int) -> int:
        """When all that cores made lies in the map buffer, the last of whose passes began and was done."""
        self._first_word = last_begin - START_LATENCY + FIRST_WORD
        return done + FLUSH_TURNS * self._arch.cores + FLUSH

    def end(self, flushed: int, remade: Remade | None) -> int:
        """When a layer ends whose map may be remade."""
        return flushed + remade.cycles + REMADE if remade else flushed

    def result_beats(self, flushed: int, size: int) -> np.ndarray:
        """When each beat of the result is on its way, int64: two follow each other, in four cycles."""
        beat = np.arange(size // BEAT_BYTES, dtype=np.int64)
        return flushed + RESULT + beat // 2 * 4 + beat % 2

    def _first_passes(self, job: LayerJob, first_word: int) -> dict[int, int]:
        """Core -> cycle in which the sequencer offers its first pass of a layer."""
        layer, groups, cores = job.layer, job.mapping.groups, self._arch.cores
        behind = (job.program_size - LAYER_BYTES) // WORD_BYTES
        begins = first_word + BEHIND + behind
        self._fed = begins + FED
        steps = 1 + MASK * len(groups)
        counted, _ = row_walk(layer, range(layer.out_shape[1]), lambda asked: asked + steps, begins)
        gives = max(counted, begins + _column_steps(job)) + GIVE
        offered: dict[int, int] = {}
        passes = [each for work in job.mapping.rounds for each in work]
        for number, (core, _, group) in enumerate(passes):
            if core not in offered:

                def known(asked: int, core: int = core) -> int:
                    return asked + (core - asked + counted) % cores + MASK

                owned = {int(row) for row in groups[group]}
                walk = (gives + GIVE * number + 2, ROWS_AHEAD, OUT_ROWS)
                offered[core] = row_walk(layer, owned, known, *walk)[0] + 1
        return offered


def _column_steps(job: LayerJob) -> int:
    """Cycles in which the kernel columns of a layer are found: each, and each stride that they lie apart."""
    kernel, stride, dilation = (pair[1] for pair in (job.layer.kernel, job.layer.stride, job.layer.dilation))
    return kernel + (0 if job.layer.transposed else (kernel - 1) * dilation // stride)
