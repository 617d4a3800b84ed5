"""A core in compiled simulation: a map buffer in, words and the cycle of every event out."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from amaranth.lib import data

from hwsim.arch import WEIGHT_PORT_WORDS, Arch
from hwsim.codec.segments import INDEX_ENTRY
from hwsim.errors import CosimError
from hwsim_rtl.core.payloads import ChannelScale, MapRow, PassConfig, RowDescriptor, weight_load
from hwsim_rtl.cosim.library import CoreKind, load

CORE = CoreKind("core", "hwsim_rtl.core.core", "Core")
ALWAYS = np.array([3], np.uint8)
VALID_AFTER = 2  # cycles from a symbol's to its being valid
# Kinds of events in driver.cc: bits of Events.
SYMBOL, CHOSEN, SERVED = 0, 2, 4


@dataclass(frozen=True)
class PassStimulus:
    """Everything that a core sees of a pass.

    Attributes:
        config: fields of ``PassConfig``.
        map_rows, rows: fields of ``MapRow`` and of ``RowDescriptor``, in the order of reading.
        lines: uint64 (lines, 8), the map buffer.
        there: int64 (lines,), cycle of the pass from which each line is in the map buffer.
        first_index: line with the index entry of the first segment.
        period: cycles between two slots, at least 2.
        weights: int (weight words, M), the weight of each column; columns without a channel are 0.
        bias, multiplier: int (channels,), of the drain.
        most_words: output words at most.
        segments: output segments, which may leave while later passes are under way.
        most_cycles: of which the pass takes fewer, and as many events of every kind at most.
        ready: uint8 (cycles,), bit 0: coded words are taken, bit 1: index entries. Repeats over the cycles
            of the pass, the start's first.
    """

    config: dict
    map_rows: list[dict]
    rows: list[dict]
    lines: np.ndarray
    there: np.ndarray
    first_index: int
    period: int
    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    most_words: int
    segments: int
    most_cycles: int
    ready: np.ndarray = field(default_factory=lambda: ALWAYS)


@dataclass(frozen=True)
class PassOutcome:
    """What came of a pass.

    Attributes:
        cycles: from cycle 0 to done.
        words: uint64, the output segments. last: bool, whether a word ends its segment.
        index: of the output segments, dtype ``words``, ``nonzeros`` (uint16).
        symbols: int64, the cycle in which each symbol was consumed.
        chosen, served: int64 (events, 2), lane and cycle of each item that was chosen, and of each slot in
            which a lane was served.
        taps: cycles in which a weight word was read.
        error: whether the decoder met something illegal.
    """

    cycles: int
    words: np.ndarray
    last: np.ndarray
    index: np.ndarray
    symbols: np.ndarray
    chosen: np.ndarray
    served: np.ndarray
    taps: int
    error: bool


class _Pass(ctypes.Structure):
    """``struct Pass`` of driver.cc."""

    _fields_ = (
        ("config", ctypes.c_void_p),
        ("lines", ctypes.c_void_p),
        ("there", ctypes.c_void_p),
        ("line_count", ctypes.c_int64),
        ("lengths", ctypes.c_void_p),
        ("period", ctypes.c_int64),
        ("map_rows", ctypes.c_void_p),
        ("map_row_count", ctypes.c_int64),
        ("rows", ctypes.c_void_p),
        ("row_count", ctypes.c_int64),
        ("weights", ctypes.c_void_p),
        ("weight_count", ctypes.c_int64),
        ("scales", ctypes.c_void_p),
        ("scale_count", ctypes.c_int64),
        ("ready", ctypes.c_void_p),
        ("ready_count", ctypes.c_int64),
        ("most_cycles", ctypes.c_int64),
        ("segments", ctypes.c_int64),
        ("coded", ctypes.c_void_p),
        ("coded_last", ctypes.c_void_p),
        ("coded_room", ctypes.c_int64),
        ("coded_count", ctypes.c_int64),
        ("index", ctypes.c_void_p),
        ("index_count", ctypes.c_int64),
        ("events", ctypes.c_void_p),
        ("event_room", ctypes.c_int64),
        ("event_count", ctypes.c_int64),
        ("cycles", ctypes.c_int64),
        ("taps", ctypes.c_int64),
        ("error", ctypes.c_int64),
    )


class Simulator:
    """One core of a machine; :func:`build` makes it. Not for use by two threads at a time.

    Attributes:
        arch: the machine.
        simulated_cycles, cpu_seconds: simulated so far, and the CPU time that took, without the packing of
            stimulus.
    """

    def __init__(self, arch: Arch, library: ctypes.CDLL) -> None:
        self.arch = arch
        self.simulated_cycles = 0
        self.cpu_seconds = 0.0
        self._library = library
        library.create.restype = ctypes.c_void_p
        library.destroy.argtypes = [ctypes.c_void_p]
        library.run.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Pass), ctypes.c_int64, ctypes.c_int64]
        library.run.restype = ctypes.c_int64
        self._core = library.create()

    def __del__(self) -> None:
        self._library.destroy(self._core)

    def run_pass(self, stimulus: PassStimulus) -> PassOutcome:
        """Load the weights of a pass, then run it.

        Raises:
            CosimError: it does not come to its end.
        """
        return self.run([stimulus])[0]

    def run(self, passes: Sequence[PassStimulus]) -> list[PassOutcome]:
        """Run passes one after the other; the weights of each are loaded while the one before works,
        if they fit beside its own.

        Raises:
            CosimError: one does not come to its end.
        """
        buffers = [_Buffers(stimulus, self.arch) for stimulus in passes]
        structs = (_Pass * len(passes))(*(buffer.struct for buffer in buffers))  # copies
        begun = time.thread_time()
        most_loads = self.arch.weight_words // WEIGHT_PORT_WORDS
        simulated = self._library.run(self._core, structs, len(structs), most_loads)
        self.cpu_seconds += time.thread_time() - begun
        if simulated < 0:
            self._library.destroy(self._core)
            self._core = self._library.create()
            stuck = next(i for i, struct in enumerate(structs) if struct.cycles == 0)
            raise CosimError(
                f"pass {stuck} is not done after {structs[stuck].most_cycles} cycles, or makes too many words"
            )
        self.simulated_cycles += simulated
        return [buffer.outcome(struct) for buffer, struct in zip(buffers, structs, strict=True)]


class _Buffers:
    """The arrays of a pass, as the driver reads and writes them, and the struct that points to them."""

    def __init__(self, stimulus: PassStimulus, arch: Arch) -> None:
        lines = np.ascontiguousarray(stimulus.lines, "<u8").view("<u4")
        self._inputs: dict[str, np.ndarray] = {
            "config": pack_fields(PassConfig(arch), stimulus.config),
            "lines": lines,
            "lengths": lines[stimulus.first_index].view("<u2")[::2].copy(),
            "there": np.ascontiguousarray(stimulus.there, np.int64),
            "map_rows": np.array([pack_fields(MapRow, row) for row in stimulus.map_rows]),
            "rows": np.array([pack_fields(RowDescriptor, row) for row in stimulus.rows]),
            "weights": _pack_weights(stimulus.weights, arch),
            "scales": _pack_scales(stimulus.bias, stimulus.multiplier, arch),
            "ready": np.ascontiguousarray(stimulus.ready, np.uint8),
        }
        self._outputs: dict[str, np.ndarray] = {
            "coded": np.empty(stimulus.most_words, np.uint64),
            "coded_last": np.empty(stimulus.most_words, np.uint8),
            "index": np.empty(stimulus.segments, INDEX_ENTRY),
            "events": np.empty(3 * stimulus.most_cycles, np.int64),
        }
        self.struct = _Pass(
            line_count=len(stimulus.lines),
            period=stimulus.period,
            map_row_count=len(stimulus.map_rows),
            row_count=len(stimulus.rows),
            weight_count=len(self._inputs["weights"]),
            scale_count=len(self._inputs["scales"]),
            ready_count=len(self._inputs["ready"]),
            most_cycles=stimulus.most_cycles,
            coded_room=stimulus.most_words,
            segments=stimulus.segments,
            event_room=len(self._outputs["events"]),
        )
        for name, array in (self._inputs | self._outputs).items():
            setattr(self.struct, name, array.ctypes.data)

    def outcome(self, struct: _Pass) -> PassOutcome:
        """What the driver left."""
        cycle, kind = np.divmod(self._outputs["events"][: struct.event_count], 8)

        def of_lanes(first: int, late: int) -> np.ndarray:
            mine = (kind == first) | (kind == first + 1)
            return np.stack([kind[mine] - first, cycle[mine] - late], axis=1)

        return PassOutcome(
            cycles=struct.cycles,
            words=self._outputs["coded"][: struct.coded_count],
            last=self._outputs["coded_last"][: struct.coded_count].astype(bool),
            index=self._outputs["index"][: struct.index_count],
            symbols=cycle[kind == SYMBOL] - VALID_AFTER,
            chosen=of_lanes(CHOSEN, 0),
            served=of_lanes(SERVED, 1),
            taps=struct.taps,
            error=bool(struct.error),
        )


def build(arch: Arch, folder: Path | None = None) -> Simulator:
    """A simulator of one core of the machine; built once for each machine and state of the sources.

    Args:
        arch: the machine.
        folder: where libraries are kept; :func:`hwsim_rtl.cosim.library.cache_folder` if not given.

    Raises:
        ArchError: a machine that the RTL cannot be.
        CosimError: no Verilator or no compiler, or one of them fails.
    """
    return Simulator(arch, load(arch, CORE, folder))


def pack_fields(layout: data.Layout | type[data.Struct], fields: dict) -> np.ndarray:
    """Fields packed as in the layout: uint32 chunks, least significant first."""
    fields_of = data.Layout.cast(layout)
    bits = fields_of.const(fields).as_value().value
    return np.frombuffer(bits.to_bytes(4 * -(-fields_of.size // 32), "little"), np.uint32)


def _pack_weights(weights: np.ndarray, arch: Arch) -> np.ndarray:
    """Loads, the last one filled up with zeros."""
    whole = np.pad(np.asarray(weights, np.int64), ((0, -len(weights) % WEIGHT_PORT_WORDS), (0, 0)))
    bits = (whole[:, :, None] >> np.arange(arch.weight_bits)) & 1
    bits = bits.reshape(-1, weight_load(arch).size).astype(np.uint8)
    chunks = -(-weight_load(arch).size // 32)
    padded = np.zeros((len(bits), chunks * 32), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u4")


def _pack_scales(bias: np.ndarray, multiplier: np.ndarray, arch: Arch) -> np.ndarray:
    """Scales of all columns; those without a channel have zeros."""
    chunks = np.zeros((arch.columns, -(-ChannelScale.as_shape().size // 32)), np.uint32)
    chunks[: len(bias), 0] = np.asarray(bias, np.int32).view(np.uint32)
    chunks[: len(bias), 1] = multiplier
    return chunks
