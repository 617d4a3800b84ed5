"""Answer docs/howto_machine.md from a sweep: its tables, docs/howto_machine.json, and its pictures.

python docs/pictures/howto_machine.py [DIR]

DIR holds the sweep of the page's first command; without it, the sweep is run too, a few minutes of two cores.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from hwsim.machine.area import DEVICE, slowest_part
from hwsim.report import text
from hwsim.report.sweep.analysis import explained, levels
from hwsim.report.sweep.write import write_sweep_report
from hwsim.sweep import Space, sweep

DOCS = Path(__file__).resolve().parents[1]
TRACE = DOCS.parent / "traces" / "mobilenet_v1_imagenet" / "baseline.zarr.zip"
SPACE, DATA, PAGE = DOCS / "howto_machine.toml", DOCS / "howto_machine.json", DOCS / "howto_machine.md"
PICTURES = {"pareto_area.png": "howto_machine_area.png", "heatmap.png": "howto_machine_heatmap.png"}
BEGIN, END = "<!-- docs/pictures/howto_machine.py -->", "<!-- end -->"
NEAR = 1.02  # times the least time of a shape: the smallest machine within it is taken
KEPT = (
    "point", "cores", "columns", "accumulators", "weight_words", "map_buffer", "bytes_per_cycle", "peak_macs",
    "bandwidth_gb_s", "luts", "dsps", "brams", "cycles", "seconds", "speedup", "mac_ratio", "dram_bytes",
)  # fmt: skip

Row = dict[str, Any]


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        if len(sys.argv) == 1:
            sweep([str(TRACE)], Space.from_toml(SPACE), folder)
        summary, _ = write_sweep_report(folder)
        rows = pq.read_table(folder / "points.parquet").to_pylist()
        for drawn, name in PICTURES.items():
            shutil.copyfile(folder / drawn, DOCS / "images" / name)
    document = {
        "counts": {
            "machines": len(summary.machines.numbers),
            "feasible": int(summary.machines.feasible.sum()),
        },
        "refused": summary.machines.refused,
        "sensitivity": {name: shares["cycles"] for name, shares in summary.sensitivity.items()},
        "cores_times_columns": _product_matters([row for row in rows if row["feasible"]]),
        "slowest": slowest_component(),
        **answers(row for row in rows if row["feasible"]),
    }
    DATA.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}{BEGIN}\n{render(document)}\n{after}", encoding="utf-8")


def answers(feasible: Iterable[Row]) -> dict[str, Any]:
    """The machines that the page names: of every shape worth its LUTs, and the best one's bandwidths."""
    shapes: dict[tuple[int, int], list[Row]] = {}
    for row in feasible:
        shapes.setdefault((row["cores"], row["columns"]), []).append(_kept(row))
    picked = sorted((_smallest(rows) for rows in shapes.values()), key=lambda row: row["seconds"])
    front = [row for n, row in enumerate(picked) if all(row["luts"] < other["luts"] for other in picked[:n])]
    best = front[0]
    alike = [row for row in shapes[best["cores"], best["columns"]] if _same(row, best)]
    return {"front": front, "bandwidths": sorted(alike, key=lambda row: row["bytes_per_cycle"])}


def _kept(row: Row) -> Row:
    return {name: row[name] for name in KEPT}


def _smallest(rows: list[Row]) -> Row:
    """Of the machines about as fast as the fastest, the one with the fewest RAMs and the least bandwidth."""
    enough = NEAR * min(row["seconds"] for row in rows)
    return min(
        (row for row in rows if row["seconds"] <= enough),
        key=lambda row: (row["brams"], row["bytes_per_cycle"], row["luts"]),
    )


def _same(row: Row, other: Row) -> bool:
    return all(row[name] == other[name] for name in ("accumulators", "weight_words", "map_buffer"))


def _product_matters(rows: Sequence[Row]) -> float | None:
    """How much of the variance of the cycles the MACs a cycle explain, as the sensitivity of a field."""
    level = levels([row["peak_macs"] for row in rows]).of
    return explained(level, np.array([row["cycles"] for row in rows]))


def slowest_component() -> dict[str, Any]:
    """Of the components of a core, each placed alone, the one with the least clock frequency."""
    component, mhz = slowest_part()
    return {"component": component, "fmax_mhz": mhz}


