"""What a stepped machine reads, from the header on: part of the reference of a whole machine.

Written from docs/architecture.md (*Layer after layer*: requests, beats, loads).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from reference_additions import beats
from reference_array import occupancy, store
from reference_work import BEAT, NEVER, Process, Read, Unit, Work

from hwsim.arch import Arch

HEADER = 192  # bytes
PASSES_HELD = 8  # whose weights a core holds
BEAT_BITS, SCALE_BITS = 256, 48


class Supply:
    """All that is read: the channel, who asks, and what becomes of weights. ``cycle`` is that at which its
    processes are.

    Args:
        arch: the machine.
        works: its layers.
        order, bits: of the code of the first map, and of its values.
    """

    def __init__(self, arch: Arch, works: Sequence[Work], order: int, bits: int) -> None:
        self.arch, self.works, self.cycle = arch, works, 0
        first = works[0]
        self.stored = store(first.values, first.block, order if arch.compress else None, bits)
        self.waiting: list[Read] = []  # for the channel
        self.coming: list[Read] = []  # some of whose beats have not come
        self.free = 0  # the channel, of reads
        self.programs = [Read(arch, work.program_size) for work in works]
        self.fed = 0  # programs whose words the sequencer has taken, in the cycle before
        segments = [(y, b) for y, row in enumerate(self.stored.words) for b in range(len(row))]
        self.index = Read(arch, beats(4 * self.stored.segments))
        self.map = Read(arch, self.stored.moved(segments))
        self.loading: list[Unit] = []  # all that were asked for, in their order
        self.weights_held = 0  # bits that wait for the port of the array
        self.held: list[list[tuple[int, int]]] = [[] for _ in range(arch.cores)]  # loads, end, of passes

    def supplies(self) -> list[Process]:
        """The processes, in the order in which they are stepped."""
        return [self._fetcher(), self._channel(), self._weights(), self._scales(), self._beats()]

    def _channel(self) -> Process:
        """One read after the other, in the order in which they come."""
        while True:
            if self.waiting and self.free <= self.cycle:
                read = self.waiting.pop(0)
                read.begins = self.cycle
                self.free = self.cycle + occupancy(read.size, self.arch)
            yield

    def _ask(self, read: Read, work: Work, kind: str) -> None:
        """Ask for bytes of a layer in this cycle."""
        self.waiting.append(read)
        self.coming.append(read)
        work.moved[kind] += read.size

    def _fetcher(self) -> Process:
        """Header, programs, weights, and the first map behind the first round of weights."""
        header = Read(self.arch, HEADER)
        while self.cycle < 2:
            yield
        self._ask(header, self.works[0], "programs")
        while self.cycle < header.there + 3:
            yield
        self._ask(self.programs[0], self.works[0], "programs")
        before, taken_in = self.cycle, 0  # the program or unit before; until then the array takes it in
        for number, work in enumerate(self.works):
            own, groups = self.programs[number], len(work.mapping.groups)
            follows = number + 1 < len(self.works)
            if follows:
                last = before + 3 if number else 0
                while self.cycle < max(own.there + 3, last, taken_in) or self.fed < number:
                    yield
                self._ask(self.programs[number + 1], self.works[number + 1], "programs")
                found = self.cycle + 6 + groups
            else:
                while self.cycle < own.there:
                    yield
                found = max(own.there, before if number else 0) + 8 + groups
            in_round = self.arch.cores // groups
            for place, unit in enumerate(work.units.values()):
                while self.cycle < max(found, taken_in) or not self._has_room(unit):
                    yield
                self._ask(unit.read, work, "weights")
                work.moved["weights"] -= BEAT * unit.scale_beats
                work.moved["scales"] += BEAT * unit.scale_beats
                self.loading.append(unit)
                for core in unit.cores:
                    self.held[core].append((unit.loads, NEVER))
                before = self.cycle
                found = before + 5 + groups
                taken_in = before + max(unit.scale_beats + unit.loads, self.arch.columns)
                if number == 0 and place + 1 == min(in_round, len(work.units)):
                    while self.cycle < max(before + 2, taken_in):
                        yield
                    yield from self._read_map(work)
                    taken_in = self.cycle + 1
                yield

    def _read_map(self, work: Work) -> Process:
        """The first map, and before it its index; ends when its last segment is asked for."""
        if self.stored.coded:
            self._ask(self.index, work, "index")
            while self.cycle < self.index.there + 4:
                yield
        self._ask(self.map, work, "maps_in")
        for _ in range(self.stored.segments - 1):
            yield

    def _has_room(self, unit: Unit) -> bool:
        """Whether every core of a unit has room, and all but three of the units before it are loaded."""
        if sum(self.cycle < other.loaded + 3 for other in self.loading) > 3:
            return False
        for core in unit.cores:
            kept = [loads for loads, end in self.held[core] if self.cycle < end + 2]
            if len(kept) == PASSES_HELD or sum(kept) + unit.loads > self.arch.weight_words // 2:
                return False
        return True

    def _beats(self) -> Process:
        """Beats as they are taken: in their order, one a cycle, each when there is room for it."""
        while True:
            if self.coming and self.coming[0].due(len(self.coming[0].came)) <= self.cycle:
                read = self.coming[0]
                unit = next((each for each in self.loading if each.read is read), None)
                if unit is None or len(read.came) < unit.scale_beats or self._takes_weights(unit):
                    read.came.append(self.cycle)
                    if unit is not None and len(read.came) > unit.scale_beats:
                        self.weights_held += BEAT_BITS
                    if len(read.came) == read.beats:
                        self.coming.pop(0)
            yield

    def _takes_weights(self, unit: Unit) -> bool:
        """Whether a beat of weights has room: those of the units before are loaded, and a load is left at
        most of what has come."""
        before = self.loading[: self.loading.index(unit)]
        return (
            all(each.last_load <= self.cycle for each in before)
            and self.weights_held <= 2 * self.arch.columns * self.arch.weight_bits
        )

    def _weights(self) -> Process:
        """Loads of weights at the port of the array, each when its bits came in cycles before."""
        for at in count():
            while len(self.loading) <= at:
                yield
            unit = self.loading[at]
            for load in range(unit.loads):
                while self.weights_held < unit.load_bits(load):
                    yield
                self.weights_held -= unit.load_bits(load)
                if load == unit.loads - 1:
                    self.weights_held = 0  # what fills the last beat is dropped
                    unit.last_load = self.cycle
                yield

    def _scales(self) -> Process:
        """Scales beside them, always M of a unit; those of its channels two cycles after their beat."""
        for at in count():
            while len(self.loading) <= at:
                yield
            unit = self.loading[at]
            for channel in range(self.arch.columns):
                beat = (SCALE_BITS * (channel + 1) - 1) // BEAT_BITS
                while channel < unit.channels and self.cycle < unit.read.cycle(beat) + 2:
                    yield
                if channel == self.arch.columns - 1:
                    unit.last_scale = self.cycle
                yield
