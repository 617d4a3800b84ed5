"""A result at a glance: a few lines of text, and a small table for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwsim.machine.result import Result

ROWS = 40  # of the table; the layers with the fewest cycles are left out of a longer one


def text_summary(result: Result) -> str:
    """What ran on what, and cycles, bytes and energy of an image, in a few lines."""
    row = result.overall()
    return "\n".join(
        [
            _title(result),
            *(f"  {mark}" for mark in result.marks),
            f"  cycles  {_whole(row['cycles'])} of an image, dense {_whole(row['dense_cycles'])}: "
            f"speedup {_times(row['speedup'])}, MAC ratio {_times(row['mac_ratio'])}",
            f"  DRAM    {_whole(row['dram_bytes'])} bytes, dense {_whole(row['dense_dram_bytes'])}: "
            f"weights {_whole(row['dram_weights'])}, maps {_whole(row['dram_maps'])}, scales and programs "
            f"{_whole(row['dram_scales'] + row['dram_programs'])}",
            f"  energy  {row['energy_uj']:,.2f} uJ, dense {row['dense_energy_uj']:,.2f}; estimate with sums "
            f"in registers {row['register_energy_uj']:,.2f}",
        ]
    )


def html_summary(result: Result) -> str:
    """A table of the layers, those with the most cycles if there are many, and of all of them."""
    rows = result.per_layer()
    heaviest = sorted(rows, key=lambda row: -row["cycles"])[:ROWS]
    shown = [row for row in rows if row in heaviest]
    marks = "".join(f"<br><b>{escape(mark)}</b>" for mark in result.marks)
    more = f"<br>The {len(rows) - len(shown)} layers with the fewest cycles are not shown." * (
        len(rows) > ROWS
    )
    head = "".join(f"<th>{title}</th>" for title in _COLUMNS)
    body = "".join(_row(row) for row in (*shown, result.overall()))
    return (
        f"<table><caption>{escape(_title(result))}{marks}{more}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _title(result: Result) -> str:
    images = f"{len(result.images)} images" if len(result.images) > 1 else f"image {result.images[0]}"
    variant = f", {_printable(result.variant)}" if result.variant else ""
    arch = result.arch
    flags = (
        ""
        if arch.skip_zeros and arch.compress
        else f" (skip_zeros {arch.skip_zeros}, compress {arch.compress})"
    )
    return (
        f"Result: {_printable(result.network)}{variant}, {images}, on {arch.cores} cores x "
        f"{arch.columns} multipliers{flags}"
    )


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)[:80]


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


_COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "layer": ("layer", lambda name: escape(_printable(name))),
    "density": ("density", _percent),
    "dense cycles": ("dense_cycles", _whole),
    "cycles": ("cycles", _whole),
    "speedup": ("speedup", _times),
    "MAC ratio": ("mac_ratio", _times),
    "weights, bytes": ("dram_weights", _whole),
    "maps in": ("dram_maps_in", _whole),
    "maps out": ("dram_maps_out", _whole),
    "all DRAM": ("dram_bytes", _whole),
    "dense DRAM": ("dense_dram_bytes", _whole),
    "energy, uJ": ("energy_uj", lambda energy: f"{energy:,.3f}"),
    "largest stall": ("largest_stall", lambda cause: cause or ""),
}


def _row(row: Mapping[str, Any]) -> str:
    return "<tr>" + "".join(f"<td>{show(row[key])}</td>" for key, show in _COLUMNS.values()) + "</tr>"
