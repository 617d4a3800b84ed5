"""How often a network is right, in floats and with its maps quantized in the loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np

from hwsim.capture.calibration import calibrate_network
from hwsim.capture.graph import RunningNetwork
from hwsim.capture.plan import plan
from hwsim.capture.record import Pictures
from hwsim.errors import CaptureError
from hwsim.report import text
from hwsim.report.tables import Column
from hwsim.reproduce.integer_loop import IntegerLoop
from hwsim.reproduce.remembered import Remembered
from hwsim.reproduce.rounding import Rounding, rounding_of

ACCURACY_COLUMNS = (
    Column("maps", "maps", "in floats, or their bits in the loop; weights have 8 bits then", text.words, 9),
    Column("accuracy", "right", "right answers / pictures", text.percent, 9),
    Column("correct", "answers", "right ones", text.whole, 8),
    Column("pictures", "of", "pictures", text.whole, 8),
    Column("in_integers", "in integers", "right answers of integers alone", text.value, 7),
)
WIDTHS = (16, 12, 10, 8, 6, 4)  # bits of the maps, as in the tables
FLOATS = "float"


class Loop(Protocol):
    """A network that answers batches of pictures."""

    def logits(self, pictures: np.ndarray, rounding: Rounding | None = None) -> np.ndarray:
        """float32 (N, classes) of float32 (N, C, H, W), in floats or rounded."""
        ...


@dataclass(frozen=True)
class Accuracy:
    """Right answers, counted.

    Attributes:
        pictures: that were asked.
        correct: by ``float``, or by the bits of the maps as text; weights have 8 bits then.
        calibration_pictures: that the scales are from; none is among the others.
        seconds: it took, calibration included.
        integers: right answers of the network in integers alone, by the bits of the maps as text.
    """

    pictures: int
    correct: dict[str, int]
    calibration_pictures: int
    seconds: float
    integers: dict[str, int] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row for floats and one a width, by the keys of :data:`ACCURACY_COLUMNS`."""
        return [
            {
                "maps": "floats" if width == FLOATS else f"{width} bits",
                "accuracy": correct / self.pictures,
                "correct": correct,
                "pictures": self.pictures,
                "in_integers": self.integers.get(width),
            }
            for width, correct in self.correct.items()
        ]


def open_loop(network: RunningNetwork, picture: np.ndarray) -> Loop:
    """A network of :func:`hwsim.capture.sources.open_network`, ready to be run in batches.

    Raises:
        CaptureError: it does not run on the picture, or is of an opset that is too old.
    """
    if hasattr(network, "module"):
        from hwsim.reproduce.torch_loop import TorchLoop

        return TorchLoop(network, picture)  # type: ignore[arg-type]
    from hwsim.reproduce.onnx_loop import OnnxLoop

    return OnnxLoop(network)  # type: ignore[arg-type]


def measure_accuracy(
    network: RunningNetwork,
    pictures: Pictures | Sequence[np.ndarray],
    labels: Sequence[int] | np.ndarray,
    calibration: Pictures | Sequence[np.ndarray],
    *,
    widths: Sequence[int] = WIDTHS,
    first_class: int = 0,
    batch: int = 8,
    in_integers: Collection[int] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Accuracy:
    """Run labelled pictures through a network in floats, and quantized at every width.

    Every map that a layer reads is rounded to its code when it is made, for all who read it; so is what a
    drain writes before an addition or an average. Scales are those that a capture of the same calibration
    pictures would have. Weights have 8 bits a channel, batch normalization folded into them. The logits are
    not rounded: see :func:`hwsim.reproduce.rounding.rounding_of`.

    Args:
        network: what runs.
        pictures, labels: float32 (C, H, W) each, and its class.
        calibration: other pictures.
        widths: bits of the maps.
        first_class: number of the output that class 0 has; networks with an output for the background have 1.
        batch: pictures at once.
        in_integers: those of the widths at which every picture is answered in integers alone, too.
        progress: called with (pictures run, of all in all).

    Raises:
        CaptureError: the network cannot be captured, or pictures and labels do not fit, or integers do not
            make all of its maps.
    """
    if len(pictures) != len(labels) or not len(pictures):
        raise CaptureError(f"{len(pictures)} pictures and {len(labels)} labels: give one label each")
    began, total, done = (
        time.perf_counter(),
        len(pictures) * (1 + len(widths) + len({*widths} & {*in_integers})),
        0,
    )
    example = pictures[0]
    loop, graph = open_loop(network, example), network.graph(example)
    planned = plan(graph)
    chosen = [calibration[number] for number in range(len(calibration))]
    remembered = Remembered(network, chosen)

    def right(answer: Callable[[np.ndarray], np.ndarray]) -> int:
        """How many pictures are answered right by what makes logits (N, classes) of N pictures."""
        nonlocal done
        found = 0
        for start in range(0, len(pictures), batch):
            numbers = range(start, min(start + batch, len(pictures)))
            logits = answer(np.stack([pictures[number] for number in numbers]))
            wanted = np.asarray([labels[number] for number in numbers])
            found += int((logits[:, first_class:].argmax(axis=1) == wanted).sum())
            done += len(numbers)
            if progress is not None:
                progress(done, total)
        return found

    correct, integers = {FLOATS: right(loop.logits)}, {}
    for bits in widths:
        calibrated = calibrate_network(remembered, planned, chosen, bits)
        rounding = rounding_of(graph, planned, calibrated)
        if bits in in_integers:
            integers[str(bits)] = right(IntegerLoop(network, planned, calibrated).logits_of)
        correct[str(bits)] = right(partial(loop.logits, rounding=rounding))
    seconds = round(time.perf_counter() - began, 1)
    return Accuracy(len(pictures), correct, len(chosen), seconds, integers)


def loop_note(found: Accuracy) -> str:
    """How an accuracy came about, in a sentence."""
    return (
        f"In the loop: {found.pictures:,} pictures, scales from {found.calibration_pictures} others, "
        f"{found.seconds:.0f} s on one core."
    )
