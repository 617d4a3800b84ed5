"""A layer's passes on a core of one lane in RTL, each held against the cycle model and the integer reference.

:mod:`hwsim.verify_lanes` does the same with a core of two lanes, and :mod:`hwsim.verify` calls both.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from hwsim.arch import BEAT_BYTES, WORD_BYTES, Arch
from hwsim.codec.segments import encode_segments, raw_segments
from hwsim.errors import TraceError
from hwsim.layer import Layer
from hwsim.machine.descriptors import Code, PassGeometry, lane_weights
from hwsim.machine.schedule import LayerSpan, PassRun
from hwsim.machine.units import unit_weights
from hwsim.quantize import Requantize, code_limit, requantize_for
from hwsim.reference import accumulate
from hwsim.trace import Trace
from hwsim_rtl.cosim import PassOutcome, PassStimulus
from hwsim_rtl.cosim.lanes import LaneOutcome

BATCH = 16  # passes simulated in one call: their words are in memory together


@dataclass(frozen=True)
class LayerCheck:
    """A layer of an image on the RTL.

    Attributes:
        layer, image, mode: which; mode is one of ``hwsim.verify.MODES``.
        made_up: whether weights and drain are random, since the trace has none.
        wide: whether a segment is longer than its place, with two lanes: then the map was laid out in wider
            places, and the passes timed with those.
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
    wide: bool
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
        self.data, self.counts = self._store(values, self.job.block, self.source)
        self.starts = np.cumsum(self.counts).reshape(self.counts.shape) - self.counts
        self.weights, self.requantize, self.made_up = _drain(
            trace, self.layer, values, info.signed, self.arch
        )
        drain = self.requantize
        self.target = Code(drain.bits, drain.order, drain.signed)
        self.out = drain.apply(accumulate(self.layer, values, self.weights, info.signed))
        self.wide = False
        self.lay_out()

    def lay_out(self) -> None:
        """Words come to a core of one lane one after the other, wherever they lie."""

    def run(self, simulator: Any, image: int, mode: str) -> LayerCheck:
        """All passes, core by core."""
        runs = sorted(self.span.passes, key=lambda run: run.core)
        begun = time.perf_counter()
        passes: list[PassCheck] = []
        for first in range(0, len(runs), BATCH):
            passes += self.compare(simulator, runs[first : first + BATCH])
        return LayerCheck(
            layer=self.layer.name,
            image=image,
            mode=mode,
            made_up=self.made_up,
            wide=self.wide,
            passes=len(runs),
            cycles=sum(one.cycles for one in passes),
            model_cycles=sum(one.model_cycles for one in passes),
            words=sum(one.words for one in passes),
            wrong_cycles=sum(one.cycles != one.model_cycles for one in passes),
            wrong_words=sum(not one.same for one in passes),
            seconds=time.perf_counter() - begun,
        )

    def compare(self, simulator: Any, batch: Sequence[PassRun]) -> list[PassCheck]:
        """Run passes, and hold each against model and reference."""
        found = []
        outcomes = simulator.run([self._stimulus(run) for run in batch])
        for run, outcome in zip(batch, outcomes, strict=True):
            expected, index = self._expected(run)
            same = self._same_words(outcome, expected, index) and (
                outcome.symbols == run.timing.symbols
                and outcome.taps == run.timing.tap_cycles
                and outcome.words_read == run.timing.words
            )
            found.append(PassCheck(outcome.cycles, run.timing.cycles, len(expected), same))
        return found

    def _stimulus(self, run: PassRun) -> PassStimulus:
        at = np.ix_(self.job.rows(run.group).y, self.job.segments([run.unit]))
        counts = self.counts[at].ravel()
        arrival = None
        if run.stream is not None:
            segments = np.arange(self.job.stored.words.size).reshape(self.job.stored.words.shape)[at].ravel()
            beats = _ranges(np.zeros_like(counts), counts) * WORD_BYTES // BEAT_BYTES
            arrival = run.stream.arrivals(np.repeat(segments, counts), beats)
        last = np.zeros(counts.sum(), bool)
        last[np.cumsum(counts) - 1] = True
        return PassStimulus(
            geometry=self._geometry(run),
            words=self.data[_ranges(self.starts[at].ravel(), counts)],
            last=last,
            arrival=arrival,
            **self._operands(run),
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
            skip_zeros=self.arch.skip_zeros,
            compress=self.arch.compress,
        )

    def _operands(self, run: PassRun) -> dict[str, np.ndarray]:
        """Weights, bias and multiplier of a pass."""
        unit = self.job.mapping.parts[run.unit]
        made = slice(unit.makes.start, unit.makes.stop)
        weights = unit_weights(self.layer, self.weights, unit)
        return {
            "weights": lane_weights(weights, self.arch.columns, self.layer.kind == "depthwise"),
            "bias": self.requantize.bias[made],
            "multiplier": self.requantize.multiplier[made],
        }

    def _owned(self, run: PassRun) -> list[int]:
        return [int(row) for row in self.job.mapping.groups[run.group]]

    def _expected(self, run: PassRun) -> tuple[np.ndarray, np.ndarray]:
        """Words of the output segments, and (words, non-zeros) of each."""
        channels = self.job.mapping.parts[run.unit].makes
        out = self.out[channels.start : channels.stop][:, self._owned(run)]
        words, counts = self._store(out, self.out_block, self.target)
        starts = np.arange(0, len(out), self.out_block)
        nonzeros = np.add.reduceat(np.count_nonzero(out, axis=2), starts, axis=0).T
        return words, np.stack([counts.ravel(), nonzeros.ravel()], axis=1)

    def _store(self, values: np.ndarray, block: int, code: Code) -> tuple[np.ndarray, np.ndarray]:
        """A map as the machine stores it: uint64 words, and how many each segment has, (H, blocks)."""
        if self.arch.compress:
            data, index = encode_segments(values, block, code.order)
            return data.view(">u8").astype(np.uint64), index["words"].astype(np.int64)
        data, words = raw_segments(values, block, code.bits)
        return data.view(">u8").astype(np.uint64), words

    def _same_words(
        self, outcome: PassOutcome | LaneOutcome, expected: np.ndarray, index: np.ndarray
    ) -> bool:
        ends = np.zeros(len(expected), bool)
        ends[np.cumsum(index[:, 0]) - 1] = True
        return (
            not outcome.error
            and np.array_equal(outcome.words, expected)
            and np.array_equal(outcome.last, ends)
            and np.array_equal(outcome.index["words"], index[:, 0])
            and np.array_equal(outcome.index["nonzeros"], index[:, 1])
        )


def _drain(
    trace: Trace, layer: Layer, values: np.ndarray, signed: bool, arch: Arch
) -> tuple[np.ndarray, Requantize, bool]:
    """Weights and drain of a layer, and whether they are made up: random, with codes of full width."""
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
    drain = requantize_for(
        1.0,
        1.0,
        out_scale,
        np.zeros(layer.out_shape[0]),
        relu=layer.relu,
        bits=bits,
        signed=not layer.relu,
        order=max(0, bits - 4),
    )
    return weights, drain, True


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """start, start + 1, ... of every range, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())
