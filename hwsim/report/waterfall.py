"""What separates the dense baseline's cycles from the machine's, as a sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hwsim.machine.result import CAUSES, LayerResult, Result
from hwsim.report import text
from hwsim.report.tables import CAUSE_MEANINGS, Column

GAINS = ("dense_stalls", "zeros")
LOSSES = tuple(cause for cause in CAUSES if cause != "compute")

WATERFALL_COLUMNS = (
    Column("layer", "layer", "name in the trace", text.label),
    Column("dense_cycles", "dense cycles", "of the dense baseline", text.whole),
    Column("dense_stalls", "- dense stalls", "what the baseline loses itself, all causes", text.whole),
    Column("zeros", "- zeros", "multiplications by zero that the baseline performs", text.whole),
    Column("compute", "= compute", "the work that is left: " + CAUSE_MEANINGS["compute"], text.whole),
    *(Column(cause, f"+ {cause}", CAUSE_MEANINGS[cause], text.whole) for cause in LOSSES),
    Column("cycles", "= cycles", "of the machine", text.whole),
)


def waterfall_rows(result: Result) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """All layers together, and each: cycles of an image, averaged over the images.

    Core-cycles are divided by the cores. In every row ``dense_cycles - dense_stalls - zeros = compute``, and
    ``compute`` with the losses by cause sums to ``cycles``.
    """
    by_layer: dict[str, list[LayerResult]] = {}
    for layer in result.layers:
        by_layer.setdefault(layer.name, []).append(layer)
    share = result.arch.cores * len(result.images)
    return _row("all layers", result.layers, share), [
        _row(name, layers, share) for name, layers in by_layer.items()
    ]


def _row(name: str, layers: Sequence[LayerResult], share: int) -> dict[str, Any]:
    causes = {cause: sum(layer.skipping.causes[cause] for layer in layers) for cause in CAUSES}
    dense = {cause: sum(layer.dense.causes[cause] for layer in layers) for cause in CAUSES}
    counts = {
        "dense_cycles": sum(dense.values()),
        "dense_stalls": sum(dense.values()) - dense["compute"],
        "zeros": dense["compute"] - causes["compute"],
        **causes,
        "cycles": sum(causes.values()),
    }
    return {"layer": name, **{key: count / share for key, count in counts.items()}}
