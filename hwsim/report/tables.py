"""Tables: which numbers, under which name, in which form; the same for terminal, CSV, JSON and HTML."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwsim.arch import Arch
from hwsim.files import csv_cell
from hwsim.machine.result import Result
from hwsim.machine.runs import MODES
from hwsim.report import text

CAUSE_MEANINGS = {
    "compute": "a multiplication at a valid tap",
    "taps": "a value without a valid tap, or the mark of a row's end",
    "decode": "waiting for the decoder: zeros without a value behind them, its pipeline filling up, a "
    "slot of the map buffer, or the sequencer",
    "dram": "waiting for words of the map that have not arrived, for what is added, for the first "
    "program, or for the last write",
    "weights": "waiting for the weights of the pass, or for a core that does and is done last",
    "drain": "waiting for a free accumulator row, or for the last rows to drain and to lie in the map buffer",
    "pool": "waiting while one part of the machine pools the layer's map, or lays it out anew",
    "imbalance": "done, while another core of the layer still works",
}


@dataclass(frozen=True)
class Column:
    """A column of the per-layer table.

    Attributes:
        key: in a row of :attr:`hwsim.machine.totals.Account.row`.
        title: short.
        meaning: a sentence for the legend.
        show: value to text.
        need: columns with less need go first when the terminal is narrow.
    """

    key: str
    title: str
    meaning: str
    show: Callable[[Any], str]
    need: int = 0

    @property
    def numeric(self) -> bool:
        """Whether the column holds numbers."""
        return self.show not in (text.label, text.words)


BEYOND = Column(
    "beyond",
    "beyond by",
    "where the speedup exceeds the MAC ratio: what the baseline spends its extra core-cycles a MAC on",
    text.label,
    2,
)
STALL_SHARE = Column(
    "largest_stall_share",
    "its share",
    "part of the core-cycles that the largest stall takes",
    text.percent,
    4,
)
LAYER_COLUMNS = (
    Column("layer", "layer", "name in the trace", text.label, 9),
    Column("kind", "kind", "conv, depthwise or linear", text.label, 0),
    Column("macs", "MACs", "valid multiplications of an image, skipped ones included", text.count, 1),
    Column(
        "density", "density", "part of the input map's elements that is not zero, each once", text.percent, 5
    ),
    Column("dense_cycles", "dense cycles", "of the dense baseline, an image", text.whole, 3),
    Column("cycles", "cycles", "of an image", text.whole, 8),
    Column("speedup", "speedup", "dense cycles / cycles", text.factor, 7),
    Column("mac_ratio", "MAC ratio", "valid MACs / MACs with a non-zero activation", text.factor, 6),
    Column("efficiency", "efficiency", "speedup / MAC ratio", text.percent, 1),
    BEYOND,
    Column("dram_bytes", "DRAM", "bytes over the channel, weights included, an image", text.size, 4),
    Column("dense_dram_bytes", "dense DRAM", "the same of the dense baseline", text.size, 1),
    Column(
        "maps_saved", "maps saved", "bytes of maps that the baseline moves and it does not", text.percent, 2
    ),
    Column("energy_uj", "energy", "of an image", text.energy, 2),
    Column("dense_energy_uj", "dense energy", "of the dense baseline, an image", text.energy, 1),
    Column(
        "register_energy_uj",
        "in registers",
        "estimate of the energy of a dense machine that keeps its sums in registers",
        text.energy,
        1,
    ),
    Column("largest_stall", "largest stall", "the most core-cycles besides compute", text.label, 4),
    STALL_SHARE,
)


def layers_csv(result: Result, measured: Sequence[Mapping[str, Any]] = ()) -> str:
    """One row a layer: averages over the images, ratios of the sums.

    Args:
        result: of the simulation.
        measured: rows of :func:`hwsim.report.measured.measured_rows`, in the same order, if there are any.
    """
    flags = {"images": len(result.images), **result.flags}
    rows = [{**row, **flags} for row in result.per_layer()]
    if measured:
        for row, more in zip(rows, measured, strict=True):
            row |= {k: text.NOT_MEASURED if v is None else v for k, v in more.items() if k not in row}
    return to_csv(rows)


def runs_csv(result: Result) -> str:
    """One row for each image, layer and mode (skipping, dense): exact counts."""
    rows = [{"mode": mode, **_flat(vars(run)), **result.flags} for mode in MODES for run in result.runs(mode)]
    return to_csv(rows)


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV with a header; whole numbers without a point, nothing for null, names as one printable line.

    Names that a spreadsheet would run have an apostrophe before them (hwsim.files.csv_cell).
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_cell, rows[0]))
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return out.getvalue()


def to_markdown(columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> str:
    """A table of GitHub's Markdown.

    Args:
        columns: title, and whether the column holds numbers, which stand at the right.
        rows: of as many cells.
    """
    rule = ["---:" if numeric else "---" for _, numeric in columns]
    lines = [[name for name, _ in columns], rule, *rows]
    escaped = ([cell.replace("|", r"\|") for cell in cells] for cells in lines)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)


def mapping_words(result: Result) -> str:
    """By what rows are dealt out to the cores before a picture is seen; the baseline knows all its values."""
    pictures = result.calibration_pictures
    if not pictures:
        return "as if no value were zero: the trace has no row counts of calibration pictures"
    return f"by the non-zeros of {pictures} calibration picture{'s' * (pictures > 1)}"


def between_words(result: Result) -> str:
    """Whether pools and what else lies between the passes of two layers are in the cycles."""
    if result.chain:
        return "pools and all that a machine does from layer to layer take time"
    return "nothing takes time, pools included: the network is no chain, or its trace does not say so"


def title(result: Result) -> str:
    """Network and variant."""
    return f"{result.network}, {result.variant}" if result.variant else result.network


def machine_words(arch: Arch) -> str:
    """The machine in half a sentence."""
    return f"{arch.cores} cores {text.TIMES} {arch.columns} multipliers at {arch.clock_mhz:g} MHz"


def columns_within(
    columns: Iterable[Column], shown: Callable[[list[Column]], int], width: int
) -> list[Column]:
    """As many columns as fit a width, the least needed dropped first; at least one."""
    left = list(columns)
    while len(left) > 1 and shown(left) > width:
        left.remove(min(reversed(left), key=lambda column: column.need))
    return left


def _flat(run: dict[str, Any]) -> dict[str, Any]:
    prefixes = {"causes": "core_cycles_"}
    flat: dict[str, Any] = {}
    for key, value in run.items():
        if isinstance(value, dict):
            flat |= {f"{prefixes.get(key, f'{key}_')}{name}": entry for name, entry in value.items()}
        else:
            flat["layer" if key == "name" else key] = value  # as in every other table
    return flat


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, int) else csv_cell(text.label(value, limit=1000))