def fits(row: Row) -> bool:
    """Whether the machine's cells are there on an LFE5U-85F."""
    return all(row[name] <= DEVICE[name] for name in ("luts", "dsps", "brams"))


def render(document: dict[str, Any]) -> str:
    """The page's generated part, Markdown."""
    counts, front, bandwidths = document["counts"], document["front"], document["bandwidths"]
    best, least, most = front[0], bandwidths[0], bandwidths[-1]
    refused = "; ".join(f"{text.whole(n)}: {reason}" for reason, n in document["refused"].items())
    product = document["cores_times_columns"] or 0
    shares = sorted(document["sensitivity"].items(), key=lambda entry: -(entry[1] or 0))
    return "\n".join(
        [
            f"Of {text.whole(counts['machines'])} machines, {text.whole(counts['feasible'])} are feasible "
            f"(not feasible, {refused}). The fastest:",
            "",
            f"**{_shape(best)}**: {_words(best)}. {_device_words(best, next(filter(fits, front), None))}",
            "",
            *_table(
                {
                    "cores x columns": lambda row: f"{row['cores']} x {row['columns']}",
                    "MACs / cycle": lambda row: row["peak_macs"],
                    "LUTs": lambda row: text.whole(row["luts"]),
                    "DSPs": lambda row: row["dsps"],
                    "block RAMs": lambda row: text.whole(row["brams"]),
                    "GB/s": _bandwidth,
                    "an image": lambda row: text.seconds(row["seconds"]),
                    "speedup": lambda row: text.factor(row["speedup"]),
                    "MAC ratio": lambda row: text.factor(row["mac_ratio"]),
                    "DRAM an image": lambda row: text.size(row["dram_bytes"]),
                    "fits an LFE5U-85F": lambda row: "yes" if fits(row) else "no",
                },
                front,
            ),
            "",
            f"The same machine with other bandwidths: {_bandwidth(least)} GB/s take "
            f"{text.factor(least['seconds'] / most['seconds'])} the time of {_bandwidth(most)} GB/s.",
            "",
            *_table(
                {
                    "GB/s": _bandwidth,
                    "bytes / cycle": lambda row: row["bytes_per_cycle"],
                    "an image": lambda row: text.seconds(row["seconds"]),
                    "DRAM an image": lambda row: text.size(row["dram_bytes"]),
                },
                bandwidths,
            ),
            "",
            "What matters for the cycles of the feasible machines, part of the variance of their logarithm: "
            + ", ".join(f"`{name}` {text.percent(share or 0)}" for name, share in shares)
            + f". Cores times columns, tied by the bound on LUTs, explain {text.percent(product)}.",
            "",
            f"The slowest component that was placed, `{document['slowest']['component']}`, reaches "
            f"{document['slowest']['fmax_mhz']:.1f} MHz.",
        ]
    )


def _table(columns: Mapping[str, Callable[[Row], object]], rows: Sequence[Row]) -> list[str]:
    lines = [columns, ["---:"] * len(columns), *([show(row) for show in columns.values()] for row in rows)]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


def _bandwidth(row: Row) -> str:
    return f"{row['bandwidth_gb_s']:.1f}"


def _shape(row: Row) -> str:
    return f"{row['cores']} core{'s' * (row['cores'] != 1)} x {row['columns']} columns"


def _words(row: Row) -> str:
    return (
        f"{text.whole(row['luts'])} LUTs, {text.seconds(row['seconds'])} an image "
        f"({1 / row['seconds']:.3g} images a second), {text.factor(row['speedup'])} its own dense baseline, "
        f"at {_bandwidth(row)} GB/s with {text.whole(row['accumulators'])} accumulators a bank, "
        f"{text.whole(row['weight_words'])} weight words a core and a map buffer of "
        f"{text.size(row['map_buffer'])}"
    )


def _device_words(best: Row, on_chip: Row | None) -> str:
    needs = f"{text.whole(best['brams'])} block RAMs and {best['dsps']} DSPs"
    has = f"an LFE5U-85F has {DEVICE['brams']} and {DEVICE['dsps']}"
    if fits(best):
        return f"It takes {needs}; {has}, so it fits."
    if on_chip is None:
        return f"It takes {needs}, though; {has}, and no machine of the table fits."
    return f"It takes {needs}, though; {has}. There the answer is **{_shape(on_chip)}**: {_words(on_chip)}."


if __name__ == "__main__":
    main()
