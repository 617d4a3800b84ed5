"""A trace written once more, with another part: what the recipes that change a finished trace share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hwsim.layer import Layer
from hwsim.trace import StoredTrace, TraceWriter


def copy_trace(
    trace: StoredTrace,
    target: Path,
    weights: bool,
    counts: Mapping[str, np.ndarray | None],
    pictures: int,
    layers: Sequence[Layer] | None = None,
) -> None:
    """Write a trace anew.

    Args:
        trace: all of it is kept but what the other arguments say.
        target: where to.
        weights: whether its weights are kept, too: they are most of it.
        counts: by map, the rows of its calibration pictures, int64 (C, H); None: it has none.
        pictures: how many these are.
        layers: of the same names and shapes; its own, if not given.
    """
    with TraceWriter(
        target,
        network=trace.network,
        variant=trace.variant,
        synthetic=trace.synthetic,
        provenance=trace.provenance,
        layers=trace.layers if layers is None else layers,
        maps=trace.maps,
        images=trace.images,
        weight_bits=trace.weight_bits,
        metrics=trace.metrics,
        flow=trace.flow,
    ) as writer:
        for layer in trace.layers:
            if weights and layer.name in trace.header.weights:
                writer.write_weights(layer, trace.weights(layer), trace.weight_scale(layer))
            writer.write_requantize(layer, trace.requantize(layer))
        for name in trace.maps:
            rows = counts[name]
            if rows is not None:
                writer.write_row_counts(name, rows, pictures)
            for number in range(trace.images):
                writer.write_map(name, number, trace.map(name, number))
