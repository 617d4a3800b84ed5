"""What the tools' reports say."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass

from hwsim_rtl.synth.names import TOP

# Of one cell: LUTs that it takes. A 16 x 4 distributed RAM keeps its bits in four of them.
LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4}
NAMES_SHOWN = 6
_CELL = re.compile(r"_(?:TRELLIS_FF|TRELLIS_DPR16X4|LUT4|CCU2C|DP16KD|MULT18X18D)_.*$|(?:\.\d+)+_DO\w*$")
_INDEX = re.compile(r"(?:\.\d+)+$|\[\d+\]$")
_NAMELESS = re.compile(rf"^{TOP}\d+\.|^port__\d+__|U\$\d+\.")  # bench, submodules without a name


@dataclass(frozen=True)
class Cells:
    """Cells of the ECP5.

    Attributes:
        luts: LUT4, two for a CCU2C (carry), four for a distributed RAM.
        ffs: TRELLIS_FF. dsps: MULT18X18D. brams: DP16KD, 18 Kbit each.
        ram_bits: of distributed RAM.
    """

    luts: int
    ffs: int
    dsps: int
    brams: int
    ram_bits: int


@dataclass(frozen=True)
class Timing:
    """After routing, between registers.

    Attributes:
        fmax_mhz: highest clock frequency.
        delay_ns: of the slowest path; logic_ns of it in cells, the rest in wires.
        levels: cells between the two registers.
        path: what it goes through, first to last.
    """

    fmax_mhz: float
    delay_ns: float
    logic_ns: float
    levels: int
    path: tuple[str, ...]


def read_cells(mapped: str) -> Cells:
    """Count the cells of a mapped netlist, less the registers at its ports, which are the bench's.

    Args:
        mapped: JSON that yosys wrote.
    """
    module = json.loads(mapped)["modules"][TOP]
    pins = {bit for port in module["ports"].values() for bit in port["bits"] if isinstance(bit, int)}
    cells: Counter[str] = Counter()
    for cell in module["cells"].values():
        ends = (bit for pin in ("DI", "Q") for bit in cell["connections"].get(pin, ()))
        if cell["type"] != "TRELLIS_FF" or pins.isdisjoint(ends):
            cells[cell["type"]] += 1
    return Cells(
        luts=sum(weight * cells[kind] for kind, weight in LUTS.items()),
        ffs=cells["TRELLIS_FF"],
        dsps=cells["MULT18X18D"],
        brams=cells["DP16KD"],
        ram_bits=64 * cells["TRELLIS_DPR16X4"],
    )


def read_timing(report: str) -> Timing:
    """Fmax and the slowest path between registers of nextpnr's JSON report."""
    parsed = json.loads(report)
    (clock,) = parsed["fmax"].values()
    steps = next(
        path["path"]
        for path in parsed["critical_paths"]
        if path["from"].startswith("posedge") and path["to"].startswith("posedge")
    )
    names = [_plain(step["from"]["cell"]) for step in steps] + [_plain(steps[-1]["to"]["cell"])]
    distinct = [name for i, name in enumerate(names) if name and name not in names[:i]]
    return Timing(
        fmax_mhz=round(clock["achieved"], 1),
        delay_ns=round(sum(step["delay"] for step in steps), 2),
        logic_ns=round(sum(step["delay"] for step in steps if step["type"] != "routing"), 2),
        levels=sum(step["type"] == "logic" for step in steps),
        path=tuple(distinct),
    )


def _plain(cell: str) -> str:
    """A cell's name without what the tools put behind the signal that it makes; empty if they made it up."""
    name = _NAMELESS.sub("", _INDEX.sub("", _CELL.sub("", cell)))
    return "" if "$" in name else name


def path_words(path: list[str] | tuple[str, ...]) -> str:
    """A path as a reader sees it: its ends and some of what lies between."""
    shown = list(path)
    if len(shown) > NAMES_SHOWN:
        shown = [*shown[: NAMES_SHOWN - 2], "...", shown[-1]]
    return " > ".join(shown)
