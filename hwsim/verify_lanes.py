"""A layer's passes on a core of two lanes in RTL: what :mod:`hwsim.verify_layers` does with one lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwsim.arch import LINE_ENTRIES, LINE_WORDS
from hwsim.errors import ArchError
from hwsim.machine.descriptors import PLACE_BITS
from hwsim.machine.lane_passes import lines_there, slot_period, time_placed
from hwsim.machine.passes import PassTiming
from hwsim.machine.schedule import PassRun
from hwsim.verify_layers import LayerOnRtl, PassCheck
from hwsim_rtl.cosim.lanes import LaneSimulator, LaneStimulus

HALF_LINE = LINE_WORDS // 2


class LayerOnLanes(LayerOnRtl):
    """A layer whose passes read lines of a map buffer, in which its map and its index lie.

    Attributes:
        wide: whether a segment is longer than its place. Then the map is laid out in wider places, and each
            pass is timed with those.
    """

    def lay_out(self) -> None:
        """Put the segments at their places, and the index behind them."""
        counts, raw = self.counts, self.job.stored.raw
        self.wide = bool((counts * 8 > raw).any())
        self.place_words = int(raw[0]) // 8
        self.places = self.job.places
        if self.wide:
            self.place_words = -(-int(counts.max()) // HALF_LINE) * HALF_LINE
            row = -(-counts.shape[1] * self.place_words // LINE_WORDS) * LINE_WORDS
            self.places = (
                np.arange(len(counts))[:, None] * row + np.arange(counts.shape[1]) * self.place_words
            )
        self.index_line = int((self.places + counts).max()) // LINE_WORDS + 1
        entries = -(-counts.size // LINE_ENTRIES)
        if (self.index_line + entries) * LINE_WORDS > 1 << PLACE_BITS:
            raise ArchError(
                f"layer {self.layer.name}: its map and index take {(self.index_line + entries) * 64} bytes, "
                f"a core of two lanes is simulated with {8 << PLACE_BITS}: leave the layer out"
            )
        flat = np.zeros((self.index_line + entries) * LINE_WORDS, np.uint64)
        for place, start, count in zip(self.places.ravel(), self.starts.ravel(), counts.ravel(), strict=True):
            flat[place : place + count] = self.data[start : start + count]
        flat.view(np.uint32)[self.index_line * LINE_WORDS * 2 :][: counts.size] = counts.ravel()
        self.lines = flat.reshape(-1, LINE_WORDS)

    def compare(self, simulator: Any, batch: Sequence[PassRun]) -> list[PassCheck]:
        """Run passes, and hold each against model and reference."""
        return [self._compare(simulator, run) for run in batch]

    def _compare(self, simulator: LaneSimulator, run: PassRun) -> PassCheck:
        there = np.zeros(len(self.lines), np.int64)
        timing: PassTiming = run.timing
        late = None
        if run.stream is not None:
            late = lines_there(self.job, run.unit, run.group, run.stream, self.places)
            there[: len(late)] = late
        if self.wide:
            timing = time_placed(self.job, run.unit, run.group, late, self.places)
        geometry, operands = self._geometry(run), self._operands(run)
        first = int(self.job.segments([run.unit])[0])
        map_rows = [
            {"place": int(self.places[y, first]), "entry": int(y * self.counts.shape[1] + first)}
            for y in self.job.rows(run.group).y
        ]
        expected, index = self._expected(run)
        found = simulator.run_pass(
            LaneStimulus(
                config=geometry.lane_config(self.arch, self.job.block, self.place_words, self.index_line),
                map_rows=map_rows,
                rows=geometry.row_descriptors(self.arch),
                lines=self.lines,
                there=there,
                first_index=self.index_line + map_rows[0]["entry"] // LINE_ENTRIES,
                period=slot_period(self.arch),
                **operands,
                most_words=len(expected) + 1,
                segments=len(index) + 1,
                most_cycles=timing.cycles + 1000,
            )
        )
        same = self._same_words(found, expected, index) and (
            len(found.symbols) == timing.symbols
            and found.taps == timing.tap_cycles
            and len(found.served) * LINE_WORDS == timing.words
        )
        return PassCheck(found.cycles, timing.cycles, len(expected), same)
