"""Passes in, output words and cycles out."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from amaranth.lib import data

from hwsim.arch import WEIGHT_PORT_WORDS, WORD_BITS, Arch
from hwsim.codec.segments import INDEX_ENTRY
from hwsim.errors import CosimError
from hwsim.machine.descriptors import PassGeometry
from hwsim_rtl.bits.word import Word
from hwsim_rtl.core.payloads import ChannelScale, PassConfig, RowDescriptor, weight_load
from hwsim_rtl.cosim.design import COUNTED, FED, Design

ALWAYS = np.array([3], np.uint8)


@dataclass(frozen=True)
class PassStimulus:
    """Everything that a core sees of a pass.

    Attributes:
        geometry: of the pass.
        words: uint64 (n,), the input segments in the order of reading, first bit most significant.
        last: bool (n,), whether a word ends its segment.
        weights: int (weight words, M), each lane's weight; lanes without a channel are 0.
        bias, multiplier: int (channels,), of the drain.
        arrival: int64 (n,), cycle of the pass from which a word is there; None: from the start.
        ready: uint8 (cycles,), bit 0: coded words are taken, bit 1: index entries. Repeats over the cycles
            of the pass, the start's first.
    """

    geometry: PassGeometry
    words: np.ndarray
    last: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    arrival: np.ndarray | None = None
    ready: np.ndarray = field(default_factory=lambda: ALWAYS)


@dataclass(frozen=True)
class PassOutcome:
    """What came of a pass.

    Attributes:
        cycles: from start to done.
        words: uint64, the output segments.
        last: bool, whether a word ends its segment.
        index: of the output segments, dtype ``words``, ``nonzeros`` (uint16).
        symbols, taps, words_read: symbols decoded, cycles in which a weight word was read, words taken.
        error: whether the decoder met something illegal.
    """

    cycles: int
    words: np.ndarray
    last: np.ndarray
    index: np.ndarray
    symbols: int
    taps: int
    words_read: int
    error: bool


_POINTERS = ("config", "words", "arrival", "rows", "weights", "scales", "ready")


class _Pass(ctypes.Structure):
    """``struct Pass`` of driver.cc."""

    _fields_ = (
        ("config", ctypes.c_void_p),
        ("words", ctypes.c_void_p),
        ("arrival", ctypes.c_void_p),
        ("word_count", ctypes.c_int64),
        *FED,
        *COUNTED,
    )


class Simulator:
    """One core of a machine; :func:`hwsim_rtl.cosim.build` makes it. Not for use by two threads at a time.

    Attributes:
        arch: the machine.
        simulated_cycles, cpu_seconds: simulated so far, and the CPU time that took, without the packing of
            stimulus.
    """

    def __init__(self, arch: Arch, library: ctypes.CDLL) -> None:
        self.arch = arch
        self.simulated_cycles = 0
        self.cpu_seconds = 0.0
        self._design = Design(library, _Pass)

    def run_pass(self, stimulus: PassStimulus) -> PassOutcome:
        """Load the weights of a pass, then run it.

        Raises:
            ArchError: the pass does not fit the machine.
            CosimError: it does not come to its end.
        """
        return self.run([stimulus])[0]

    def run(self, passes: Sequence[PassStimulus]) -> list[PassOutcome]:
        """Run passes one after the other; the weights of each are loaded while the one before works,
        if they fit beside its own.

        Raises:
            ArchError: a pass does not fit the machine.
            CosimError: one does not come to its end.
        """
        buffers = [_Buffers(stimulus, self.arch) for stimulus in passes]
        structs = (_Pass * len(passes))(*(buffer.struct() for buffer in buffers))
        begun = time.thread_time()
        most_loads = self.arch.weight_words // WEIGHT_PORT_WORDS
        simulated = self._design.run(structs, most_loads)
        self.cpu_seconds += time.thread_time() - begun
        if simulated is None:
            stuck = next(i for i, struct in enumerate(structs) if struct.cycles == 0)
            raise CosimError(
                f"pass {stuck} is not done after {structs[stuck].most_cycles} cycles, or makes too many words"
            )
        self.simulated_cycles += simulated
        return [buffer.outcome(struct) for buffer, struct in zip(buffers, structs, strict=True)]


class _Buffers:
    """The arrays of a pass, as the driver reads and writes them."""

    def __init__(self, stimulus: PassStimulus, arch: Arch) -> None:
        geometry = stimulus.geometry
        self.config = pack_fields(PassConfig(arch), geometry.config(arch))[None]
        self.words = _word_chunks(stimulus.words, stimulus.last)
        arrival = np.zeros(len(self.words)) if stimulus.arrival is None else stimulus.arrival
        self.arrival = np.ascontiguousarray(arrival, np.int64)
        self.rows = np.array(
            [pack_fields(RowDescriptor, row) for row in geometry.row_descriptors(arch)], np.uint32
        )
        self.weights = pack_weights(stimulus.weights, arch)
        self.scales = pack_scales(stimulus.bias, stimulus.multiplier, arch)
        self.ready = np.ascontiguousarray(stimulus.ready, np.uint8)
        values = len(geometry.owned) * geometry.out_channels * geometry.out_width
        segments = len(geometry.owned) * -(-geometry.out_channels // geometry.out_block)
        self.coded = np.empty(values * 33 // WORD_BITS + segments + 1, np.uint64)
        self.coded_last = np.empty(len(self.coded), np.uint8)
        self.index = np.empty(segments, INDEX_ENTRY)
        self.most_cycles = self._bound(stimulus, values)

    def _bound(self, stimulus: PassStimulus, values: int) -> int:
        """More cycles than the pass can take: every value alone, every word and every stall waited for."""
        geometry = stimulus.geometry
        taps = geometry.layer.kernel[0] * geometry.layer.kernel[1]
        read = len(self.rows) * geometry.channels * geometry.width
        stalls = len(self.ready) // max(1, int(np.count_nonzero((self.ready & 3) == 3))) + 1
        waits = int(self.arrival.max(initial=0)) + len(self.words)
        return 1000 + waits + read * (taps + 1) + 2 * stalls * values

    def struct(self) -> _Pass:
        struct = _Pass(
            word_count=len(self.words),
            row_count=len(self.rows),
            weight_count=len(self.weights),
            scale_count=len(self.scales),
            ready_count=len(self.ready),
            most_cycles=self.most_cycles,
            coded_room=len(self.coded),
            index_room=len(self.index),
        )
        for name in (*_POINTERS, "coded", "coded_last", "index"):
            setattr(struct, name, getattr(self, name).ctypes.data)
        return struct

    def outcome(self, struct: _Pass) -> PassOutcome:
        return PassOutcome(
            cycles=struct.cycles,
            words=self.coded[: struct.coded_count],
            last=self.coded_last[: struct.coded_count].astype(bool),
            index=self.index[: struct.index_count],
            symbols=struct.symbols,
            taps=struct.taps,
            words_read=struct.words_read,
            error=bool(struct.error),
        )


def pack_fields(layout: data.Layout | type[data.Struct], fields: dict) -> np.ndarray:
    """Fields packed as in the layout: uint32 chunks, least significant first."""
    fields_of = data.Layout.cast(layout)
    bits = fields_of.const(fields).as_value().value
    return np.frombuffer(bits.to_bytes(4 * -(-fields_of.size // 32), "little"), np.uint32)


def _word_chunks(words: np.ndarray, last: np.ndarray) -> np.ndarray:
    chunks = np.zeros((len(words), -(-Word.as_shape().size // 32)), np.uint32)
    chunks[:, :2] = np.ascontiguousarray(words, "<u8").view("<u4").reshape(-1, 2)
    chunks[:, 2] = last
    return chunks


def pack_weights(weights: np.ndarray, arch: Arch) -> np.ndarray:
    """Loads, the last one filled up with zeros."""
    whole = np.pad(np.asarray(weights, np.int64), ((0, -len(weights) % WEIGHT_PORT_WORDS), (0, 0)))
    bits = (whole[:, :, None] >> np.arange(arch.weight_bits)) & 1
    bits = bits.reshape(-1, weight_load(arch).size).astype(np.uint8)
    chunks = -(-weight_load(arch).size // 32)
    padded = np.zeros((len(bits), chunks * 32), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u4")


def pack_scales(bias: np.ndarray, multiplier: np.ndarray, arch: Arch) -> np.ndarray:
    """Scales of all lanes; those without a channel have zeros."""
    chunks = np.zeros((arch.columns, -(-ChannelScale.as_shape().size // 32)), np.uint32)
    chunks[: len(bias), 0] = np.asarray(bias, np.int32).view(np.uint32)
    chunks[: len(bias), 1] = multiplier
    return chunks
