"""A trace -> what the tables say of it: densities, speedups, sizes."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from hwsim.machine.result import Result
from hwsim.machine.simulation import simulate
from hwsim.report.tables import machine_words
from hwsim.reproduce.entry import Answers, LayerRow, MapSizes, Simulated
from hwsim.reproduce.sizes import all_widths
from hwsim.trace import StoredTrace

IMAGES = 16  # pictures of a trace that are measured, if not told otherwise


def measure_trace(
    trace: StoredTrace, images: int = IMAGES, progress: Callable[[int, int], None] | None = None
) -> Simulated:
    """Simulate the first pictures of a trace on the default machine, and code their maps.

    Args:
        trace: from :func:`hwsim.open_trace`.
        images: at most so many pictures.
        progress: called with (steps done, steps in all).

    Raises:
        ArchError: a layer does not fit the machine.
        TraceError: the trace is damaged.
    """
    numbers = range(min(images, trace.images))
    steps = len(numbers) + len(trace.maps)

    def advance(done: int) -> None:
        if progress is not None:
            progress(done, steps)

    result = simulate(trace, images=numbers, progress=lambda done, _: advance(done))
    picture = trace.layers[0].input
    maps = []
    for name, info in trace.maps.items():
        codes = np.stack([trace.map(name, number) for number in numbers])
        maps.append(MapSizes(name, name == picture, codes.size, all_widths(codes, info)))
        advance(len(numbers) + len(maps))
    return Simulated(
        trace=os.path.basename(trace.title.rstrip("/")),
        digest=trace.digest,
        images=len(numbers),
        bits=max(info.bits for info in trace.maps.values()),
        machine=machine_words(result.arch),
        layers=_layers(trace, result),
        maps=tuple(maps),
    )


def stored_accuracy(trace: StoredTrace) -> dict[str, Answers]:
    """What a trace's own metrics say: ``accuracy`` in integers of its width, ``accuracy_float``."""
    pictures = trace.metrics.get("test_images")
    if not isinstance(pictures, int) or pictures < 1:
        return {}
    bits = max(info.bits for info in trace.maps.values())
    found = {}
    for key, width in (("accuracy_float", "float"), ("accuracy", str(bits))):
        share = trace.metrics.get(key)
        if isinstance(share, float) and 0 <= share <= 1:
            found[width] = Answers(round(share * pictures), pictures)
    return found


def _layers(trace: StoredTrace, result: Result) -> tuple[LayerRow, ...]:
    accounts = ((layer, result.accounts[layer.name]) for layer in trace.layers)
    return tuple(
        LayerRow(
            name=layer.name,
            input=layer.input,
            macs=account.skipping.macs,
            nonzero_macs=account.skipping.nonzero_macs,
            cycles=account.skipping.cycles,
            dense_cycles=account.dense.cycles,
        )
        for layer, account in accounts
    )
