"""What the benches share: clock, streams with random stalls, coverage.

Times are numbers of cycles. A rising edge begins a cycle; inputs change just after it, and a transfer of
cycle n is seen at the edge that ends it.
"""

import json
import os
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any

from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import RisingEdge, Timer

PERIOD_NS = 10

Stalls = Callable[[], int]  # cycles to wait before the next transfer


def bench_case() -> dict:
    """The parameters that ``simulate.run_bench`` was given."""
    return json.loads(os.environ["BENCH_CASE"])


async def start_clock(dut: Any, *inputs: str) -> None:
    """Set ``inputs`` to 0, start the clock, reset; returns just after the edge that begins a cycle."""
    for name in inputs:
        getattr(dut, name).value = 0
    dut.rst.value = 1
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


async def until_idle(dut: Any) -> None:
    """Wait until no core is busy; returns just after the edge that begins such a cycle."""
    await Timer(2, "ns")
    while int(dut.busy.value):
        await RisingEdge(dut.clk)
        await Timer(2, "ns")
    await RisingEdge(dut.clk)


def now() -> int:
    """The cycle that the latest rising edge began."""
    return int(get_sim_time("ns")) // PERIOD_NS


def no_stalls() -> int:
    """A stream that is always there."""
    return 0


def random_stalls(rate: float, longest: int = 6) -> Stalls:
    """Waits of 1 .. ``longest`` cycles before a share ``rate`` of the transfers, from the bench's seed."""
    source = random.Random(random.getrandbits(64))
    return lambda: source.randint(1, longest) if source.random() < rate else 0


class Handshake(ABC):
    """A stream with ``valid`` and ``ready`` among a device's ports.

    ``late`` counts the cycles in which it offered nothing though more was to come, ``held`` those in which
    something waited to be taken, ``sent`` what :meth:`put` sent, ``got`` what :meth:`get` took.
    """

    def __init__(self, clk: Any, name: str, valid: Any, ready: Any) -> None:
        self.clk, self.name, self.valid, self.ready = clk, name, valid, ready
        self.late = self.held = self.sent = self.got = 0
        self.is_late = False

    @abstractmethod
    def offer(self, payload: dict) -> None:
        """Drive the payload."""

    @abstractmethod
    def seen(self) -> dict:
        """The payload on the wires."""

    async def put(
        self, payloads: Iterable[dict], stalls: Stalls = no_stalls, begins: Iterable[int] = repeat(0)
    ) -> list[tuple[int, int]]:
        """Send ``payloads``, each after its stalls and not before its cycle of ``begins``.

        Returns:
            The cycle from which each was valid, and the one it was taken in.
        """
        times = []
        for payload, first in zip(payloads, begins, strict=False):
            waits = stalls()
            while waits > 0 or now() < first:
                self.valid.value = 0
                self.is_late = True
                await RisingEdge(self.clk)
                waits -= 1
                self.late += 1
            self.is_late = False
            self.valid.value = 1
            self.offer(payload)
            begin = now()
            await RisingEdge(self.clk)
            while self.ready is not None and not self.ready.value:
                self.held += 1
                await RisingEdge(self.clk)
            times.append((begin, now() - 1))
            self.sent += 1
        self.valid.value = 0
        return times

    async def get(self, count: int, stalls: Stalls = no_stalls) -> list[tuple[int, dict]]:
        """Take ``count`` payloads, each with its cycle; checks that what is valid stays until it is taken."""
        taken: list[tuple[int, dict]] = []
        held = None
        waits = stalls()
        while len(taken) < count:
            if self.ready is not None:
                self.ready.value = int(waits == 0)
            await RisingEdge(self.clk)
            payload = self.seen() if self.valid.value else None
            assert held is None or payload == held, f"{self.name}: payload or valid changed while not ready"
            if payload is not None and (waits == 0 or self.ready is None):
                taken.append((now() - 1, payload))
                self.got += 1
                held = None
                waits = stalls()
            else:
                held = payload
                self.held += held is not None
                waits = max(0, waits - 1)
        if self.ready is not None:
            self.ready.value = 0
        return taken


class StreamPort(Handshake):
    """A stream of Amaranth: ``<name>__valid``, ``__ready`` (if not constant), ``__payload``."""

    def __init__(self, dut: Any, name: str, layout: data.Layout | type[data.Struct]) -> None:
        ready = getattr(dut, f"{name}__ready", None)
        super().__init__(dut.clk, name, getattr(dut, f"{name}__valid"), ready)
        self._payload = getattr(dut, f"{name}__payload")
        self._layout = layout if isinstance(layout, data.Layout) else layout.as_shape()

    def offer(self, payload: dict) -> None:
        self._payload.value = pack(self._layout, payload)

    def seen(self) -> dict:
        return unpack(self._layout, int(self._payload.value))


class AxiStream(Handshake):
    """An AXI4-Stream port; a payload has what is called ``t<name>``: ``data``, ``last``, ``user``."""

    def __init__(self, dut: Any, name: str, *parts: str) -> None:
        super().__init__(dut.clk, name, getattr(dut, f"{name}_tvalid"), getattr(dut, f"{name}_tready"))
        self._parts = {part: getattr(dut, f"{name}_t{part}") for part in parts}

    def offer(self, payload: dict) -> None:
        for part, port in self._parts.items():
            port.value = payload[part]

    def seen(self) -> dict:
        return {part: int(port.value) for part, port in self._parts.items()}


def pack(layout: data.Layout, fields: dict) -> int:
    """The bits of a payload whose fields are integers, those with a sign as two's complement."""
    return sum((fields[name] & (1 << field.width) - 1) << field.offset for name, field in layout)


def unpack(layout: data.Layout, bits: int) -> dict:
    """The fields of a payload."""
    return {name: bits >> field.offset & ((1 << field.width) - 1) for name, field in layout}


class Coverage:
    """Counts what a bench hit, and fails for what it did not."""

    def __init__(self) -> None:
        self._hits: Counter = Counter()

    def hit(self, name: str, value: object = True) -> None:
        self._hits[name, value] += 1

    def require(self, name: str, values: Iterable[object] = (True,), least: int = 1) -> None:
        """Every one of ``values`` was hit ``least`` times."""
        missed = [value for value in values if self._hits[name, value] < least]
        assert not missed, f"not covered: {name} of {missed}"
