"""A machine with its registers, behind AXI4 and AXI4-Lite."""

from __future__ import annotations

from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from hwsim.arch import Arch
from hwsim_rtl.system.axi_lite import axi_lite_members
from hwsim_rtl.system.axi_master import AxiMaster, axi_members
from hwsim_rtl.system.csr import ControlRegisters


class System(wiring.Component):
    """All of an accelerator: memory on an AXI4 master, registers on an AXI4-Lite slave, an interrupt.

    When a run ends with an error, what it left on the bus is brought to its end as after an abort, and the
    machine is busy until then.

    Args:
        arch: the machine.
        machine: has ``memory``, a MemoryPort, and ``control``, a MachineControl.
        address_bits: of the bus to memory.

    Ports:
        m_axi_<signal>: of AXI4, see :class:`AxiMaster`.
        s_axi_<signal>: of AXI4-Lite, see :class:`ControlRegisters`.
        irq: Out(1), the interrupt.
    """

    def __init__(self, arch: Arch, machine: wiring.Component, address_bits: int = 40) -> None:
        self._arch, self._machine, self._address_bits = arch, machine, address_bits
        super().__init__({**axi_members(address_bits), **axi_lite_members(), "irq": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.machine = machine = self._machine
        m.submodules.csr = csr = ControlRegisters(self._arch, self._address_bits)
        m.submodules.axi = axi = AxiMaster(self._address_bits)
        connect(m, csr.control, machine.control)
        connect(m, machine.memory, axi.memory)
        memory, control = axi.memory, csr.control
        m.d.comb += [
            axi.abort.eq(control.abort | (control.busy & control.done & (control.error != 0))),
            csr.bus_idle.eq(axi.idle),
            csr.events.read_beats.eq(memory.read_data.valid & memory.read_data.ready),
            csr.events.written_beats.eq(memory.write_data.valid & memory.write_data.ready),
            csr.events.read_waits.eq(axi.waits),
            self.irq.eq(csr.interrupt),
        ]
        for part, members in ((axi, axi_members(self._address_bits)), (csr, axi_lite_members())):
            for name, member in members.items():
                outer, inner = getattr(self, name), getattr(part, name)
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return m
