"""A layer's passes on a core in RTL, each held against the cycle model and the integer reference."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np

from hwsim.arch import LINE_ENTRIES, LINE_WORDS, WORD_BYTES, Arch
from hwsim.codec.segments import lengths_of, store_segments
from hwsim.errors import ArchError, TraceError
from hwsim.layer import Layer
from hwsim.machine.descriptors import PLACE_BITS, Code, PassGeometry, column_weights
from hwsim.machine.lines import lines_there
from hwsim.machine.schedule import LayerSpan, PassRun
from hwsim.machine.slots import slot_period
from hwsim.machine.units import unit_weights
from hwsim.quantize import Requantize, code_limit, drain_bounds, requantize_for
from hwsim.reference import accumulate
from hwsim.trace import Trace
from hwsim_rtl.cosim import PassOutcome, PassStimulus, Simulator

BATCH = 16  # passes simulated in one call: what they make is in memory together


@dataclass(frozen=True)
class LayerCheck:
    """A layer of an image on the RTL.

    Attributes:
        layer, image, mode: which; mode is one of ``hwsim.verify.MODES``.
        made_up: whether weights and drain are random, since the trace has none.
        passes: simulated.
        cycles, model_cycles: of all passes, in the RTL and by the model.
        words: 64-bit words that the passes had to write.
        wrong_cycles, wrong_words: passes whose cycles, or whose words, index or counters differ.
        seconds: of simulation.
    """

    layer: str
    image: int
    mode: str
    made_up: bool
    passes: int
    cycles: int
    model_cycles: int
    words: int
    wrong_cycles: int
    wrong_words: int
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether the RTL did just what it must."""
        return not (self.wrong_cycles or self.wrong_words)


class PassCheck(NamedTuple):
    """A pass: its cycles in the RTL and by the model, its words, and whether all but the cycles is equal."""

    cycles: int
    model_cycles: int
    words: int
    same: bool


