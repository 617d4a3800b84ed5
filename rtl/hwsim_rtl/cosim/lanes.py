"""A core of two lanes in compiled simulation: a map buffer in, words and the cycle of every event out."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hwsim.arch import WEIGHT_PORT_WORDS, Arch
from hwsim.codec.segments import INDEX_ENTRY
from hwsim.errors import CosimError
from hwsim_rtl.core.lane_payloads import LanePassConfig, MapRow
from hwsim_rtl.core.payloads import RowDescriptor
from hwsim_rtl.cosim.design import COUNTED, FED, Design
from hwsim_rtl.cosim.library import CoreKind, load
from hwsim_rtl.cosim.simulator import ALWAYS, pack_fields, pack_scales, pack_weights

TWO_LANES = CoreKind("lanes", "hwsim_rtl.core.lane_core", "LaneCore", ("-DLANES",))
VALID_AFTER = 2  # cycles from a symbol's to its being valid
# Kinds of events in driver.cc: bits of LaneEvents.
SYMBOL, CHOSEN, SERVED = 0, 2, 4


@dataclass(frozen=True)
class LaneStimulus:
    """Everything that a core of two lanes sees of a pass.

    Attributes:
        config: fields of ``LanePassConfig``.
        map_rows, rows: fields of ``MapRow`` and of ``RowDescriptor``, in the order of reading.
        lines: uint64 (lines, 8), the map buffer.
        there: int64 (lines,), cycle of the pass from which each line is in the map buffer.
        first_index: line with the index entry of the first segment.
        period: cycles between two slots, at least 2.
        weights: int (weight words, M), each lane's weight; lanes without a channel are 0.
        bias, multiplier: int (channels,), of the drain.
        most_words, segments: output words and segments at most.
        most_cycles: of which the pass takes fewer, and as many events of every kind at most.
        ready: as of :class:`hwsim_rtl.cosim.PassStimulus`.
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
class LaneOutcome:
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
    """``struct Pass`` of driver.cc, with LANES."""

    _fields_ = (
        ("config", ctypes.c_void_p),
        ("lines", ctypes.c_void_p),
        ("there", ctypes.c_void_p),
        ("line_count", ctypes.c_int64),
        ("lengths", ctypes.c_void_p),
        ("period", ctypes.c_int64),
        ("map_rows", ctypes.c_void_p),
        ("map_row_count", ctypes.c_int64),
        *FED,
        ("events", ctypes.c_void_p),
        ("event_room", ctypes.c_int64),
        ("event_count", ctypes.c_int64),
        *COUNTED,
    )


class LaneSimulator:
    """One core of two lanes; :func:`build_lanes` makes it. Not for use by two threads at a time.

    Attributes:
        arch: the machine.
    """

    def __init__(self, arch: Arch, library: ctypes.CDLL) -> None:
        self.arch = arch
        self._design = Design(library, _Pass)

    def run_pass(self, stimulus: LaneStimulus) -> LaneOutcome:
        """Load the weights of a pass, then run it.

        Raises:
            CosimError: it does not come to its end.
        """
        arch, lines = self.arch, np.ascontiguousarray(stimulus.lines, "<u8").view("<u4")
        inputs: dict[str, np.ndarray] = {
            "config": pack_fields(LanePassConfig(arch), stimulus.config),
            "lines": lines,
            "lengths": lines[stimulus.first_index].view("<u2")[::2].copy(),
            "there": np.ascontiguousarray(stimulus.there, np.int64),
            "map_rows": np.array([pack_fields(MapRow, row) for row in stimulus.map_rows]),
            "rows": np.array([pack_fields(RowDescriptor, row) for row in stimulus.rows]),
            "weights": pack_weights(stimulus.weights, arch),
            "scales": pack_scales(stimulus.bias, stimulus.multiplier, arch),
            "ready": np.ascontiguousarray(stimulus.ready, np.uint8),
        }
        outputs: dict[str, np.ndarray] = {
            "coded": np.empty(stimulus.most_words, np.uint64),
            "coded_last": np.empty(stimulus.most_words, np.uint8),
            "index": np.empty(stimulus.segments, INDEX_ENTRY),
            "events": np.empty(3 * stimulus.most_cycles, np.int64),
        }
        struct = _Pass(
            line_count=len(stimulus.lines),
            period=stimulus.period,
            map_row_count=len(inputs["map_rows"]),
            row_count=len(inputs["rows"]),
            weight_count=len(inputs["weights"]),
            scale_count=len(inputs["scales"]),
            ready_count=len(inputs["ready"]),
            most_cycles=stimulus.most_cycles,
            coded_room=stimulus.most_words,
            index_room=stimulus.segments,
            event_room=len(outputs["events"]),
        )
        for name, array in (inputs | outputs).items():
            setattr(struct, name, array.ctypes.data)
        passes = (_Pass * 1)(struct)  # a copy
        if self._design.run(passes, arch.weight_words // WEIGHT_PORT_WORDS) is None:
            raise CosimError(
                f"the pass is not done after {stimulus.most_cycles} cycles, or makes too many words"
            )
        (struct,) = passes
        cycle, kind = np.divmod(outputs["events"][: struct.event_count], 8)

        def of_lanes(first: int, late: int) -> np.ndarray:
            mine = (kind == first) | (kind == first + 1)
            return np.stack([kind[mine] - first, cycle[mine] - late], axis=1)

        return LaneOutcome(
            cycles=struct.cycles,
            words=outputs["coded"][: struct.coded_count],
            last=outputs["coded_last"][: struct.coded_count].astype(bool),
            index=outputs["index"][: struct.index_count],
            symbols=cycle[kind == SYMBOL] - VALID_AFTER,
            chosen=of_lanes(CHOSEN, 0),
            served=of_lanes(SERVED, 1),
            taps=struct.taps,
            error=bool(struct.error),
        )


def build_lanes(arch: Arch, folder: Path | None = None) -> LaneSimulator:
    """A simulator of one core of two lanes; as :func:`hwsim_rtl.cosim.build`.

    Raises:
        ArchError: a machine that the RTL cannot be.
        CosimError: no Verilator or no compiler, or one of them fails.
    """
    return LaneSimulator(arch, load(arch, TWO_LANES, folder))
