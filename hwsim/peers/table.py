"""Published machines and hwsim's own on the convolutions of a trace, at equal multipliers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.peers.geometry import useful_macs
from hwsim.peers.peer import Peer, PeerRun

if TYPE_CHECKING:
    from hwsim.trace import Trace


@dataclass(frozen=True)
class PeerRow:
    """A convolution of one image on one published machine.

    Attributes:
        layer, kind, image, machine: which.
        useful: MACs of which neither operand is zero.
        ideal: ``useful`` / multipliers, the fewest cycles that any machine of so many multipliers can take.
        run: what it takes.
    """

    layer: str
    kind: str
    image: int
    machine: str
    useful: int
    ideal: float
    run: PeerRun

    @property
    def of_ideal(self) -> float:
        """Ideal cycles / cycles: the part of the slots that is useful."""
        return self.ideal / self.run.cycles if self.run.cycles else 1.0


def peer_rows(
    trace: Trace,
    machines: Sequence[Peer],
    images: Sequence[int] | None = None,
    real_weights: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[PeerRow]:
    """Every convolution of every image on every machine.

    Linear layers are left out, as the papers do, and so are layers beyond a plain or depthwise convolution.

    Args:
        trace: with the maps, and with the weights if ``real_weights``.
        machines: from :func:`hwsim.peers.peers_named`.
        images: numbers of the images; all if not given.
        real_weights: which weights are zero is taken from the trace; else none is.
        progress: called with (layers done, layers in all).

    Raises:
        TraceError: an image, or weights, that the trace does not have.
    """
    rows = []
    layers = [layer for layer in trace.layers if layer.kind != "linear" and not layer.special]
    work = [
        (image, layer) for image in (range(trace.images) if images is None else images) for layer in layers
    ]
    for done, (image, layer) in enumerate(work):
        if progress is not None:
            progress(done, len(work))
        nonzero = trace.map(layer.input, image) != 0
        weights = trace.weights(layer) if real_weights else None
        useful = useful_macs(layer, nonzero, weights)
        for machine in machines:
            run = machine.run(layer, nonzero, weights)
            ideal = useful / machine.multipliers
            rows.append(PeerRow(layer.name, layer.kind, image, machine.title, useful, ideal, run))
    return rows
