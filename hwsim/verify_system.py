"""The whole machine in RTL against the model: a memory image in, every byte that it makes and when out.

Beside :mod:`hwsim.verify`, which runs single passes, it imports ``rtl``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hwsim.arch import BEAT_BYTES, LAYER_BYTES, Arch
from hwsim.codec.segments import lengths_of, store_segments
from hwsim.machine.programs import LAYER_FIELDS, unpack
from hwsim.machine.schedule import LayerSpan, schedule
from hwsim.machine.workload import Workload
from hwsim.program import MemoryImage, compile_network
from hwsim.program.expected import expected_memory
from hwsim.reference import run_network
from hwsim.registers import MachineError
from hwsim.trace import StoredTrace
from hwsim_rtl.cosim.machine import MachineOutcome, MachineSimulator, build_machine


@dataclass(frozen=True)
class SystemCheck:
    """A number of a run, of the machine in RTL and as it must be.

    Attributes:
        layer: whose; ``all``: of the run.
        what: what is counted.
        image: which picture.
        rtl, model: the number.
    """

    layer: str
    what: str
    image: int
    rtl: int
    model: int

    @property
    def equal(self) -> bool:
        """Whether the RTL did just what it must."""
        return self.rtl == self.model


def verify_system(trace: StoredTrace, arch: Arch, images: Sequence[int] = (0,)) -> Iterator[SystemCheck]:
    """Run pictures from their memory images on the whole machine, compiled.

    The model is timed with the maps that the network in integers makes of the input, as the machine does.

    Args:
        trace: with weights, and what lies between its maps.
        arch: the machine.
        images: numbers of pictures.

    Raises:
        ArchError: a layer or a width does not fit the machine, or the RTL.
        ProgramError: the network is none that a program can hold.
        TraceError: no such picture, or no weights.
        CosimError: the simulation cannot be built, or the run does not end.
    """
    programs = {image: compile_network(trace, arch, image) for image in images}
    machine = build_machine(arch)
    for image, program in programs.items():
        yield from _Run(trace, arch, image, program).checks(machine)


class _MadeMaps:
    """A trace with the maps that the network in integers makes of a picture, and no other picture."""

    def __init__(self, trace: StoredTrace, maps: Mapping[str, np.ndarray]) -> None:
        self._trace, self._maps = trace, maps

    def __getattr__(self, name: str) -> object:
        return getattr(self._trace, name)

    def map(self, name: str, image: int, /) -> np.ndarray:
        """Whatever the image's number."""
        return self._maps[name].astype(np.uint16)


class _Run:
    """A picture on both machines."""

    def __init__(self, trace: StoredTrace, arch: Arch, image: int, program: MemoryImage) -> None:
        self._trace, self._arch, self._image, self._program = trace, arch, image, program
        self._maps = run_network(trace, image)
        made = _MadeMaps(trace, self._maps)
        self._spans = schedule(Workload(made, image).jobs(arch), arch).layers  # type: ignore[arg-type]

    def checks(self, machine: MachineSimulator) -> Iterator[SystemCheck]:
        """All that there is to compare, layer by layer."""
        program = self._program
        most = 2 * self._spans[-1].end + 100_000
        outcome = machine.run(program.to_bytes(), program.number("memory_bytes"), most_cycles=most)
        at, begun = 0, dict.fromkeys(range(self._arch.cores), 0)
        ends = [*outcome.layer_ends, *[0] * len(self._spans)]
        yield self._check("all", "error", int(outcome.error), MachineError.none)
        for number, span in enumerate(self._spans):
            name = span.job.layer.name
            yield self._check(name, "end cycle", ends[number], span.end)
            yield self._check(
                name, "passes in their cycles", _in_time(span, outcome, begun), len(span.passes)
            )
            yield self._check(
                name, "bytes into the map buffer", _stored(outcome, number), sum(span.job.written)
            )
            at += span.job.program_size
            if number + 1 < len(self._spans):
                layer = unpack(LAYER_FIELDS, program.memory[at : at + LAYER_BYTES])
                yield self._map(name, self._spans[number + 1], outcome, number, layer)
        expected, mask = (
            np.frombuffer(each, np.uint8) for each in expected_memory(self._trace, program, self._image)
        )
        memory = np.frombuffer(outcome.memory.ljust(len(expected), b"\0"), np.uint8)[: len(expected)]
        right = int(np.count_nonzero((memory == expected) & (mask == 255)))
        yield self._check("all", "bytes of memory", right, int(np.count_nonzero(mask)))
        moved = BEAT_BYTES * (outcome.beats_read + outcome.beats_written)
        yield self._check(
            "all", "bytes over the channel", moved, sum(sum(span.dram.values()) for span in self._spans)
        )

    def _check(self, layer: str, what: str, rtl: int, model: int) -> SystemCheck:
        return SystemCheck(layer, what, self._image, rtl, model)

    def _map(
        self, maker: str, reader: LayerSpan, outcome: MachineOutcome, number: int, layer: Mapping[str, int]
    ) -> SystemCheck:
        """Bytes of the map that a layer makes, and of its index, where the next layer's descriptor says."""
        name, half = reader.job.layer.input, outcome.half(number, self._arch.map_buffer // 2)
        info = self._trace.maps[name]
        data, index = store_segments(self._maps[name], reader.job.block, info.order, info.bits)
        words = np.frombuffer(half, "<u8").astype(">u8").tobytes()  # as in DRAM, the highest byte first
        right = at = 0
        for y, segment in np.ndindex(index.shape):
            size = 8 * int(lengths_of(index)[y, segment])
            place = BEAT_BYTES * (y * layer["row_beats"] + segment * layer["place_beats"])
            right += _equal_bytes(words[place : place + size], data[at : at + size].tobytes())
            at += size
        begin = 2 * BEAT_BYTES * layer["index_line"]
        right += _equal_bytes(half[begin : begin + 4 * index.size], index.tobytes())
        return self._check(maker, "bytes of map and index", right, at + 4 * index.size)


def _stored(outcome: MachineOutcome, layer: int) -> int:
    """Bytes that a layer writes into the map buffer, a map that is remade among them; parts have four."""
    parts = outcome.stores["parts"][outcome.stores["layer"] == layer]
    return 4 * int((parts[:, None] >> np.arange(16) & 1).sum())


def _equal_bytes(found: bytes, expected: bytes) -> int:
    """How many bytes are what they must be."""
    size = min(len(found), len(expected))
    one, other = (np.frombuffer(each[:size], np.uint8) for each in (found, expected))
    return int(np.count_nonzero(one == other))


def _in_time(span: LayerSpan, outcome: MachineOutcome, begun: dict[int, int]) -> int:
    """Passes of a layer that begin and end when the model says; ``begun``: of each core, passes before it."""
    right = 0
    for core, before in begun.items():
        mine = [(run.begin, run.begin + run.timing.cycles) for run in span.passes if run.core == core]
        done = outcome.passes[outcome.passes["core"] == core][before : before + len(mine)]
        right += sum(
            (int(found["begin"]), int(found["end"])) == due for found, due in zip(done, mine, strict=False)
        )
        begun[core] += len(mine)
    return right
