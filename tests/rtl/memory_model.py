"""Memory for benches of what has a MemoryPort: data, times, stalls and errors; it checks the port's rules."""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from cocotb.triggers import RisingEdge
from streams import now, unpack

from hwsim.arch import BEAT_BYTES, Arch
from hwsim_rtl.system.memory_port import MemoryBeat, MemoryRequest


class Times(Protocol):
    """When memory does what. All methods are called once a cycle at most, in the order of time."""

    def read(self, cycle: int, beats: int) -> list[int]:
        """Of a read that is taken in ``cycle``, from which cycle on each beat is there."""

    def write(self, cycle: int, beats: int, arrived: int) -> bool:
        """Whether the oldest write, ``arrived`` of whose ``beats`` are there, is through after ``cycle``."""


class AnyTimes:
    """Latencies at random: of a read to its first beat, and from the last beat of a write to its end."""

    def __init__(self, least: int = 1, most: int = 1) -> None:
        self._least, self._most = least, most
        self._last = 0  # of the latest beat that was promised
        self._ends: int | None = None

    def read(self, cycle: int, beats: int) -> list[int]:
        first = max(cycle + random.randint(self._least, self._most), self._last + 1)
        self._last = first + beats - 1
        return list(range(first, first + beats))

    def write(self, cycle: int, beats: int, arrived: int) -> bool:
        if arrived < beats:
            return False
        if self._ends is None:
            self._ends = cycle + random.randint(self._least, self._most) - 1
        through = cycle >= self._ends
        if through:
            self._ends = None
        return through


