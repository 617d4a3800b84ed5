"""The other side of the port by which an array reads its maps, for benches."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge, Timer
from streams import now

READ_AFTER = 2  # cycles from a slot to the address of its line


@dataclass(frozen=True)
class AtWork:
    """A pass as the map buffer sees it: the ``lines`` of its map, uint64 (lines, 8), the cycle of the pass
    from which each is ``there``, and the cycle in which the pass ``begins``."""

    lines: np.ndarray
    there: np.ndarray
    begins: int


class MapBuffer:
    """Answers the core whose slot it is by the pass that it is at.

    Args:
        dut: the array behind its ports.
        cores: how many.
        base: a cycle that is a slot of core 0, before which none of them reads.

    Attributes:
        at_work: the pass of each core that is at work, or was last.
        reads: lines that each core has read.
    """

    def __init__(self, dut: Any, cores: int, base: int) -> None:
        self.dut, self.cores, self.period, self.base = dut, cores, cores + 1, base
        self.at_work: list[AtWork | None] = [None] * self.period
        self.reads = [0] * cores

    async def serve(self) -> None:
        """Answer, for ever. What nobody asked for is noise."""
        dut, line = self.dut, None
        while True:
            slot = (now() - self.base) % self.period
            dut.map_line.value = random.getrandbits(512) if line is None else line
            await Timer(2, "ns")
            asks = [int(dut.map_asks_0.value), int(dut.map_asks_1.value)]
            dut.map_there.value = sum(self._there(slot, ask) << lane for lane, ask in enumerate(asks))
            await Timer(2, "ns")
            line = None
            owner = (slot - READ_AFTER) % self.period
            if now() >= self.base + READ_AFTER:
                assert bool(dut.map_spare.value) == (owner == self.cores)
            if dut.map_read.value:
                one = self.at_work[owner]
                assert one is not None, f"a line is read after a slot of {owner}, who is not at work"
                words = one.lines[int(dut.map_address.value)].tolist()
                line = sum(word << 64 * i for i, word in enumerate(words))
                self.reads[owner] += 1
            await RisingEdge(dut.clk)

    def _there(self, slot: int, line: int) -> bool:
        one = self.at_work[slot]
        return one is not None and line < len(one.there) and bool(one.there[line] <= now() - one.begins)
