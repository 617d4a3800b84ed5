"""The machine as Verilog, with what a user needs to build it into a system."""

from __future__ import annotations

from pathlib import Path

from amaranth.hdl import ClockSignal, Instance, ResetSignal, ShapeLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from hwsim.arch import WEIGHT_PASSES, WEIGHT_PORT_WORDS, Arch
from hwsim.files import whole_file
from hwsim.machine.descriptors import check_array
from hwsim_rtl.core.core import Core
from hwsim_rtl.core.payloads import ChannelScale, PassConfig, RowDescriptor, bank_address_bits
from hwsim_rtl.ports import ports
from hwsim_rtl.top import Top
from hwsim_rtl.verilog import to_verilog

NAME = "hwsim_top"
CORE_NAME = "hwsim_core"

# Warnings of `verilator -Wall`, all from the way in which Amaranth writes Verilog, and why they are waived.
WAIVERS = {
    "UNUSEDSIGNAL": "Every value between two operators has a name, submodules use some fields of the structs "
    "that they get, and tdata is filled up to bytes.",
    "WIDTHEXPAND": "An operand has the bits of its value; Verilog extends it to the width of the result.",
    "WIDTHTRUNC": "The lowest bit of a shifted word is kept, and ! of a number asks whether it is 0.",
    "PROCASSINIT": "Registers have their initial value beside their declaration, as FPGAs load it.",
    "CMPCONST": "The last turn of an unrolled loop compares with the largest number.",
    "VARHIDDEN": "An instance and a signal of its module have the same name.",
    "DECLFILENAME": "All modules are in one file.",
}

_CORE = """CAPI=2:
name: hwsim:accelerator:{name}:0.1.0
description: Zero-skipping accelerator with an Exp-Golomb codec, {cores} cores of {columns} columns

filesets:
  rtl:
    files:
      - {name}.v: {{file_type: verilogSource}}
  waivers:
    files:
      - {name}.vlt: {{file_type: vlt}}

targets:
  default: &default
    filesets: [rtl, "tool_verilator? (waivers)"]
    toplevel: {name}
  lint:
    <<: *default
    filesets: [waivers, rtl]
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
"""

_NOTE = """# {name}: integration
Made by `hwsim_rtl.emit`; do not edit, emit it again.

{cores} cores of {columns} columns, activations of up to {activation_bits} bits, weights of {weight_bits}
bits. One clock `clk`, a synchronous reset `rst`, active high. All streams are AXI4-Stream: a transfer takes
place in a cycle with `tvalid` and `tready` high. `tdata` is filled up to whole bytes with bits that are
ignored (in) or zero (out).

## Order of a pass of core N
1. Load its weights on `s_axis_weights` and its channel scales on `s_axis_scales`, each in order from the
   first, `tlast` with the last one, `tuser` the mask of the cores that take them. The memory is a
   ring of {weight_loads} loads of {load_words} words; those of a pass that has no whole number of loads are
   filled up. Loads may run ahead of the passes, by at most {passes_ahead}, and must not overwrite those of a
   pass that is not done. Scales are always {columns} a pass.
2. Send the configuration on `s_axis_passes_N`. It is taken when the pass starts: when the pass before is
   done and the loads are in.
3. A row descriptor for each input row on `s_axis_rows_N`, each before the first value of its row is decoded,
   and the segments on `s_axis_words_N`, `tlast` with the last word of each. Both may be offered at any time:
   words are taken from the start of their pass on, and those of the next pass wait for its start.
4. The output segments leave on `m_axis_coded_N`, `tlast` with the last word of each, and one index entry a
   segment on `m_axis_index_N` (words in bits 15:0, non-zeros in 31:16). `done[N]` is high in the last cycle
   of the pass. `error[N]` says that the words were no legal map; the pass still ends, once it has taken as
   many ends of segments as it has segments, and its outputs are of no use. It falls with the next start.

## Reset and abort
After `rst` a core clears its accumulators, {clear_cycles} cycles in which `busy[N]` is high; a pass that is
sent then starts after that. `rst` may come at any time. `abort_pass[N]` does the same for core N alone, and
keeps the rules of AXI4-Stream: an output that waits to be taken is taken first. While `abort_pass[N]` is
high, and as long as that takes, the core takes and drops its words, row descriptors and passes, and its part
of loads; so it is held until all that was under way for the core has been sent. The core then starts anew
with a load.
A pass to which words are missing never ends; an abort ends it.

A weight word is {columns} weights, lane 0 in the lowest bits; a load has its first word in the lowest bits.

## tdata of s_axis_passes_N
{passes}

## tdata of s_axis_rows_N
{rows}

## tdata of s_axis_scales
{scales}

## Lint and simulation
`verilator --lint-only -Wall {name}.vlt {name}.v` (5.048), or `fusesoc run --target=lint`, is clean; the
first file has the waivers and their reasons. `{core_name}` is one core, of which `{name}` has {cores}. A
module that is instantiated more than once is there once.
"""


