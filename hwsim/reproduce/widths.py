"""Which width and which orders: accuracy, bytes and cycles with maps of fewer and fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from hwsim import codec
from hwsim.arch import Arch
from hwsim.errors import ReproduceError
from hwsim.layer import Layer
from hwsim.machine.result import Result
from hwsim.machine.simulation import simulate
from hwsim.quantize import Requantize
from hwsim.report import text
from hwsim.report.codecs import stored_bits
from hwsim.report.contents import jsonable, tool
from hwsim.report.tables import Column
from hwsim.reproduce.accuracy import FLOATS
from hwsim.reproduce.entry import Answers, Entry
from hwsim.reproduce.sizes import narrowed
from hwsim.trace import MapInfo, Trace

LEAST_MACHINE_BITS = 4  # activation bits of the narrowest machine


class NarrowTrace:
    """A :class:`Trace` whose maps are rounded to fewer bits, in the order that suits these values best.

    What a map has is rounded to ``bits`` as :func:`hwsim.reproduce.sizes.narrowed` says; one that has no more
    stays as it is. The orders are those of the images chosen.
    """

    def __init__(self, trace: Trace, bits: int, images: Sequence[int]) -> None:
        self._trace, self._bits, self._chosen = trace, bits, tuple(images)
        self.title, self.network, self.variant = trace.title, trace.network, trace.variant
        self.synthetic, self.provenance, self.metrics = trace.synthetic, trace.provenance, trace.metrics
        self.images, self.weight_bits, self.layers = trace.images, trace.weight_bits, trace.layers
        self.calibration_pictures, self.flow = trace.calibration_pictures, trace.flow

    @cached_property
    def maps(self) -> Mapping[str, MapInfo]:
        """See :class:`Trace`."""
        return {name: self._narrow(info) for name, info in self._trace.maps.items()}

    def map(self, name: str, image: int, /) -> np.ndarray:
        """See :class:`Trace`."""
        info = self._trace.maps[name]
        codes = self._trace.map(name, image)
        return narrowed(codes, info, self._bits) if info.bits > self._bits else codes

    def row_counts(self, name: str, /) -> np.ndarray | None:
        """Of the maps as they were: a value that is rounded to zero is among them."""
        return self._trace.row_counts(name)

    def weights(self, layer: Layer, /) -> np.ndarray:
        """See :class:`Trace`."""
        return self._trace.weights(layer)

    def weight_scale(self, layer: Layer, /) -> float | np.ndarray:
        """See :class:`Trace`."""
        return self._trace.weight_scale(layer)

    def requantize(self, layer: Layer, /) -> Requantize:
        """Of the maps as they were: a drain to fewer bits is not made up."""
        return self._trace.requantize(layer)

    def _narrow(self, info: MapInfo) -> MapInfo:
        if info.bits <= self._bits:
            return info
        values = np.concatenate([self.map(info.name, image).ravel() for image in self._chosen])
        return replace(info, bits=self._bits, order=codec.best_order(values))


@dataclass(frozen=True)
class WidthRun:
    """A network whose maps have at most so many bits, simulated on a machine of that width.

    Attributes:
        bits: of the maps and of the machine's activations (4 at least).
        orders: of SEG, by map.
        map_bytes: of an image, all maps as the machine stores them, each once.
        result: of the simulation.
        answers: right answers with maps of that width in the loop; None if not measured.
    """

    bits: int
    orders: dict[str, int]
    map_bytes: float
    result: Result
    answers: Answers | None

    def row(self) -> dict[str, Any]:
        """As the table has it: counts of an image."""
        total = self.result.overall()
        low, high = min(self.orders.values()), max(self.orders.values())
        return {
            "bits": self.bits,
            "orders": str(low) if low == high else f"{low} to {high}",
            "accuracy": self.answers.accuracy if self.answers else None,
            "correct": self.answers.correct if self.answers else None,
            "pictures": self.answers.pictures if self.answers else None,
            "map_bytes": self.map_bytes,
            **{key: total[key] for key in ("density", "mac_ratio", "dram_maps", "dram_bytes", "cycles")},
            **{key: total[key] for key in ("speedup", "energy_uj")},
        }


@dataclass(frozen=True)
class Widths:
    """A trace at several widths, the widest first.

    Attributes:
        runs: one a width.
        floats: right answers in floats; None if not measured.
    """

    runs: tuple[WidthRun, ...]
    floats: Answers | None

    def rows(self) -> list[dict[str, Any]]:
        """One row a width."""
        return [run.row() for run in self.runs]

    @property
    def flags(self) -> dict[str, Any]:
        """As :attr:`hwsim.machine.result.Result.flags`, which are those of every width."""
        return self.runs[0].result.flags

    def accuracy_words(self) -> str:
        """Of the network in floats, or how to measure it, in a sentence; nothing if only widths are known."""
        if self.floats:
            return f"Accuracy in floats: {text.percent(self.floats.accuracy)}."
        if all(run.answers is None for run in self.runs):
            return "Accuracy was not measured: 'hwsim accuracy -o FILE' does, --accuracy FILE joins it."
        return ""

    def to_dict(self) -> dict[str, Any]:
        """The document of ``widths.json``."""
        first = self.runs[0].result
        return jsonable(
            {
                "tool": tool(),
                "meaning": MEANING,
                "trace": {"title": first.title, "network": first.network, "variant": first.variant},
                "images": list(first.images),
                "marks": list(first.marks),
                "accuracy_float": self.floats.accuracy if self.floats else None,
                "widths": self.rows(),
                "orders": {str(run.bits): run.orders for run in self.runs},
            }
        )


MEANING = (
    "Maps of the trace are rounded to each width, in the best order of SEG for these values; the machine's "
    "activations have as many bits (4 at least), and its dense baseline, too. Accuracy is that of 'hwsim "
    "accuracy': every map rounded in the loop, on scales of each width's own."
)


def _measured_share(share: float | None) -> str:
    return text.NOT_MEASURED if share is None else text.percent(share)


WIDTH_COLUMNS = (
    Column("bits", "bits", "of the maps", str, 9),
    Column("orders", "k", "orders of SEG, of all maps", str, 7),
    Column("accuracy", "accuracy", "right answers / pictures, maps rounded in the loop", _measured_share, 9),
    Column(
        "map_bytes",
        "maps in SEG",
        "bytes of an image, all maps as the machine stores them, each once",
        text.size,
        7,
    ),
    Column("dram_bytes", "DRAM", "bytes over the channel, weights included, an image", text.size, 8),
    Column("cycles", "cycles", "of an image", text.whole, 9),
    Column("energy_uj", "energy", "of an image", text.energy, 6),
    Column("speedup", "speedup", "over the dense baseline of the same width", text.factor, 5),
    Column("density", "density", "part of the maps' elements that is not zero, each once", text.percent, 4),
    Column("mac_ratio", "MAC ratio", "valid MACs / MACs with a non-zero activation", text.factor, 3),
)


def at_widths(
    trace: Trace,
    arch: Arch,
    images: Sequence[int],
    widths: Sequence[int],
    entry: Entry | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Widths:
    """Simulate a trace at every width that its maps have or exceed.

    Args:
        trace: with maps of at least the widest width that is of interest.
        arch: the machine; its ``activation_bits`` become those of each width.
        images: numbers of the images.
        widths: bits; those above the trace's widest map are left out.
        entry: with the accuracies, as ``hwsim accuracy`` writes it.
        progress: called with (widths done, widths in all).

    Raises:
        ReproduceError: no width is within the trace's.
        ArchError: the machine does not hold the trace.
    """
    widest = max(info.bits for info in trace.maps.values())
    possible = sorted({bits for bits in widths if bits <= widest}, reverse=True)
    if not possible:
        raise ReproduceError(f"{trace.title} has maps of {widest} bits: give a width of at most that")
    known = entry.accuracy if entry else {}
    runs = []
    for done, bits in enumerate(possible):
        if progress is not None:
            progress(done, len(possible))
        narrow = NarrowTrace(trace, bits, images)
        machine = arch.replace(activation_bits=max(bits, LEAST_MACHINE_BITS))
        orders = {name: info.order for name, info in narrow.maps.items()}
        result = simulate(narrow, machine, images)
        size = sum(stored_bits(narrow, result).values()) / 8 / len(images)
        runs.append(WidthRun(bits, orders, size, result, known.get(str(bits))))
    return Widths(tuple(runs), known.get(FLOATS))


def entry_of(entries: Sequence[Entry], trace: Trace, digest: str, data: str | None = None) -> Entry:
    """The row of accuracies that belongs to a trace: of its very maps, or of its network and variant.

    Args:
        entries: of a ``tables.json``, or of a file of ``hwsim accuracy``.
        trace, digest: which.
        data: name of the data set, where several rows fit.

    Raises:
        ReproduceError: none fits, or several do.
    """
    with_accuracy = [entry for entry in entries if entry.accuracy and data in (None, entry.data)]
    same = [entry for entry in with_accuracy if entry.simulated and entry.simulated.digest == digest]
    found = same or [
        entry
        for entry in with_accuracy
        if entry.network.split(",")[0] == trace.network and entry.variant == trace.variant
    ]
    if not found:
        raise ReproduceError(
            f"no accuracy of {trace.network}, {trace.variant}, among {len(entries)} rows: give the file that "
            "'hwsim accuracy -o FILE --variant NAME' wrote for it"
        )
    if len(found) > 1:
        names = ", ".join(sorted({entry.data for entry in found}))
        raise ReproduceError(
            f"{len(found)} rows are of {trace.network}, {trace.variant}: give --data, of {names}"
        )
    return found[0]
