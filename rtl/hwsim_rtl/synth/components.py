"""What is synthesised: parts of a core, alone, and the core."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amaranth import Elaboratable, Module, Signal, Value
from amaranth.back import rtlil
from amaranth.lib.wiring import Component, In

from hwsim.arch import LANE_ITEMS, Arch
from hwsim_rtl.codec.decoder import Decoder
from hwsim_rtl.codec.encoder import SegmentEncoder
from hwsim_rtl.core.adder_tree import AdderTree
from hwsim_rtl.core.addresses import TapAddresses
from hwsim_rtl.core.bank import AccumulatorBank
from hwsim_rtl.core.chooser import ItemChooser
from hwsim_rtl.core.core import Core
from hwsim_rtl.core.credit_fifo import CreditFifo
from hwsim_rtl.core.drain_control import DrainControl
from hwsim_rtl.core.multiply import Multipliers
from hwsim_rtl.core.payloads import QueuedItem
from hwsim_rtl.core.position import EARLY, Positions
from hwsim_rtl.core.reader import Reader
from hwsim_rtl.core.requantize import Requantizer
from hwsim_rtl.core.scatter import Scatter
from hwsim_rtl.core.weights import WeightMemory
from hwsim_rtl.synth.names import TOP

# Side by side, all but the last make up a core; it has two of ``items``, one for each lane.
COMPONENTS: dict[str, Callable[[Arch], Sequence[Component]]] = {
    "reader": lambda arch: [Reader(arch)],
    "decoder": lambda arch: [Decoder(arch)],
    "position": lambda arch: [Positions(arch)],
    "items": lambda arch: [CreditFifo(QueuedItem(arch), LANE_ITEMS, EARLY)],
    "choice": lambda arch: [ItemChooser(arch)],
    "scatter": lambda arch: [Scatter(arch), TapAddresses(arch)],
    "weights": lambda arch: [WeightMemory(arch)],
    "columns": lambda arch: [Multipliers(arch), *(AccumulatorBank(arch) for _ in range(arch.columns))],
    "drain": lambda arch: [DrainControl(arch), AdderTree(arch.columns), Requantizer(arch)],
    "encoder": lambda arch: [SegmentEncoder(arch)],
    "core": lambda arch: [Core(arch)],
}
WHOLE = "core"


class Bench(Elaboratable):
    """Components side by side, with a register at every port, so that paths from and to ports are timed too.

    Args:
        parts: the components.
    """

    def __init__(self, parts: Sequence[Component]) -> None:
        self._parts = parts
        self._pins = []  # flow, port of a part, port of the whole
        for number, part in enumerate(parts):
            for path, member, port in part.signature.flatten(part):
                value = Value.cast(port)
                if isinstance(value, Signal):  # `ready` of a stream that is always ready is a constant
                    name = "__".join(["port", str(number), *(str(step) for step in path)])
                    self._pins.append((member.flow, value, Signal(len(value), name=name)))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for number, part in enumerate(self._parts):
            m.submodules[f"{TOP}{number}"] = part
        for flow, inner, outer in self._pins:
            m.d.sync += inner.eq(outer) if flow == In else outer.eq(inner)
        return m

    def rtlil(self) -> str:
        """The netlist, top module TOP."""
        return rtlil.convert(self, name=TOP, ports=[outer for _, _, outer in self._pins], emit_src=False)


def netlist(component: str, arch: Arch) -> str:
    """RTLIL of one of COMPONENTS in a :class:`Bench`, top module TOP."""
    return Bench(COMPONENTS[component](arch)).rtlil()
