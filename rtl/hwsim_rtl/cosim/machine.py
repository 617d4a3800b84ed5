"""A whole machine in compiled simulation: a memory image in, what it writes and when out."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwsim.arch import BEAT_BYTES, BURST_BYTES, START_LATENCY, Arch
from hwsim.errors import CosimError
from hwsim.machine.descriptors import CORE_FIELDS
from hwsim.registers import MachineError
from hwsim_rtl.core.payloads import LINE_BITS
from hwsim_rtl.cosim.library import CoreKind, load
from hwsim_rtl.system.memory_port import ADDRESS_BITS

# Optimizing a machine takes the compiler longer than a run of a small network takes the machine.
MACHINE = CoreKind(
    "machine",
    "hwsim_rtl.system.machine",
    "ImageMachine",
    (f"-DADDRESS_BITS={ADDRESS_BITS}", f"-DLINE_BITS={LINE_BITS}"),
    driver=Path(__file__).with_name("machine.cc"),
    folders=("bits", "codec", "core", "system", "cosim"),
    fields=(*CORE_FIELDS, "cores", "map_buffer", "skip_zeros"),
    flags=("-O0",),
)
STORE = np.dtype([("layer", "<u4"), ("line", "<u4"), ("parts", "<u4"), ("words", "<u4", 16)])
"""What is written into a line of the map buffer: in which layer; of its 16 parts those whose bit is set."""
PASS = np.dtype([("core", "<i8"), ("begin", "<i8"), ("end", "<i8")])
"""A pass: who made it, its first cycle and the first one after it, from the start of the run."""
MOST_LAYERS, MOST_STORES, MOST_PASSES = 1 << 12, 1 << 20, 1 << 16
IDLE_CYCLES = 64  # before a run, and as many as an accumulator bank has words: they are cleared then
MOST_CORES = 64  # whose passes are noted


@dataclass(frozen=True)
class MachineOutcome:
    """What came of a run.

    Attributes:
        error: why it stopped, or none.
        cycles: from start to done.
        layer_ends: of every layer, from the start to the cycle in which all that it makes was in its place.
        memory: as it is now, the image's file with the rest of its DRAM behind it.
        stores: what was written into the map buffer, dtype :data:`STORE`, in its order.
        passes: as they were done, dtype :data:`PASS`.
        beats_read, beats_written: of memory.
    """

    error: MachineError
    cycles: int
    layer_ends: list[int]
    memory: bytes
    stores: np.ndarray
    passes: np.ndarray
    beats_read: int
    beats_written: int

    def half(self, layer: int, size: int) -> bytes:
        """The half of the map buffer that a layer wrote, ``size`` bytes; 0 where it wrote nothing."""
        lines = np.zeros((size // BURST_BYTES, 16), "<u4")
        for store in self.stores[self.stores["layer"] == layer]:
            parts = store["parts"] >> np.arange(16) & 1 == 1
            lines[store["line"], parts] = store["words"][parts]
        return lines.tobytes()


class _Run(ctypes.Structure):
    """``struct Run`` of machine.cc."""

    _fields_ = (
        ("memory", ctypes.c_void_p),
        *(
            (name, ctypes.c_int64)
            for name in (
                *("memory_bytes", "image_at", "image_beats", "latency", "moved", "moved_cycles", "idle"),
                *("most_cycles", "abort_at", "error_at"),
            )
        ),
        ("layer_ends", ctypes.c_void_p),
        ("layer_room", ctypes.c_int64),
        ("stores", ctypes.c_void_p),
        ("store_room", ctypes.c_int64),
        ("passes", ctypes.c_void_p),
        ("pass_room", ctypes.c_int64),
        ("cores", ctypes.c_int64),
        *(
            (name, ctypes.c_int64)
            for name in (
                "layers",
                "pass_count",
                "store_count",
                "cycles",
                "error",
                "beats_read",
                "beats_written",
            )
        ),
    )


class MachineSimulator:
    """A machine; :func:`build_machine` makes it. Not for use by two threads at a time.

    Attributes:
        arch: the machine; DRAM has its latency and rate.
    """

    def __init__(self, arch: Arch, library: ctypes.CDLL) -> None:
        self.arch, self._library = arch, library
        library.create.restype = ctypes.c_void_p
        library.destroy.argtypes = [ctypes.c_void_p]
        library.run.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Run)]
        library.run.restype = ctypes.c_int64
        self._machine = library.create()

    def __del__(self) -> None:
        self._library.destroy(self._machine)

    def run(
        self,
        image: bytes,
        memory_bytes: int,
        *,
        before: int = 0,
        most_cycles: int = 1_000_000,
        abort_at: int = -1,
        error_at: int = -1,
    ) -> MachineOutcome:
        """Run an image's file.

        Args:
            image: the file.
            memory_bytes: of DRAM that it needs, behind the header.
            before: beats of memory before the image.
            most_cycles: of which the run takes fewer.
            abort_at: a cycle in which it is aborted, to begin anew in the next one.
            error_at: a beat of memory that is answered with an error.

        Raises:
            CosimError: it does not come to its end, or asks for memory that there is not.
        """
        memory = np.zeros(BEAT_BYTES * before + len(image) + memory_bytes, np.uint8)
        memory = memory[: len(memory) // BEAT_BYTES * BEAT_BYTES]
        at = BEAT_BYTES * before
        memory[at : at + len(image)] = np.frombuffer(image, np.uint8)
        ends, stores = np.zeros(MOST_LAYERS, np.int64), np.zeros(MOST_STORES, STORE)
        passes = np.zeros(MOST_PASSES, PASS)
        moved, moved_cycles = self.arch.dram_rate
        run = _Run(
            memory=memory.ctypes.data,
            memory_bytes=len(memory),
            image_at=before,
            image_beats=len(memory) // BEAT_BYTES - before,
            latency=self.arch.dram_latency,
            moved=moved,
            moved_cycles=moved_cycles,
            idle=self.arch.accumulators + IDLE_CYCLES,
            most_cycles=most_cycles,
            abort_at=abort_at,
            error_at=error_at,
            layer_ends=ends.ctypes.data,
            layer_room=len(ends),
            stores=stores.ctypes.data,
            store_room=len(stores),
            passes=passes.ctypes.data,
            pass_room=len(passes),
            cores=min(self.arch.cores, MOST_CORES),
        )
        ended = self._library.run(self._machine, ctypes.byref(run))
        if ended != 0:
            self._library.destroy(self._machine)
            self._machine = self._library.create()
            raise CosimError(
                f"the run is not done after {most_cycles} cycles"
                if ended == 1
                else "the machine asks for memory that there is not"
            )
        noted = passes[: run.pass_count].copy()
        noted["begin"] += START_LATENCY
        noted["end"] += 1
        return MachineOutcome(
            error=MachineError(run.error),
            cycles=run.cycles,
            layer_ends=ends[: run.layers].tolist(),
            memory=memory[at:].tobytes(),
            stores=stores[: run.store_count].copy(),
            passes=noted,
            beats_read=run.beats_read,
            beats_written=run.beats_written,
        )


def build_machine(arch: Arch, folder: Path | None = None) -> MachineSimulator:
    """A simulator of a machine; as :func:`hwsim_rtl.cosim.build`.

    Raises:
        ArchError: a machine that the RTL cannot be.
        CosimError: no Verilator or no compiler, or one of them fails.
    """
    return MachineSimulator(arch, load(arch, MACHINE, folder))
