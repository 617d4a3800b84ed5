"""hwsim_system in a system of LiteX (2024.12): an AXI master, an AXI-Lite slave, an event.

Written beside the Verilog by `hwsim rtl emit --system`; needs LiteX and nothing of hwsim.

    from hwsim_litex import add_hwsim
    add_hwsim(soc, origin=0x9000_0000)      # in a system with a bus of its own: any standard, any width

    python hwsim_litex.py build             # a small system without a processor, as Verilog
"""

import sys
from pathlib import Path
from typing import Any

from litex.build.generic_platform import Pins, Subsignal
from litex.build.lattice import LatticePlatform
from litex.gen import LiteXModule
from litex.soc.integration.builder import Builder
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCCore
from litex.soc.interconnect import axi
from litex.soc.interconnect.csr_eventmanager import EventManager, EventSourceLevel
from migen import ClockDomain, ClockSignal, Instance, ResetSignal, Signal

NAME = "hwsim_system"
DATA_BITS, ADDRESS_BITS = 256, 40  # of the master
REGISTER_BITS, REGISTER_ADDRESS_BITS = 32, 12  # of the slave
REGISTERS_BYTES = 1 << REGISTER_ADDRESS_BITS
# What goes through each channel of a bus beside valid and ready.
MASTER = {
    "aw": ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos"),
    "w": ("data", "strb", "last"),
    "b": ("id", "resp"),
    "ar": ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos"),
    "r": ("id", "data", "resp", "last"),
}
SLAVE = {
    "aw": ("addr", "prot"),
    "w": ("data", "strb"),
    "b": ("resp",),
    "ar": ("addr", "prot"),
    "r": ("data", "resp"),
}
ANSWERS = ("b", "r")  # channels against the direction of their bus


class Hwsim(LiteXModule):
    """The machine.

    Args:
        platform: takes the Verilog, which lies beside this file.
        address_width: of the bus that the master goes to; memory must lie below its end.

    Attributes:
        master: AXI, to the memory with the image. control: AXI-Lite, its registers.
        ev: event ``done``, high until ``interrupt_pending`` is written.
    """

    def __init__(self, platform: Any, address_width: int = 32) -> None:
        self.master = axi.AXIInterface(data_width=DATA_BITS, address_width=address_width, id_width=1)
        self.control = axi.AXILiteInterface(data_width=REGISTER_BITS, address_width=address_width)
        self.ev = EventManager()
        self.ev.done = EventSourceLevel(description="The machine's interrupt.")
        self.ev.finalize()
        ports: dict[str, Any] = {
            "i_clk": ClockSignal("sys"),
            "i_rst": ResetSignal("sys"),
            "o_irq": self.ev.done.trigger,
        }
        ports |= self._ports("m_axi", self.master, MASTER, ADDRESS_BITS, drives=True)
        ports |= self._ports("s_axi", self.control, SLAVE, REGISTER_ADDRESS_BITS, drives=False)
        self.specials += Instance(NAME, **ports)
        platform.add_source(str(Path(__file__).parent / f"{NAME}.v"))

    def _ports(
        self, prefix: str, bus: Any, channels: dict[str, tuple[str, ...]], address_bits: int, *, drives: bool
    ) -> dict[str, Any]:
        """Connections of a bus, which the machine drives or is driven by."""
        ports: dict[str, Any] = {}
        for channel, names in channels.items():
            endpoint, out = getattr(bus, channel), drives != (channel in ANSWERS)
            for name in ("valid", "ready", *names):
                goes_out = out != (name == "ready")
                signal = getattr(endpoint, name)
                if name == "addr":
                    signal = self._address(signal, address_bits, goes_out)
                if name == "ready" and goes_out:
                    signal = self._ready(endpoint)
                ports[f"{'o' if goes_out else 'i'}_{prefix}_{channel}{name}"] = signal
        return ports

    def _ready(self, endpoint: Any) -> Any:
        """Ready of a channel, shown with valid alone: LiteX's converters take it for a transfer without."""
        ready = Signal()
        self.comb += endpoint.ready.eq(ready & endpoint.valid)
        return ready

    def _address(self, signal: Any, bits: int, goes_out: bool) -> Any:
        """An address of the machine's own width: bits that the other side has not are 0, or of no use."""
        address = Signal(bits)
        self.comb += signal.eq(address) if goes_out else address.eq(signal)
        return address


def add_hwsim(soc: Any, origin: int, name: str = "hwsim") -> Hwsim:
    """Put the machine on a system's bus: its registers at ``origin``, and as a master.

    With a processor that has interrupts, its event is one of them.
    """
    machine = Hwsim(soc.platform, soc.bus.address_width)
    soc.add_module(name=name, module=machine)
    soc.bus.add_master(name=name, master=machine.master)
    region = SoCRegion(origin=origin, size=REGISTERS_BYTES, cached=False)
    soc.bus.add_slave(name=f"{name}_registers", slave=machine.control, region=region)
    if soc.irq.enabled:
        soc.irq.add(name, use_loc_if_exists=True)
    return machine


class SmallSystem(SoCCore):
    """A system without a processor: machine, memory on chip, and a bridge from a serial line to the bus."""

    def __init__(self, platform: Any, clock_hz: float = 50e6, memory_bytes: int = 0x1_0000) -> None:
        self.cd_sys = ClockDomain()
        self.comb += [
            self.cd_sys.clk.eq(platform.request("clk")),
            self.cd_sys.rst.eq(platform.request("rst")),
        ]
        super().__init__(
            platform,
            clock_hz,
            bus_standard="axi",
            bus_data_width=DATA_BITS,
            cpu_type=None,
            integrated_sram_size=0,
            integrated_main_ram_size=memory_bytes,
            with_uart=False,
            with_timer=False,
            ident="hwsim",
        )
        self.add_uartbone(name="serial")
        add_hwsim(self, origin=0x9000_0000)


def main(folder: str) -> None:
    """Write the small system's Verilog and a table of its registers into a folder."""
    pins = [
        ("clk", 0, Pins("A1")),
        ("rst", 0, Pins("A2")),
        ("serial", 0, Subsignal("tx", Pins("A3")), Subsignal("rx", Pins("A4"))),
    ]
    platform = LatticePlatform("LFE5U-85F-6BG756C", pins, toolchain="trellis")
    builder = Builder(
        SmallSystem(platform),
        output_dir=folder,
        csr_csv=str(Path(folder) / "csr.csv"),
        compile_software=False,
        compile_gateware=False,
    )
    builder.build(build_name="hwsim_soc", run=False)


if __name__ == "__main__":
    main(sys.argv[1])