class LayerOnRtl:
    """A layer's maps, weights and expected outputs, from which its passes are cut."""

    def __init__(self, trace: Trace, span: LayerSpan, block: int, out_block: int) -> None:
        self.span, self.job, self.layer = span, span.job, span.job.layer
        self.arch, self.block, self.out_block = span.job.arch, block, out_block
        info = trace.maps[self.layer.input]
        values = self.job.workload.values(self.layer.input)
        self.source = Code(info.bits, info.order, info.signed)
        code = self.source
        raw = self.job.stored.raw
        self._lay_out(*store_segments(values, self.job.block, code.order, code.bits, raw))
        self.weights, self.requantize, self.made_up = _drain(
            trace, self.layer, values, info.signed, self.arch
        )
        drain = self.requantize
        self.target = Code(drain.bits, drain.order, drain.signed)
        self.out = drain.apply(accumulate(self.layer, values, self.weights, info.signed))

    def _lay_out(self, data: np.ndarray, index: np.ndarray) -> None:
        """Put the segments at their places in lines of a map buffer, and the index behind them."""
        self.place_words = int(self.job.stored.room[0]) // WORD_BYTES
        self.places, counts = self.job.places, lengths_of(index)
        self.index_line = int((self.places + counts).max()) // LINE_WORDS + 1
        entries = -(-counts.size // LINE_ENTRIES)
        if (self.index_line + entries) * LINE_WORDS > 1 << PLACE_BITS:
            raise ArchError(
                f"layer {self.layer.name}: its map and index take {(self.index_line + entries) * 64} bytes, "
                f"a core is simulated with {8 << PLACE_BITS}: leave the layer out"
            )
        words = data.view(">u8").astype(np.uint64)
        flat = np.zeros((self.index_line + entries) * LINE_WORDS, np.uint64)
        starts = np.cumsum(counts).reshape(counts.shape) - counts
        for place, start, count in zip(self.places.ravel(), starts.ravel(), counts.ravel(), strict=True):
            flat[place : place + count] = words[start : start + count]
        flat.view(index.dtype)[self.index_line * LINE_ENTRIES :][: counts.size] = index.ravel()
        self.lines = flat.reshape(-1, LINE_WORDS)

    def run(self, simulator: Simulator, image: int, mode: str) -> LayerCheck:
        """All passes, core by core."""
        runs = sorted(self.span.passes, key=lambda run: run.core)
        begun = time.perf_counter()
        passes: list[PassCheck] = []
        for first in range(0, len(runs), BATCH):
            passes += self._compare(simulator, runs[first : first + BATCH])
        return LayerCheck(
            layer=self.layer.name,
            image=image,
            mode=mode,
            made_up=self.made_up,
            passes=len(runs),
            cycles=sum(one.cycles for one in passes),
            model_cycles=sum(one.model_cycles for one in passes),
            words=sum(one.words for one in passes),
            wrong_cycles=sum(one.cycles != one.model_cycles for one in passes),
            wrong_words=sum(not one.same for one in passes),
            seconds=time.perf_counter() - begun,
        )

    def on_chip(self, run: PassRun) -> tuple[PassStimulus, int, np.ndarray, np.ndarray]:
        """A pass whose map is in the map buffer when it begins.

        Returns:
            what the core sees of it, the cycles that it takes, and the words and index entries that it must
            make.
        """
        run = run._replace(stream=None, timing=self.job.time(run.unit, run.group, None))
        expected = self._expected(run)
        return self._stimulus(run, None, expected), run.timing.cycles, *expected

    def _compare(self, simulator: Simulator, batch: Sequence[PassRun]) -> list[PassCheck]:
        """Run passes, and hold each against model and reference."""
        lines = [self._there(run) for run in batch]
        expected = [self._expected(run) for run in batch]
        given = zip(batch, lines, expected, strict=True)
        outcomes = simulator.run([self._stimulus(*one) for one in given])
        found = []
        for outcome, run, (words, index) in zip(outcomes, batch, expected, strict=True):
            timing = run.timing
            same = self._same_words(outcome, words, index) and (
                len(outcome.symbols) == timing.symbols
                and outcome.taps == timing.tap_cycles
                and len(outcome.served) * LINE_WORDS == timing.words
            )
            found.append(PassCheck(outcome.cycles, timing.cycles, len(words), same))
        return found

    def _there(self, run: PassRun) -> np.ndarray | None:
        """The cycle of a pass from which each line of its map is in the map buffer; None: all are."""
        if run.stream is None:
            return None
        return lines_there(self.job, run.unit, run.group, run.stream)

    def _stimulus(
        self,
        run: PassRun,
        late: np.ndarray | None,
        expected: tuple[np.ndarray, np.ndarray],
    ) -> PassStimulus:
        there = np.zeros(len(self.lines), np.int64)
        if late is not None:
            there[: len(late)] = late
        first = int(self.job.segments([run.unit])[0])
        segments = self.places.shape[1]  # of a row of the map
        map_rows = [
            {"place": int(self.places[y, first]), "entry": int(y * segments + first)}
            for y in self.job.rows(run.group).y
        ]
        geometry, (words, index) = self._geometry(run), expected
        return PassStimulus(
            config={
                **geometry.config(self.arch, self.job.block),
                "place_words": self.place_words,
                "index_line": self.index_line,
            },
            map_rows=map_rows,
            rows=geometry.row_descriptors(self.arch),
            lines=self.lines,
            there=there,
            first_index=self.index_line + map_rows[0]["entry"] // LINE_ENTRIES,
            period=slot_period(self.arch),
            **self._operands(run),
            most_words=len(words) + 1,
            segments=len(index),
            most_cycles=run.timing.cycles + 1000,
        )

    def _geometry(self, run: PassRun) -> PassGeometry:
        unit = self.job.mapping.parts[run.unit]
        return PassGeometry(
            layer=self.layer,
            channels=len(unit.reads),
            owned=self._owned(run),
            out_channels=len(unit.makes),
            block=self.block,
            out_block=self.out_block,
            source=self.source,
            target=self.target,
            shift=self.requantize.shift,
            relu=self.requantize.relu,
            clamps=self.requantize.clamps,
            skip_zeros=self.arch.skip_zeros,
            compress=self.arch.compress,
        )

    def _operands(self, run: PassRun) -> dict[str, np.ndarray]:
        """Weights, bias and multiplier of a pass."""
        unit = self.job.mapping.parts[run.unit]
        made = slice(unit.makes.start, unit.makes.stop)
        weights = unit_weights(self.layer, self.weights, unit)
        return {
            "weights": column_weights(weights, self.arch.columns, self.layer.kind == "depthwise"),
            "bias": self.requantize.bias[made],
            "multiplier": self.requantize.multiplier[made],
        }

    def _owned(self, run: PassRun) -> list[int]:
        return [int(row) for row in self.job.mapping.groups[run.group]]

    def _expected(self, run: PassRun) -> tuple[np.ndarray, np.ndarray]:
        """Words of the output segments, uint64, and their entries of the index."""
        channels = self.job.mapping.parts[run.unit].makes
        out = self.out[channels.start : channels.stop][:, self._owned(run)]
        if self.arch.compress:
            data, index = store_segments(out, self.out_block, self.target.order, self.target.bits)
        else:
            raw = np.ones((out.shape[1], -(-len(out) // self.out_block)), bool)
            data, index = store_segments(out, self.out_block, 0, self.target.bits, raw)
        return data.view(">u8").astype(np.uint64), index.ravel()

    def _same_words(self, outcome: PassOutcome, expected: np.ndarray, index: np.ndarray) -> bool:
        ends = np.zeros(len(expected), bool)
        ends[np.cumsum(lengths_of(index)) - 1] = True
        return (
            not outcome.error
            and np.array_equal(outcome.words, expected)
            and np.array_equal(outcome.last, ends)
            and np.array_equal(outcome.index, index)
        )


def _drain(
    trace: Trace, layer: Layer, values: np.ndarray, signed: bool, arch: Arch
) -> tuple[np.ndarray, Requantize, bool]:
    """Weights and drain of a layer, and whether they are made up: random, with codes of full width, and for
    one layer in two with clamps of its own."""
    try:
        return trace.weights(layer), trace.requantize(layer), False
    except TraceError:
        if not trace.synthetic:
            raise
    rng = np.random.default_rng(crc32(layer.name.encode()))
    limit = 1 << (trace.weight_bits - 1)
    weights = rng.integers(-limit, limit, layer.weight_shape).astype(np.int16)
    sums = accumulate(layer, values, weights, signed).astype(np.int64)
    bits = min(16, arch.activation_bits)
    top = code_limit(bits, not layer.relu)
    out_scale = max(top, int(np.abs(sums).max())) / top
    clamps = None
    if rng.integers(2):
        least, most = drain_bounds(bits, not layer.relu, layer.relu, None)
        low, high = sorted(rng.integers(least, most + 1, 2).tolist())
        clamps = low, high
    drain = requantize_for(
        1.0,
        1.0,
        out_scale,
        np.zeros(layer.out_shape[0]),
        relu=layer.relu,
        bits=bits,
        signed=not layer.relu,
        order=max(0, bits - 4),
        clamps=clamps,
    )
    return weights, drain, True