class _CoreByName(wiring.Component):
    """An instance of the module of a core, which is written once."""

    def __init__(self, core: Core) -> None:
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
    check_array(arch)
    core = Core(arch)
    return to_verilog((Top(arch, lambda _: _CoreByName(core)), NAME), (core, CORE_NAME))


def emit(arch: Arch, folder: str | Path) -> list[Path]:
    """Write Verilog, waivers for Verilator, a FuseSoC core file and an integration note.

    Args:
        arch: the machine.
        folder: where to; made if it is not there. Files of the same names are replaced.

    Returns:
        The files: ``hwsim_top.v``, ``hwsim_top.vlt``, ``hwsim_top.core``, ``README.md``.

    Raises:
        ArchError: a machine that the RTL cannot be.
    """
    names = {
        "name": NAME,
        "core_name": CORE_NAME,
        **{field: getattr(arch, field) for field in ("cores", "columns", "activation_bits", "weight_bits")},
        "load_words": WEIGHT_PORT_WORDS,
        "weight_loads": arch.weight_words // WEIGHT_PORT_WORDS,
        "passes_ahead": WEIGHT_PASSES,
        "clear_cycles": 1 << bank_address_bits(arch),
    }
    tables = {
        "passes": _table(PassConfig(arch)),
        "rows": _table(RowDescriptor),
        "scales": _table(ChannelScale),
    }
    contents = {
        f"{NAME}.v": verilog(arch),
        f"{NAME}.vlt": _waivers(),
        f"{NAME}.core": _CORE.format(**names),
        "README.md": _NOTE.format(**names, **tables),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with whole_file(folder / name) as partial:
            partial.write_text(content, encoding="utf-8")
    return [folder / name for name in contents]


def _waivers() -> str:
    rules = (f'// {reason}\nlint_off -rule {rule} -file "*{NAME}.v"\n' for rule, reason in WAIVERS.items())
    return "\n".join(["`verilator_config\n", *rules])


def _table(shape: ShapeLike) -> str:
    """Bits and fields of a layout, nested ones by their path."""
    rows = [f"| {low + width - 1}:{low} | {name} |" for name, low, width in _fields(shape, "", 0)]
    return "\n".join(["| bits | field |", "|---|---|", *rows])


def _fields(shape: ShapeLike, prefix: str, offset: int) -> list[tuple[str, int, int]]:
    found = []
    for name, field in data.Layout.cast(shape):
        path = f"{prefix}.{name}" if prefix else name
        if isinstance(field.shape, int) or not _is_layout(field.shape):
            found.append((path, offset + field.offset, field.width))
        else:
            found += _fields(field.shape, path, offset + field.offset)
    return found


def _is_layout(shape: ShapeLike) -> bool:
    return isinstance(shape, data.Layout) or (isinstance(shape, type) and issubclass(shape, data.Struct))
