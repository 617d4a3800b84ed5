"""A machine that runs a whole network by itself: what it takes beside the passes of its cores.

docs/architecture.md, *Layer after layer*, states every rule; the RTL is in ``rtl/hwsim_rtl/system``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hwsim.arch import (
    BEAT_BYTES,
    LAYER_BYTES,
    LOAD_LATENCY,
    SCALE_BYTES,
    START_LATENCY,
    WEIGHT_PORT_WORDS,
    WORD_BYTES,
    Arch,
)
from hwsim.machine import dram
from hwsim.machine.around import Around, Asked, Read
from hwsim.machine.descriptors import weight_loads
from hwsim.machine.fetches import Fetches
from hwsim.machine.passes import NO_STREAM
from hwsim.machine.remade import Remade
from hwsim.machine.row_walk import row_walk
from hwsim.machine.slots import slot_period
from hwsim.machine.workload import LayerJob, Weights

if TYPE_CHECKING:
    from hwsim.machine.schedule import PassRun

HEADER_BYTES = 192  # of an image, read before all else
BEAT_BITS = 8 * BEAT_BYTES

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

# When weights are at the port of the array.
WEIGHT, SCALE = 1, 2  # from a beat to a load with bits of it, and to a scale

# When a layer begins and ends.
PREPARE = 7  # to the slot of core 0 with which slots are counted anew
INDEX_SLOT = 7  # from the slot in which a core reads its line of the index to the first one of its pass
FLUSH = 7  # from the last value out of an encoder to where all lies in the map buffer, and FLUSH_TURNS a core
FLUSH_TURNS = 4
REMADE = 17  # from there, and the cycles of the windows, to the end of a layer whose map is remade
MEAN = 7  # more, where a mean is rounded
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


class WholeMachine(Around):
    """Requests in their order, and when layers begin and end.

    Args:
        arch: the machine.
    """

    header = HEADER_BYTES

    def __init__(self, arch: Arch) -> None:
        super().__init__(arch)
        self._asked = FIRST_REQUEST  # when the latest request came to the channel
        self._pace = 0  # before which none comes, since weights are loaded no faster
        self._taken = -1  # cycle of the latest beat that was taken of all that was read
        self._loads = self._scales = -1  # of the latest load of weights at the port, and of scales
        self._loaded: deque[int] = deque([-PLACE] * UNITS_AHEAD, UNITS_AHEAD)  # of units, both
        self._index = 0  # when that of the first map is there
        self._first_word = 0  # of the next program, for what the layer before takes
        self._fed = 0  # when the place of the latest program is free
        self._slots = 0  # from which slots are counted
        self._offered: dict[int, int] = {}  # core -> cycle in which its first pass is offered

    def program_ready(self, channel: dram.Channel, before: int | None) -> int:
        """The first one when the header is there; another one when the one before it is, and the one before
        that has left its place."""
        if before is None:
            request, there = channel.read(dram.occupancy(HEADER_BYTES, self._arch), FIRST_REQUEST)
            before = self.taken(request, HEADER_BYTES, there)
        self._asked = max(max(before, self._asked) + ASK, self._pace, self._fed)
        return self._asked

    def taken(self, request: int, size: int, there: int) -> int:
        """Beats are taken one a cycle, behind all that was requested before."""
        return int(self._take(request, size)[-1])

    def _take(self, request: int, size: int) -> np.ndarray:
        """When each beat is taken of what was requested in a cycle, int64."""
        moved, cycles = self._arch.dram_rate
        beat = np.arange(size // BEAT_BYTES, dtype=np.int64)
        due = request + self._arch.dram_latency - (-(beat + 1) * BEAT_BYTES * cycles // moved)
        due[0] = max(due[0], self._taken + 1)
        taken: np.ndarray = np.maximum.accumulate(due - beat) + beat
        self._taken = int(taken[-1])
        return taken

    def read_unit(
        self,
        channel: dram.Channel,
        job: LayerJob,
        unit: Weights,
        program: int,
        room: int,
        *,
        first: bool,
        last: bool,
    ) -> Asked:
        """Units are asked for one after the other, no faster than they are loaded."""
        arch, groups = self._arch, len(job.mapping.groups)
        if not first:
            ready = self._asked + NEXT_UNIT
        elif last:
            ready = max(program, self._asked) + LAST_FIRST_UNIT
        else:
            ready = self._asked + FIRST_UNIT
        ready = max(ready + groups, room + ROOM, self._loaded[0] + PLACE, self._pace)
        busy, loads = dram.occupancy(unit.size + unit.scales, arch), weight_loads(unit.words)
        request, _ = channel.read(busy, ready)
        self._asked, self._pace = ready, ready + max(unit.scales // BEAT_BYTES + loads, arch.columns)
        self._loaded.append(self._load(request, unit))
        return Asked(request, busy, self._loaded[-1] + 1 + LOAD_LATENCY)

    def _load(self, request: int, unit: Weights) -> int:
        """When the last of a unit's weights and scales is at the port of the array.

        A beat of weights is taken when those of the units before are loaded, and no more than the longest
        load waits of what has come. So it is held up if loads are slower than beats.
        """
        arch, loads = self._arch, weight_loads(unit.words)
        scale_beats, beats = unit.scales // BEAT_BYTES, unit.size // BEAT_BYTES
        coming = self._take(request, unit.scales + unit.size)
        channel = np.arange(unit.channels)
        scale = (
            coming[(8 * SCALE_BYTES * (channel + 1) - 1) // BEAT_BITS] + SCALE + arch.columns - 1 - channel
        )
        self._scales = max(self._scales + arch.columns, int(scale.max()))

        beat = np.arange(beats)
        taken = np.maximum(coming[scale_beats:], self._loads + beat)
        load = BEAT_BITS * beat // unit.load_bits  # the first one that needs it
        through = int((taken + WEIGHT + loads - 1 - load).max())
        self._loads = max(self._loads + loads, through)
        longest = WEIGHT_PORT_WORDS * arch.columns * arch.weight_bits
        loaded_before = -(-(BEAT_BITS * (beats - 1) - longest) // unit.load_bits)  # the last beat is taken
        if loaded_before > 0:
            self._taken = max(int(taken[-1]), self._loads - loads + loaded_before)
        else:
            self._taken = int(taken[-1])
        return max(self._loads, self._scales)

    def fetch_first(self, job: LayerJob, fetches: Fetches, read: Read) -> None:
        """Its index, and when that is there all of it from the top, a segment a cycle."""
        if self._slots or not job.traffic.fits or fetches.there != NO_STREAM:
            return
        layout, name = fetches.all(), job.layer.input
        ready = max(self._asked + INDEX, self._pace)
        if job.traffic.index_size:
            request, there = read("index", job, job.traffic.index_size, ready, 0, name)
            self._index = self.taken(request, job.traffic.index_size, there)
            ready = self._index + SEGMENTS
        self._pace = ready + len(layout.segments)
        size = layout.beats * BEAT_BYTES
        request, _ = read("maps_in", job, size, ready, layout.segments, name)
        taken = self._take(request, size)
        fetches.add(layout, request, int(taken[-1]), taken)

    def opens(self, job: LayerJob, now: int, programs: Sequence[int]) -> int:
        """A layer begins when the programs are there, and the first one when its index is."""
        opens = max(now, self._index, *programs)
        self._slots = opens + PREPARE
        self._offered = self._first_passes(job, max(self._first_word, programs[0] + FIRST_WORD))
        return opens

    def able(self, core: int, loaded: int, *, first: bool) -> int:
        """Of its first pass the rows are to be known, and the line of the index is to be read."""
        if not first:
            return loaded
        slot = max(self._slots, self._offered[core] - START_LATENCY)
        slot += (self._slots + core - slot) % slot_period(self._arch)
        return max(loaded, slot + INDEX_SLOT - START_LATENCY)

    def told(self, opens: int) -> int:
        """When the sequencer has found the rows of the first one."""
        return min(self.able(core, 0, first=True) for core in self._offered)

    def slot(self, core: int, able: int) -> int:
        """Slots are counted from the layer on."""
        earliest = able + START_LATENCY
        return earliest + (self._slots + core - earliest) % slot_period(self._arch)

    def flushed(self, job: LayerJob, passes: Sequence[PassRun], done: int) -> int:
        """Encoders have values left, writers lines, and turns."""
        self._first_word = max(run.begin for run in passes) - START_LATENCY + FIRST_WORD
        width = job.layer.out_shape[2]
        left = [0] * self._arch.cores  # in which the last value of a core left its encoder
        for run in passes:
            channels, rows = len(job.mapping.parts[run.unit].makes), len(job.mapping.groups[run.group])
            longest = min(job.form_block, channels) * width
            end = run.begin + run.timing.cycles - 1 + max(2, longest)
            left[run.core] = max(end, left[run.core] + rows * channels * width)
        return max(left) + FLUSH_TURNS * self._arch.cores + FLUSH

    def end(self, flushed: int, remade: Remade | None) -> int:
        """Every window takes its cycles."""
        if remade is None:
            return flushed
        return flushed + remade.cycles + remade.encoding + REMADE + (MEAN if remade.averaged else 0)

    def result_ready(self, drained: np.ndarray, end: int, size: int) -> np.ndarray:
        """Of each beat: two follow each other, in four cycles."""
        beat = np.arange(size // BEAT_BYTES, dtype=np.int64)
        return end + RESULT + beat // 2 * 4 + beat % 2

    def written(self, last: int) -> int:
        """The machine is told that all of it lies there."""
        return last + WRITTEN

    def _first_passes(self, job: LayerJob, first_word: int) -> dict[int, int]:
        """Core -> cycle in which the sequencer offers its first pass of a layer."""
        layer, groups, cores = job.layer, job.mapping.groups, self._arch.cores
        behind = (job.program_size - LAYER_BYTES) // WORD_BYTES
        begins = first_word + BEHIND + behind
        self._fed = begins + FED
        steps = 1 + MASK * len(groups)
        counted = row_walk(layer, range(layer.out_shape[1]), lambda asked: asked + steps, begins)
        gives = max(counted, begins + _column_steps(job)) + GIVE
        offered: dict[int, int] = {}
        passes = [each for work in job.mapping.rounds for each in work]
        for number, (core, _, group) in enumerate(passes):
            if core not in offered:

                def known(asked: int, core: int = core) -> int:
                    return asked + (core - asked + counted) % cores + MASK

                owned = {int(row) for row in groups[group]}
                walk = (gives + GIVE * number + 2, ROWS_AHEAD, OUT_ROWS)
                offered[core] = row_walk(layer, owned, known, *walk) + 1
        return offered


def _column_steps(job: LayerJob) -> int:
    """Cycles in which the kernel columns of a layer are found: each, and each stride that they lie apart."""
    kernel, stride, dilation = (pair[1] for pair in (job.layer.kernel, job.layer.stride, job.layer.dilation))
    return kernel + (0 if job.layer.transposed else (kernel - 1) * dilation // stride)
