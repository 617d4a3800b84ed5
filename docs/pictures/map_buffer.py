"""Fill in the table and the picture of docs/architecture.md of what the map buffer's size does to traffic.

python docs/pictures/map_buffer.py
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.ticker import NullLocator

from hwsim.arch import Arch
from hwsim.machine.result import Result
from hwsim.machine.runs import MAP_KINDS
from hwsim.machine.simulation import simulate
from hwsim.report import text
from hwsim.report.plots.style import DENSE, SKIPPING, canvas, finish, styled
from hwsim.synthetic import synthetic_trace

DOCS = Path(__file__).resolve().parents[1]
PAGE, PICTURE = DOCS / "architecture.md", DOCS / "images" / "map_buffer.png"
BEGIN, END = "<!-- docs/pictures/map_buffer.py -->", "<!-- end of map_buffer.py -->"
NETWORK, DENSITY = "resnet18", 0.4
KIB = (0, 64, 128, 256, 384, 512, 640, 768, 1024, 2048)


def map_bytes(result: Result, mode: str) -> int:
    """Bytes of maps and their index over the channel."""
    account = getattr(result.account, mode)
    return sum(account.dram[kind] for kind in MAP_KINDS)


def measure() -> list[tuple[int, int, int, float | None]]:
    """(KiB, bytes of maps dense, and of the machine, speedup) of every size."""
    trace = synthetic_trace(NETWORK, DENSITY)
    found = []
    for size in KIB:
        result = simulate(trace, Arch(map_buffer=1024 * size))
        found.append((size, map_bytes(result, "dense"), map_bytes(result, "skipping"), result.speedup))
    return found


def table(rows: list[tuple[int, int, int, float | None]]) -> str:
    """Markdown."""
    titles = ["map buffer, KiB", "maps, dense", "maps, machine", "times fewer", "speedup"]
    lines = [titles, ["---:"] * len(titles)]
    for size, dense, coded, speedup in rows:
        ratio = dense / coded
        lines.append(
            [str(size), text.size(dense), text.size(coded), text.factor(ratio), text.factor(speedup)]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(rows: list[tuple[int, int, int, float | None]]) -> bytes:
    """A PNG: both machines' bytes of maps over the size of the map buffer."""
    title = "Bytes of maps over the map buffer's size"
    subtitle = [
        f"ResNet-18, synthetic maps of density {DENSITY}, one image; MB over the DRAM channel.",
        "Dense baseline (grey) and the machine (blue).",
    ]
    with styled():
        figure, axes = canvas(title, subtitle, 2.2, 0.55)
        sizes = [row[0] for row in rows]
        for values, colour in (([row[1] for row in rows], DENSE), ([row[2] for row in rows], SKIPPING)):
            axes.plot(sizes, [value / 1e6 for value in values], color=colour, marker="o", markersize=3)
        axes.set_xlabel("map buffer, KiB")
        axes.set_xticks([0, 512, 1024, 1536, 2048])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        return finish(figure, PICTURE.stem, title).png


def main() -> None:
    rows = measure()
    PICTURE.write_bytes(draw(rows))
    page = PAGE.read_text(encoding="utf-8")
    before, after = page[: page.index(BEGIN)], page[page.index(END) :]
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