class ChannelTimes:
    """The model's channel (docs/architecture.md, *DRAM*), by cycles; the parts of a write are its beats."""

    def __init__(self, arch: Arch) -> None:
        self._moved, cycles = arch.dram_rate
        self._latency = arch.dram_latency
        self._beat = (
            BEAT_BYTES * cycles
        )  # a beat is so many units; the channel moves ``moved`` of them a cycle
        self._free = 0  # the channel has no read from this cycle on
        self._written = 0  # units of the oldest write

    def _cycles(self, beats: int) -> int:
        return -(-self._beat * beats // self._moved)

    def read(self, cycle: int, beats: int) -> list[int]:
        request = max(cycle, self._free)
        self._free = request + self._cycles(beats)
        return [request + self._latency + self._cycles(number + 1) for number in range(beats)]

    def write(self, cycle: int, beats: int, arrived: int) -> bool:
        if cycle >= self._free:
            self._written = min(self._written + self._moved, arrived * self._beat)
        through = self._written == beats * self._beat
        if through:
            self._written = 0
        return through


@dataclass
class Write:
    """A write: its first beat's number, how many beats, and those that came: (data, strobes)."""

    address: int
    beats: int
    arrived: list[tuple[int, int]] = field(default_factory=list)


class MemoryModel:
    """Memory behind the port ``name`` of a device.

    Args:
        dut: the device; its clock is ``clk``.
        memory: all bytes from address 0 on; a request beyond them fails the bench.
        times: of reads and writes.
        stalls: share of the cycles in which this side does not offer, or not take, each stream.
        waiting: requests of each kind that may wait.
        wrong: numbers of beats that are answered with an error.

    ``reads`` and ``writes`` are all requests, in order, as (cycle, address, beats); ``ends`` are the cycles
    in which ``written`` was high.
    """

    def __init__(
        self,
        dut: Any,
        memory: bytearray,
        times: Times,
        *,
        name: str = "memory",
        stalls: float = 0.0,
        waiting: int = 8,
        wrong: frozenset[int] = frozenset(),
    ) -> None:
        self.memory, self.times, self.stalls, self.waiting, self.wrong = memory, times, stalls, waiting, wrong
        self.reads: list[tuple[int, int, int]] = []
        self.writes: list[tuple[int, int, int]] = []
        self.ends: list[int] = []
        self._clk, self._random = dut.clk, random.Random(random.getrandbits(64))
        self._pins = {
            f"{stream}_{part}": getattr(dut, f"{name}__{stream}__{part}")
            for stream in ("reads", "read_data", "writes", "write_data")
            for part in ("valid", "ready", "payload")
        }
        self._pins |= {pin: getattr(dut, f"{name}__{pin}") for pin in ("written", "error")}
        self._driven: dict[str, int] = {}
        self.clear()

    def clear(self) -> None:
        """Forget all that is under way, as in an abort; drives every input of the device."""
        self._due: deque[tuple[int, int]] = deque()  # (cycle from which it is there, number of the beat)
        self._left: deque[int] = deque()  # of every read that waits, beats that have not gone
        self._queue: deque[Write] = deque()
        self._held: dict[str, int] = {}  # payloads that were offered and not taken in the cycle before
        for pin in ("reads_ready", "read_data_valid", "writes_ready", "write_data_ready", "written", "error"):
            self._drive(pin, 0)

    async def serve(self) -> None:
        """Answer, for ever, from the next cycle on."""
        while True:
            await RisingEdge(self._clk)
            self._take(now() - 1)
            self._offer(now())

    def _take(self, cycle: int) -> None:
        """What was transferred in the cycle that has ended, and what memory did in it."""
        if (payload := self._taken("reads")) is not None:
            address, beats = self._request(payload)
            self.reads.append((cycle, address, beats))
            self._due.extend(zip(self.times.read(cycle, beats), range(address, address + beats), strict=True))
            self._left.append(beats)
        if self._driven["read_data_valid"] and self._pins["read_data_ready"].value:
            self._drive("read_data_valid", 0)
            self._left[0] -= 1
            if not self._left[0]:
                self._left.popleft()
        if (payload := self._taken("write_data")) is not None:
            beat = unpack(MemoryBeat.as_shape(), payload)
            write = self._filling()
            assert write is not None
            write.arrived.append((beat["data"], beat["strobes"]))
        if (payload := self._taken("writes")) is not None:
            address, beats = self._request(payload)
            self.writes.append((cycle, address, beats))
            self._queue.append(Write(address, beats))
        through = False
        if self._queue:
            oldest = self._queue[0]
            through = self.times.write(cycle, oldest.beats, len(oldest.arrived))
            if through:
                self._store(self._queue.popleft())
                self.ends.append(cycle + 1)
        self._drive("written", through)

    def _offer(self, cycle: int) -> None:
        """What is offered, and what can be taken, in the cycle that begins."""
        self._drive("reads_ready", len(self._left) < self.waiting and self._flows())
        self._drive("writes_ready", len(self._queue) < self.waiting and self._flows())
        self._drive("write_data_ready", self._filling() is not None and self._flows())
        if not self._driven["read_data_valid"] and self._due and self._due[0][0] <= cycle and self._flows():
            number = self._due.popleft()[1]
            data = self.memory[number * BEAT_BYTES : (number + 1) * BEAT_BYTES]
            self._drive("read_data_payload", int.from_bytes(data, "little"))
            self._drive("read_data_valid", 1)
            self._answer(number)

    def _taken(self, stream: str) -> int | None:
        """The payload that was taken in the cycle that has ended; what waited before must still be there."""
        valid = bool(self._pins[f"{stream}_valid"].value)
        before = self._held.pop(stream, None)
        if not valid:
            assert before is None, f"{stream}: what was offered and not taken is gone"
            return None
        payload = int(self._pins[f"{stream}_payload"].value)
        assert before in (None, payload), f"{stream}: the payload changed while it was not taken"
        if self._driven[f"{stream}_ready"]:
            return payload
        self._held[stream] = payload
        return None

    def _request(self, payload: int) -> tuple[int, int]:
        request = unpack(MemoryRequest.as_shape(), payload)
        address, beats = request["address"], request["beats"]
        assert beats, "a request of no beats"
        assert (address + beats) * BEAT_BYTES <= len(self.memory), (
            f"beats {address} + {beats}: no such memory"
        )
        return address, beats

    def _filling(self) -> Write | None:
        """The oldest write that has beats to come."""
        return next((each for each in self._queue if len(each.arrived) < each.beats), None)

    def _store(self, write: Write) -> None:
        for number, (data, strobes) in enumerate(write.arrived, write.address):
            for byte in range(BEAT_BYTES):
                if strobes >> byte & 1:
                    self.memory[number * BEAT_BYTES + byte] = data >> 8 * byte & 0xFF
            self._answer(number)

    def _answer(self, number: int) -> None:
        if number in self.wrong:
            self._drive("error", 1)

    def _flows(self) -> bool:
        return self._random.random() >= self.stalls

    def _drive(self, pin: str, value: int) -> None:
        if self._driven.get(pin) != value:
            self._pins[pin].value = int(value)
            self._driven[pin] = int(value)
