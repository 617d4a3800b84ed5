"""A whole machine that runs a chain of layers, cycle by cycle: the reference of what is around passes.

Written from docs/architecture.md (*Layer after layer*, and what it refers to). Each part is a process, a step
of which is a cycle; what they tell each other has the cycle in which it happens. What is read stands in
``reference_supply``, the walk through rows in ``reference_walk``; passes are stepped by ``reference_core``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
from reference_additions import beats
from reference_mapping import Shared
from reference_rows import channels_read
from reference_slots import places_in_buffer, run_with_lines
from reference_supply import Supply
from reference_walk import Walk
from reference_work import BEAT, NEVER, Between, PassSpan, Pool, Process, Work, units_of

from hwsim.arch import Arch
from hwsim.layer import Layer


class Machine(Supply):
    """A machine and its chain of layers.

    Args:
        layers, maps: what is run, and by name what it reads.
        blocks: channels of a segment of every map.
        mappings, between: of every layer who does what, and what is between it and the next one.
        arch: the machine.
        code: of a map, the order of its code and the bits of its values.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        maps: Mapping[str, np.ndarray],
        blocks: Mapping[str, int],
        mappings: Sequence[Shared],
        between: Sequence[Between],
        arch: Arch,
        code: Callable[[str], tuple[int, int]],
    ) -> None:
        works = [
            Work(
                layer,
                maps[layer.input],
                blocks[layer.input],
                mapping,
                link,
                arch.columns if after is None else blocks[after.input],
                units_of(layer, mapping, arch),
                [[] for _ in range(arch.cores)],
                arch.compress and after is not None and link.pool is None and not link.flatten,
            )
            for layer, after, mapping, link in zip(
                layers, [*layers[1:], None], mappings, between, strict=True
            )
        ]
        super().__init__(arch, works, *code(layers[0].input))
        self.code = code
        self.walks_from = 0  # first cycle after the rows of a layer are counted: core 0 has its turn

    def run(self) -> Sequence[Work]:
        """Step everything until the result is written."""
        layers = self._layers()
        cores = [self._core(number) for number in range(self.arch.cores)]
        processes = [*self.supplies(), self._sequencer(), *cores, self._encoders()]
        while True:
            processes = [process for process in processes if _goes_on(process)]
            if not _goes_on(layers):
                return self.works
            self.cycle += 1

    def _sequencer(self) -> Process:
        """Programs, one after the other: rows are counted, and each core is given its passes."""
        before: Work | None = None
        for number, work in enumerate(self.works):
            while (
                self.cycle < max(self.programs[number].there, -2 if before is None else before.all_told) + 2
            ):
                yield
            groups, behind = len(work.mapping.groups), (self.programs[number].size - 64) // 8
            for _ in range(11 + behind):
                yield
            self.fed = number + 1
            columns = self.cycle + _column_steps(work.layer)
            yield from Walk(work.layer, (), _Counted(self, 3 * groups + 1)).steps()
            self.walks_from = self.cycle
            while self.cycle < columns:
                yield
            first: dict[int, tuple[int, list[int]]] = {}
            for place, (core, _, group) in enumerate(work.works):
                first.setdefault(core, (self.cycle + 3 * place + 5, work.mapping.groups[group]))
            walks = [self._first_walk(work, core, *given) for core, given in first.items()]
            while walks:
                walks = [walk for walk in walks if _goes_on(walk)]
                yield
            before = work

    def _first_walk(self, work: Work, core: int, begins: int, owned: Sequence[int]) -> Process:
        """A core's walk through the rows of its first pass, until that is offered."""
        while self.cycle < begins:
            yield
        walk = Walk(work.layer, owned, _Turns(self, core))
        for _ in walk.steps():
            full = walk.full
            yield
            if full:
                break
        yield
        work.offered[core] = self.cycle

    def _core(self, core: int) -> Process:
        for number, work in enumerate(self.works):
            labels, done = work.labels[core], 0
            while self.cycle < work.begins:
                yield
            for place, (unit, group) in enumerate((u, g) for c, u, g in work.works if c == core):
                if place == 0:
                    # The line of the index is read two cycles after the slot.
                    offered = max(work.first_slot + 2, work.offered.get(core, NEVER))
                    while self.cycle < offered or not work.is_slot(core, self.cycle - 2):
                        yield
                        offered = max(work.first_slot + 2, work.offered.get(core, NEVER))
                    done = self.cycle - 2 + 5
                weights = work.units[unit]
                while self.cycle < max(done, weights.able) or not work.is_slot(core, self.cycle + 2):
                    yield
                work.told.append(self.cycle)
                yield
                yield
                begin = self.cycle
                start = self.works[number - 1].ends if number else 0
                labels += ["weights"] * (weights.able - start - len(labels))
                labels += ["decode"] * (begin - start - len(labels))
                while number == 0 and not self._map_comes():
                    yield
                cycles, causes = self._pass(work, core, unit, group, begin)
                labels += causes
                done = begin + cycles
                self._note_end(core, done)
                while self.cycle < done:
                    yield
                work.passes.append(PassSpan(core, begin, done))

    def _note_end(self, core: int, end: int) -> None:
        """The oldest weights of a core that are held go with its pass."""
        held = self.held[core]
        oldest = next(place for place, (_, ends) in enumerate(held) if ends == NEVER)
        held[oldest] = (held[oldest][0], end)

    def _map_comes(self) -> bool:
        """Whether it is known when each beat of the first map comes: it is on the channel, and all before it
        was taken. A pass may begin before that, if the map has no index, but it does not end."""
        ahead = self.coming[0] if self.coming else self.map
        return bool(self.map.came) or (ahead is self.map and self.map.begins != NEVER)

    def _pass(self, work: Work, core: int, unit: int, group: int, begin: int) -> tuple[int, list[str]]:
        """Cycles of a pass, and the cause of each."""
        layer, made = work.layer, work.mapping.makes[unit]
        order, bits = self.code(layer.input)
        places = places_in_buffer(work.values, work.block, bits, fits=True)
        outcome = run_with_lines(
            layer,
            work.values,
            work.mapping.groups[group],
            channels=channels_read(layer, made),
            block=work.block,
            out_channels=len(made),
            order=order if self.arch.compress else None,
            bits=bits,
            arch=self.arch,
            places=places,
            there=self._lines_there(places, begin) if work is self.works[0] else lambda line: 0,
        )
        self._encode(work, core, [begin + end for end in outcome.drained], len(made))
        return outcome.cycles, outcome.labels

    def _encode(self, work: Work, core: int, ends: Sequence[int], channels: int) -> None:
        """Rows whose last accumulator is read in a cycle each, on their way into the encoder of a core."""
        width = work.layer.out_shape[2]
        for end in ends:
            first = end + 1 - channels * width + 14
            for segment in range(0, channels, work.result_block):
                values = width * min(work.result_block, channels - segment)
                work.encode(core, range(first, first + values))
                first += values

    def _encoders(self) -> Process:
        """A value out of each that has one that may leave."""
        while True:
            for work in self.works:
                for values in work.leaving:
                    if values and values[0] <= self.cycle:
                        values.popleft()
            yield

    def _lines_there(self, places: np.ndarray, begin: int) -> Callable[[int], int]:
        """Of a line of the first map, the cycle of a pass in which all has come that is before its end."""
        words = self.stored.words
        segments = [
            (int(places[y, b]) // 4, -(-length // 4))
            for y, row in enumerate(words)
            for b, length in enumerate(row)
        ]
        read = self.map
        due = list(read.came)  # nothing holds up what has not come yet
        for beat in range(len(due), read.beats):
            due.append(max(read.due(beat), due[-1] + 1 if due else 0))

        def there(line: int) -> int:
            came = sum(min(length, max(0, 2 * line + 2 - place)) for place, length in segments)
            return due[came - 1] - begin

        return there

    def _layers(self) -> Process:
        arch = self.arch
        for number, work in enumerate(self.works):
            start = self.cycle
            needed = self.programs[number : number + 2]
            if number == 0 and self.stored.coded:
                needed.append(self.index)
            while not all(each.there <= self.cycle for each in needed):
                yield
            work.begins = self.cycle
            for labels in work.labels:
                labels += ["dram"] * (self.cycle - start)
            while len(work.passes) < len(work.works):
                yield
            last = max(span.end for span in work.passes)
            assert last == self.cycle
            self._wait_for_the_last(work)
            while any(work.leaving):
                yield
            for _ in range(4 * arch.cores + 7):
                yield
            self._label(work, start, "drain")
            if number + 1 == len(self.works):
                yield from self._write_result(work)
                self._label(work, start, "dram")
            elif work.between.pool is not None or work.between.flatten:
                yield from self._remake(work)
                while any(work.leaving):
                    yield
                for _ in range(9):
                    yield
                self._label(work, start, "pool")
            work.ends = self.cycle

    def _label(self, work: Work, start: int, cause: str) -> None:
        """Of all cores, until now."""
        for labels in work.labels:
            labels += [cause] * (self.cycle - start - len(labels))

    def _wait_for_the_last(self, work: Work) -> None:
        """Cores that have finished wait for the last one, or with it for its weights."""
        longest = max(work.labels, key=len)
        for labels in work.labels:
            theirs = longest[len(labels) :]
            labels += ["weights" if label == "weights" else "imbalance" for label in theirs]

    def _remake(self, work: Work) -> Process:
        """Windows, and their values on the way into the encoder."""
        work.chooses = self.arch.compress
        pool = work.between.pool
        rounding = 7 if pool is not None and pool.mean is not None else 0
        taken: list[int] = []
        for ends in self._windows(work):
            if ends is not None:
                taken.append(self.cycle + 3 + rounding)
                if ends:
                    work.encode(0, taken)
                    taken = []
            else:
                yield

    def _windows(self, work: Work) -> Iterator[bool | None]:
        """Of what is remade, a cycle for each line with values of seven columns of a row of a window; and in
        between, of each window that is through, whether a segment of what is made ends with it."""
        layer, bits = work.layer, self.arch.activation_bits
        channels, height, width = layer.out_shape
        pool = work.between.pool or Pool((1, 1), (1, 1), (0, 0))
        rows, columns = (
            (size + 2 * pad - kernel) // stride + 1
            for size, pad, kernel, stride in zip(
                (height, width), pool.padding, pool.kernel, pool.stride, strict=True
            )
        )
        place = -(-work.result_block * width * bits // 64)
        of_unit = -(-len(work.mapping.makes[0]) // work.result_block)
        row_words = len(work.mapping.makes) * of_unit * place
        of_rows = work.between.flatten
        order = sorted(
            product(range(rows), range(channels), range(columns)),
            key=lambda at: (at[1], at[0], at[2]) if of_rows else at,
        )
        for number, (out_row, channel, out_column) in enumerate(order):
            segment, within = divmod(channel, work.result_block)
            for i in range(pool.kernel[0]):
                y = out_row * pool.stride[0] - pool.padding[0] + i
                for part in range(0, pool.kernel[1], 7):
                    lines = set()
                    for j in range(part, min(part + 7, pool.kernel[1])):
                        x = out_column * pool.stride[1] - pool.padding[1] + j
                        if 0 <= y < height and 0 <= x < width:
                            word = y * row_words + segment * place
                            lines.add((64 * word + (within * width + x) * bits) // 512)
                    for _ in lines or {0}:
                        yield None
            if work.between.flatten:
                in_segment, last = number, number + 1 == channels * rows * columns
            else:
                in_segment, last = channel, channel + 1 == channels
            ends = last or in_segment % work.result_block + 1 == work.result_block
            yield ends and (work.between.flatten or out_column + 1 == columns)

    def _write_result(self, work: Work) -> Process:
        """Beats of the result, two in four cycles, through the channel that none reads from any more."""
        channels, height, width = work.layer.out_shape
        sizes = [
            min(self.arch.columns, channels - first) * width * self.arch.activation_bits
            for first in range(0, channels, self.arch.columns)
        ]
        size = height * sum(beats((size + 7) // 8) for size in sizes)
        work.moved["maps_out"] += size
        yield
        yield
        yield
        rate = Fraction(self.arch.bytes_per_cycle * self.arch.dram_efficiency, 100)
        came, crossed, pause = 0, Fraction(0), 0
        while crossed < size:
            if pause:
                pause -= 1
            elif came * BEAT < size:
                came += 1
                pause = 0 if came % 2 else 2
            if self.cycle >= self.free:
                crossed = min(crossed + rate, Fraction(came * BEAT))
            yield
        yield
        yield


@dataclass
class _Counted:
    """The masks of all groups, for who counts their rows: there after so many cycles of asking."""

    machine: Machine
    cycles: int
    asked: tuple[int, int] = (-1, 0)  # the mask, since when

    def __call__(self, mask: int) -> bool:
        if self.asked[0] != mask:
            self.asked = mask, self.machine.cycle
        return self.machine.cycle >= self.asked[1] + self.cycles


@dataclass
class _Turns:
    """The masks of its group, for a core: there three cycles after its turn."""

    machine: Machine
    core: int
    asked: int = -1
    there: int = NEVER

    def __call__(self, mask: int) -> bool:
        if self.asked != mask:
            self.asked, self.there = mask, NEVER
        machine = self.machine
        if self.there == NEVER and (machine.cycle - machine.walks_from) % machine.arch.cores == self.core:
            self.there = machine.cycle + 3
        return machine.cycle >= self.there


def _goes_on(process: Process) -> bool:
    """Step a process; whether it has not ended."""
    return next(process, _ENDED) is not _ENDED


_ENDED = object()


def _column_steps(layer: Layer) -> int:
    """Cycles from the last word of a program to what a core must know of columns."""
    taps = layer.kernel[1]
    return taps + (0 if layer.transposed else (taps - 1) * layer.dilation[1] // layer.stride[1])
