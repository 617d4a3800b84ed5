"""Memory behind an AXI4 master, by cocotbext-axi: stalls and errors, and rules that a master must keep."""

import random
from collections import deque
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiResp, AxiSlave

from hwsim.arch import BEAT_BYTES

BOUNDARY = 4096
STABLE = {
    "aw": ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos"),
    "w": ("data", "strb", "last"),
    "ar": ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos"),
}


class AxiMemory:
    """Memory behind the port ``m_axi`` of a device.

    Args:
        dut: the device, with ``clk`` and ``rst``.
        memory: all bytes from address ``at`` on; what lies elsewhere is answered with an error.
        at: a multiple of 4,096.
        stalls: share of the cycles in which each channel stands still.
        wrong: numbers of beats of the bus that are answered with an error, SLVERR or DECERR.

    ``bursts`` are all bursts that were asked for, as (channel, address, beats).
    """

    def __init__(
        self,
        dut: Any,
        memory: bytearray,
        *,
        at: int = 0,
        stalls: float = 0.0,
        wrong: frozenset[int] = frozenset(),
    ) -> None:
        self.memory, self.at, self.wrong = memory, at, wrong
        self.bursts: list[tuple[str, int, int]] = []
        self.errors: set[AxiResp] = set()
        self._dut = dut
        self.slave = AxiSlave(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, target=self)
        write, read = self.slave.write_if, self.slave.read_if
        for channel in (write.b_channel, read.r_channel):
            self._mix_errors(channel)
        if stalls:
            for channel in (
                write.aw_channel,
                write.w_channel,
                write.b_channel,
                read.ar_channel,
                read.r_channel,
            ):
                channel.set_pause_generator(random_pauses(stalls))
        cocotb.start_soon(self._rules())

    async def read(self, address: int, length: int) -> bytes:
        """What the slave asks for."""
        first = self._place(address, length)
        return bytes(self.memory[first : first + length])

    async def write(self, address: int, data: bytes) -> None:
        """What the slave is given."""
        first = self._place(address, len(data))
        self.memory[first : first + len(data)] = data

    def _place(self, address: int, length: int) -> int:
        first = address - self.at
        if not 0 <= first <= len(self.memory) - length or address // BEAT_BYTES in self.wrong:
            raise LookupError(f"nothing at {address:#x}")
        return first

    def _mix_errors(self, channel: Any) -> None:
        """Let errors, which the slave gives as SLVERR, be DECERR half of the time."""
        send, name = channel.send, "bresp" if hasattr(channel.bus, "bresp") else "rresp"

        async def mixed(transaction: Any) -> None:
            if getattr(transaction, name) != AxiResp.OKAY:
                response = random.choice((AxiResp.SLVERR, AxiResp.DECERR))
                setattr(transaction, name, response)
                self.errors.add(response)
            await send(transaction)

        channel.send = mixed

    async def _rules(self) -> None:
        """What is offered stays until it is taken; bursts are legal; data is as long as its burst."""
        held: dict[str, tuple[int, ...]] = {}
        asked: deque[int] = deque()  # beats of write bursts, by their addresses
        sent: deque[int] = deque([0])  # and by their data
        while True:
            await RisingEdge(self._dut.clk)
            if self._dut.rst.value:
                held, asked, sent = {}, deque(), deque([0])
                continue
            for channel, names in STABLE.items():
                valid, ready = (
                    bool(getattr(self._dut, f"m_axi_{channel}{p}").value) for p in ("valid", "ready")
                )
                before = held.pop(channel, None)
                assert valid or before is None, f"{channel}valid fell before {channel}ready rose"
                if not valid:
                    continue
                seen = tuple(int(getattr(self._dut, f"m_axi_{channel}{name}").value) for name in names)
                assert before in (None, seen), f"{channel}: what is offered changed"
                if not ready:
                    held[channel] = seen
                elif channel == "w":
                    sent[-1] += 1
                    if seen[2]:
                        sent.append(0)
                else:
                    self._check_burst(channel, *seen)
                    if channel == "aw":
                        asked.append(seen[2] + 1)
            while asked and len(sent) > 1:
                beats = sent.popleft()
                assert asked.popleft() == beats, f"a burst is said to end after {beats} beats"

    def _check_burst(self, channel: str, name: int, address: int, length: int, size: int, *rest: int) -> None:
        beats = length + 1
        assert (name, size, rest) == (0, 5, (1, 0, 3, 0, 0)), f"{channel}: {(name, size, rest)}"
        assert address % BEAT_BYTES == 0
        assert address // BOUNDARY == (address + beats * BEAT_BYTES - 1) // BOUNDARY, f"{address:#x}"
        self.bursts.append((channel, address, beats))


def random_pauses(rate: float) -> Iterator[bool]:
    """For every cycle, whether a channel of cocotbext-axi stands still, from the bench's seed."""
    source = random.Random(random.getrandbits(64))
    while True:
        yield source.random() < rate
