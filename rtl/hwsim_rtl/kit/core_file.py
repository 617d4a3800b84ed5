"""The FuseSoC core file that goes with the emitted Verilog: targets to lint it and to run its bench."""

from __future__ import annotations

from collections.abc import Iterable

_CORE = """CAPI=2:
name: hwsim:accelerator:{name}:0.1.0
description: {description}

filesets:
  rtl:
    files:
      - {name}.v: {{file_type: verilogSource}}
  waivers:
    files:
      - {name}.vlt: {{file_type: vlt}}
{filesets}
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
{targets}"""

# The bench reads its data from the folder in which it runs, which is FuseSoC's own.
_BENCH_FILES = """  bench:
    files:
      - {name}_tb.v: {{file_type: verilogSource}}
{data}"""

_DATA_FILE = "      - {file}: {{file_type: user, copyto: {file}}}\n"

_SIM = """  sim:
    filesets: [rtl, bench]
    toplevel: {name}_tb
    flow: sim
    flow_options:
      tool: icarus
      iverilog_options: [-g2005]
"""


def core_file(name: str, description: str, bench: Iterable[str] = ()) -> str:
    """The text of ``<name>.core``.

    Args:
        name: of the top module, and of its files.
        description: of the machine, a line.
        bench: names of the files of its bench, if it has one: target ``sim`` runs ``<name>_tb.v`` with
            Icarus, beside the files that end in ``.hex``.
    """
    data = "".join(_DATA_FILE.format(file=file) for file in bench if file.endswith(".hex"))
    return _CORE.format(
        name=name,
        description=description,
        filesets=_BENCH_FILES.format(name=name, data=data) if bench else "",
        targets=_SIM.format(name=name) if bench else "",
    )
