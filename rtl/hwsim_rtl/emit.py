"""The machine as Verilog, with what a user needs to build it into a system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from amaranth.hdl import ClockSignal, Instance, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hwsim.arch import Arch
from hwsim.driver.describe import c_header
from hwsim.errors import ArchError
from hwsim.files import whole_file
from hwsim.machine.descriptors import check_arch
from hwsim_rtl import kit
from hwsim_rtl.core.core import Core
from hwsim_rtl.kit.core_file import core_file
from hwsim_rtl.kit.note import integration_note, system_note
from hwsim_rtl.ports import ports
from hwsim_rtl.system.machine import ImageMachine
from hwsim_rtl.system.system import System
from hwsim_rtl.top import Top
from hwsim_rtl.verilog import to_verilog

NAME = "hwsim_top"
CORE_NAME = "hwsim_core"
SYSTEM_NAME = "hwsim_system"
HEADER_FILE = "hwsim.h"
LITEX_FILE = "hwsim_litex.py"
DESCRIPTION = (
    "Zero-skipping accelerator with an Exp-Golomb codec, {arch.cores} cores of {arch.columns} columns"
)

# Warnings of `verilator -Wall`, all from the way in which Amaranth writes Verilog, and why they are waived.
WAIVERS = {
    "UNUSEDSIGNAL": "Every value between two operators has a name, submodules use some fields of the structs "
    "that they get, and tdata is filled up to bytes.",
    "WIDTHEXPAND": "An operand has the bits of its value; Verilog extends it to the width of the result.",
    "WIDTHTRUNC": "The lowest bit of a shifted word is kept, and ! of a number asks whether it is 0.",
    "PROCASSINIT": "Registers have their initial value beside their declaration, as FPGAs load it.",
    "CMPCONST": "The last turn of an unrolled loop compares with the largest number.",
    "DECLFILENAME": "All modules are in one file.",
}

# And those of a whole machine, whose states are numbered from 0 without a gap.
SYSTEM_WAIVERS = {**WAIVERS, "CASEINCOMPLETE": "A state machine has no more states than those that it lists."}


class _CoreByName(wiring.Component):
    """An instance of the module of a core, which is written once."""

    def __init__(self, core: wiring.Component) -> None:
        super().__init__(core.signature)

    def elaborate(self, platform: object) -> Instance:
        members = {"__".join(map(str, path)): member for path, member, _ in self.signature.flatten(self)}
        connections = {
            f"{'i' if members[name].flow == In else 'o'}_{name}": port for name, port in ports(self).items()
        }
        return Instance(CORE_NAME, i_clk=ClockSignal(), i_rst=ResetSignal(), **connections)


def verilog(arch: Arch) -> str:
    """The machine as Verilog; the top module is ``hwsim_top``.

    Raises:
        ArchError: a machine that the RTL cannot be.
    """
    check_arch(arch)
    core = Core(arch)
    return to_verilog((Top(arch, lambda _: _CoreByName(core)), NAME), (core, CORE_NAME))


def emit(arch: Arch, folder: str | Path, bench: Mapping[str, bytes] | None = None) -> list[Path]:
    """Write Verilog, waivers for Verilator, a FuseSoC core file and an integration note.

    Args:
        arch: the machine.
        folder: where to; made if it is not there. Files of the same names are replaced.
        bench: files that run a layer on it, see :func:`hwsim_rtl.kit.layer_bench.layer_bench`.

    Returns:
        The files: ``hwsim_top.v``, ``hwsim_top.vlt``, ``hwsim_top.core``, ``README.md``, and those of the
        bench.

    Raises:
        ArchError: a machine that the RTL cannot be.
    """
    texts = {"README.md": integration_note(arch, NAME, CORE_NAME)}
    return _write(arch, folder, NAME, verilog(arch), texts, bench or {})


def emit_system(
    arch: Arch,
    folder: str | Path,
    machine: wiring.Component | None = None,
    bench: Mapping[str, bytes] | None = None,
) -> list[Path]:
    """Write a whole machine: memory on an AXI4 master, registers on an AXI4-Lite slave, an interrupt.

    Args:
        arch: of the machine.
        folder: where to; made if it is not there. Files of the same names are replaced.
        machine: what runs images, see :class:`hwsim_rtl.system.system.System`. If not given, it is
            :class:`hwsim_rtl.system.machine.ImageMachine`.
        bench: files that run it, see :func:`hwsim_rtl.kit.system_bench.system_bench`.

    Returns:
        The files: ``hwsim_system.v``, ``hwsim_system.vlt``, ``hwsim_system.core``, ``hwsim.h`` with
        registers, image and programs for C, ``hwsim_litex.py``, which puts it into a system of LiteX,
        ``README.md``, and those of the bench.

    Raises:
        ArchError: a machine that the RTL cannot be, or that has no programs.
    """
    check_arch(arch)
    if not arch.compress:
        raise ArchError("a whole machine has compress = true: say so in the file of --arch")
    text = to_verilog((System(arch, machine or ImageMachine(arch)), SYSTEM_NAME))
    texts = {
        HEADER_FILE: c_header(),
        LITEX_FILE: (Path(kit.__file__).parent / "litex_wrapper.py").read_text(encoding="utf-8"),
        "README.md": system_note(arch, SYSTEM_NAME),
    }
    return _write(arch, folder, SYSTEM_NAME, text, texts, bench or {})


def _write(
    arch: Arch,
    folder: str | Path,
    name: str,
    text: str,
    others: Mapping[str, str],
    bench: Mapping[str, bytes],
) -> list[Path]:
    """Verilog, what belongs to it under the same name, other files and a bench; returns all of them."""
    texts = {
        f"{name}.v": text,
        f"{name}.vlt": _waivers(name, SYSTEM_WAIVERS if name == SYSTEM_NAME else WAIVERS),
        f"{name}.core": core_file(name, DESCRIPTION.format(arch=arch), bench),
        **others,
    }
    contents = {file: content.encode() for file, content in texts.items()} | dict(bench)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        with whole_file(folder / file) as partial:
            partial.write_bytes(content)
    return [folder / file for file in contents]


def _waivers(name: str, waived: Mapping[str, str]) -> str:
    rules = (f'// {reason}\nlint_off -rule {rule} -file "*{name}.v"\n' for rule, reason in waived.items())
    return "\n".join(["`verilator_config\n", *rules])
