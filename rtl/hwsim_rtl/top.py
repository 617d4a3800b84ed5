"""The array behind AXI4-Stream ports."""

from __future__ import annotations

from typing import Any

from amaranth import Cat, Module, Value
from amaranth.lib import wiring
from amaranth.lib.data import Layout
from amaranth.lib.wiring import In, Out

from hwsim.arch import Arch
from hwsim_rtl.array import CoreArray, MakeCore
from hwsim_rtl.core.core import Core

STATE = ("busy", "done", "error")  # of each core, one bit


class Top(wiring.Component):
    """The machine, every stream as AXI4-Stream. No latency of its own.

    ``tdata`` has whole bytes; ``tlast`` is there where the payload says ``last``.

    Args:
        arch: the machine.
        core: makes a core.

    Ports:
        s_axis_weights, s_axis_scales: loads; ``tuser`` is the mask of the cores that take them.
        s_axis_<port>_<core>: of a core, the streams into it of :class:`hwsim_rtl.array.CorePorts`.
        m_axis_<port>_<core>: of a core, ``coded`` and ``index``.
        abort_pass: In(cores). busy, done, error: Out(cores). One bit a core.
        align, map_asks_0, map_asks_1, map_there, map_read, map_address, map_line, map_spare: ``align`` of the
            array and the port of its map buffer, see :class:`hwsim_rtl.array.MapPort`; ``map_read`` says
            that ``map_address``, the payload of ``reads``, is valid.
    """

    def __init__(self, arch: Arch, core: MakeCore = Core) -> None:
        self._array = CoreArray(arch, core)
        members = {"abort_pass": In(arch.cores)}
        members |= {name: Out(arch.cores) for name in STATE}
        self._pins = _map_pins(self._array)
        members |= {name: flow(len(value)) for name, (flow, value) in self._pins.items()}
        self._streams = []  # name of the port, stream of the array, whether it goes in
        for name in ("weights", "scales"):
            self._streams.append((f"s_axis_{name}", getattr(self._array, name), True))
        for number, ports in enumerate(self._array.cores):
            for name, member in ports.signature.members.items():
                if member.is_signature:
                    inwards = member.flow == In
                    port = f"{'s' if inwards else 'm'}_axis_{name}_{number}"
                    self._streams.append((port, getattr(ports, name), inwards))
        for name, stream, inwards in self._streams:
            there, back = (In, Out) if inwards else (Out, In)
            data, side = _parts(stream)
            members |= {f"{name}_tdata": there(-(-len(data) // 8) * 8), f"{name}_tvalid": there(1)}
            members |= {f"{name}_tready": back(1)}
            members |= {f"{name}_{port}": there(len(value)) for port, value in side.items()}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.array = array = self._array
        for name, stream, inwards in self._streams:
            data, side = _parts(stream)
            pairs = [(getattr(self, f"{name}_tdata"), data), (getattr(self, f"{name}_tvalid"), stream.valid)]
            pairs += [(getattr(self, f"{name}_{port}"), value) for port, value in side.items()]
            ready = getattr(self, f"{name}_tready")
            if inwards:
                m.d.comb += [inner.eq(outer) for outer, inner in pairs]
                m.d.comb += ready.eq(stream.ready)
            else:
                m.d.comb += [outer.eq(inner) for outer, inner in pairs]
                m.d.comb += stream.ready.eq(ready)
        m.d.comb += Cat(core.abort_pass for core in array.cores).eq(self.abort_pass)
        for port in STATE:
            m.d.comb += getattr(self, port).eq(Cat(getattr(core, port) for core in array.cores))
        for name, (flow, inner) in self._pins.items():
            outer = getattr(self, name)
            m.d.comb += inner.eq(outer) if flow == In else outer.eq(inner)
        return m


def _map_pins(array: CoreArray) -> dict[str, tuple[wiring.Flow, Value]]:
    """Which way each port of the map buffer goes, and what of the array it is."""
    port = array.map_buffer
    return {
        "align": (In, array.align),
        **{f"map_asks_{lane}": (Out, line) for lane, line in enumerate(port.asks)},
        "map_there": (In, port.there),
        "map_read": (Out, port.reads.valid),
        "map_address": (Out, port.reads.payload),
        "map_line": (In, port.line),
        "map_spare": (Out, port.spare),
    }


def _parts(stream: Any) -> tuple[Value, dict[str, Value]]:
    """The bits of a payload that go as ``tdata``, and those that have an AXI4-Stream port of their own."""
    payload = stream.payload
    fields = {name for name, _ in Layout.cast(payload.shape())}
    if "cores" in fields:
        return Value.cast(payload.entry), {"tuser": payload.cores, "tlast": payload.last}
    if "last" in fields:
        return Value.cast(payload.data), {"tlast": payload.last}
    return Value.cast(payload), {}
