"""What happens around the passes of a layer: of a network that is no chain, nothing that takes time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hwsim.arch import LOAD_LATENCY, Arch
from hwsim.machine import dram
from hwsim.machine.fetches import Fetches
from hwsim.machine.remade import Remade
from hwsim.machine.runs import DramKind
from hwsim.machine.slots import first_slot
from hwsim.machine.workload import LayerJob, Weights

if TYPE_CHECKING:
    from hwsim.machine.schedule import PassRun

Read = Callable[[DramKind, LayerJob, int, int, int | np.ndarray, str], tuple[int, int]]
"""Ask for bytes of a kind, for a layer, from a cycle on, of a part of a map: when they are, and are there."""


class Asked(NamedTuple):
    """A unit of weights: its first cycle on the channel, and how long it takes it; when a pass can begin."""

    request: int
    busy: int
    there: int


class BesidePasses(NamedTuple):
    """What a machine does beside the passes of a layer.

    Attributes:
        name: ``programs``, until the layer begins; ``sequencer``, until it can tell a core to start;
            ``writers``, until all that cores made lies there; ``pool`` or ``flatten``; ``result``.
        begin, end: first cycle, and first cycle after.
    """

    name: str
    begin: int
    end: int


class Around:
    """Cores and the channel, of which alone the time is counted (docs/architecture.md, *What is left out*).

    Of a machine that runs the whole network by itself, :class:`hwsim.machine.whole.WholeMachine` is there in
    its place.

    Args:
        arch: the machine.
    """

    header = 0  # bytes that are read before all else

    def __init__(self, arch: Arch) -> None:
        self._arch = arch

    def program_ready(self, channel: dram.Channel, before: int | None) -> int:
        """The cycle from which a program can be asked for; the one before it is there in ``before``."""
        return 0

    def taken(self, request: int, size: int, there: int) -> int:
        """When the last of so many bytes is taken that are there in a cycle, requested in another."""
        return there

    def read_unit(
        self,
        channel: dram.Channel,
        job: LayerJob,
        unit: Weights,
        program: int,
        room: int,
        *,
        first: bool,
        last: bool,
    ) -> Asked:
        """Ask for a unit of weights, and load it.

        Args:
            channel: where.
            job: the layer.
            unit: its sizes.
            program: when the layer's program is there.
            room: from when on there is room for it.
            first: it is the first one of the layer.
            last: the layer is the last one.
        """
        busy = dram.load_cycles(unit.words, unit.size + unit.scales, self._arch)
        request, loaded = channel.read(busy, max(program, room))
        return Asked(request, busy, loaded + LOAD_LATENCY)

    def fetch_first(self, job: LayerJob, fetches: Fetches, read: Read) -> None:
        """Ask for the network's first map, if this is its layer and that map comes otherwise than others."""

    def opens(self, job: LayerJob, now: int, programs: Sequence[int]) -> int:
        """Prepare a layer: when it begins.

        Args:
            job: the layer.
            now: when the one before has ended.
            programs: when its program is there, and the next one if one follows.
        """
        return now

    def told(self, opens: int) -> int:
        """The cycle in which a core of a layer can be told to start a pass, were its weights there."""
        return opens

    def able(self, core: int, loaded: int, *, first: bool) -> int:
        """The cycle in which a core can be told to start a pass whose weights are there.

        Args:
            core: which.
            loaded: when it is free and they are.
            first: it is its first one in the layer.
        """
        return loaded

    def slot(self, core: int, able: int) -> int:
        """The cycle in which a pass begins that can be told to start from ``able`` on: a slot of its core."""
        return first_slot(core, able, self._arch)

    def flushed(self, job: LayerJob, passes: Sequence[PassRun], done: int) -> int:
        """When all that cores made in the passes of a layer lies in the map buffer; the last one was done."""
        return done

    def end(self, flushed: int, remade: Remade | None) -> int:
        """When a layer ends whose map may be remade."""
        return flushed

    def result_ready(self, drained: np.ndarray, end: int, size: int) -> np.ndarray:
        """When parts of the result are on their way to DRAM, int64.

        Args:
            drained: when its rows were complete.
            end: when all of it lies in the map buffer.
            size: its bytes.
        """
        return drained

    def written(self, last: int) -> int:
        """When the run ends whose last byte crosses the channel before ``last``."""
        return last
