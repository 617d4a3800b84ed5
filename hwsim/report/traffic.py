"""What the code saves: bytes over the DRAM channel by kind, dense and with maps in SEG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwsim.machine.totals import saved
from hwsim.report import text
from hwsim.report.tables import Column

KINDS = {
    "weights": "weights",
    "scales": "bias and multiplier of the channels",
    "programs": "descriptors of layers and passes",
    "index": "index entries of maps, fetched and written",
    "maps_in": "maps fetched",
    "maps_out": "maps written that lie behind no pool",
    "pooled": "maps written that lie behind a pool",
    "residuals": "maps, and results that are no maps, fetched to be added",
    "bytes": "all of it",
}
TITLES = {kind: kind.replace("_", " ") for kind in KINDS} | {"bytes": "all"}

_FIRST = ("weights", "maps_in", "maps_out", "bytes")  # kept where a screen is narrow

# One row a layer; the baseline's beside the machine's.
LAYER_TRAFFIC_COLUMNS = (
    Column("layer", "layer", "name in the trace", text.label),
    *(
        Column(f"{prefix}dram_{kind}", f"{dense}{TITLES[kind]}", f"{meaning}{of}, an image", text.size)
        for kind, meaning in KINDS.items()
        for prefix, dense, of in (("dense_", "dense ", ", of the dense baseline"), ("", "", ""))
    ),
    Column(
        "maps_saved", "maps saved", "part of the baseline's bytes of maps that does not move", text.percent
    ),
    Column("dram_saved", "saved", "part of all the baseline's bytes that does not move", text.percent),
)

# One row a machine, in words: for all layers together.
TRAFFIC_COLUMNS = (
    Column("what", "DRAM bytes of an image", "which machine", text.label, 9),
    *(
        Column(kind, TITLES[kind], meaning, str, 8 if kind in _FIRST else 3)
        for kind, meaning in KINDS.items()
    ),
)


def traffic_rows(total: Mapping[str, Any], name: str = "") -> list[dict[str, str]]:
    """The baseline, the machine, and what is saved, from a row of the account; ``name`` goes before each."""
    dense = {kind: total[f"dense_dram_{kind}"] for kind in KINDS}
    found = {kind: total[f"dram_{kind}"] for kind in KINDS}
    before = f"{name}: " if name else ""
    return [
        {"what": f"{before}dense baseline", **{kind: text.size(size) for kind, size in dense.items()}},
        {"what": f"{before}machine", **{kind: text.size(size) for kind, size in found.items()}},
        {
            "what": f"{before}saved",
            **{kind: text.percent(saved(found[kind], dense[kind])) for kind in KINDS},
        },
    ]


def saving_words(total: Mapping[str, Any]) -> str:
    """What the code saves, in a sentence or two, from a row of the account."""
    if not total["dram_maps"] and not total["dense_dram_maps"]:
        return "No map crosses the DRAM channel, in SEG or raw: the code saves no DRAM bytes."
    maps = _against(total["dram_maps"], total["dense_dram_maps"], total["maps_saved"])
    whole = _against(total["dram_bytes"], total["dense_dram_bytes"], total["dram_saved"])
    return (
        f"DRAM bytes of an image, with the code: maps {maps}; all, with "
        f"{text.size(total['dram_weights'])} of weights, {whole}."
    )


def _against(size: float, dense: float, part: float | None) -> str:
    words = f"{text.size(size)} in place of {text.size(dense)} dense"
    return words if part is None else f"{words} ({less(part)})"


def less(part: float | None) -> str:
    """A saving in words: ``0.2`` -> ``20.0 % less``, ``-0.2`` -> ``20.0 % more``; of nothing, a dash."""
    if part is None:
        return text.NOTHING
    return f"{text.percent(abs(part))} {'more' if part < 0 else 'less'}"
